//! ClickHouse is away, and more waits in Kafka than fits into memory.

use std::time::Duration;

use devstack::Role;
use testkit::{eventually::eventually, flywheel::Flywheel, record::produce};

use super::{complaints, used};
use crate::metrics::sum;

/// So many that the default budget for rows is reached.
const EVENTS: u64 = 2_000_000;

/// On a machine that does more than it can, a commit takes longer than the default allows, and the group is joined anew. That
/// is another matter.
const COMMIT_MS_MAX: &str = "20000";

/// The promise.
const MEMORY_KIB_MAX: u64 = 512 * 1024;

/// Longer than the session, so that whoever does not serve the group loses it.
const AWAY: Duration = Duration::from_secs(20);

const CAUGHT_UP_MAX: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_waits_in_kafka_while_clickhouse_is_away() {
    let stack = testkit::migrated_stack().await;
    let options = [("FLYWHEEL_INGEST_COMMIT_MS_MAX", COMMIT_MS_MAX)];
    let ingest = Flywheel::spawn(&stack, "ingest", &options);
    produce(&stack, (0..6).map(|number| used(number as i32, number)));
    super::each_once(&stack, 6).await;
    let clickhouse = stack.clickhouse().expect("the test's own");
    clickhouse.kill().await.expect("clickhouse is killed");
    produce(&stack, (6..EVENTS).map(|number| used((number % 6) as i32, number)));
    // The outage itself: this long, whatever else happens.
    tokio::time::sleep(AWAY).await;
    eventually("the budget is used", CAUGHT_UP_MAX, async || {
        let metrics = ingest.metrics().await;
        let buffered = sum(&metrics, "flywheel_ingest_buffered_bytes", "");
        let limit = sum(&metrics, "flywheel_ingest_buffered_limit_bytes", "");
        if limit > 0.0 && buffered >= limit * 0.9 {
            Ok(())
        } else {
            Err(format!("{buffered} of {limit}\n{}", ingest.log()))
        }
    })
    .await;
    super::waits_quietly(&ingest).await;
    clickhouse.start().await.expect("clickhouse starts");

    let client = testkit::clickhouse(&stack, Role::Ingest);
    eventually("every event is a row", CAUGHT_UP_MAX, async || {
        let count =
            client.query("SELECT count() FROM usage").fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if count == EVENTS { Ok(()) } else { Err(format!("{count} of {EVENTS}")) }
    })
    .await;
    let ids = client.query("SELECT uniqExact(id) FROM usage").fetch_one::<u64>().await.expect("a count");
    assert_eq!(ids, EVENTS);
    let peak = peak_kib(&ingest);
    assert!(peak < MEMORY_KIB_MAX, "{peak} KiB");
    let (status, log) = ingest.terminate().await;
    assert!(status.success(), "{log}");
    for message in ["partitions lost", "partitions revoked", "joining the group anew"] {
        assert!(!log.contains(message), "{log}");
    }
    assert!(complaints(&log).len() <= 6, "{log}");
}

/// The most memory that it has had, in KiB.
fn peak_kib(flywheel: &Flywheel) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", flywheel.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}
