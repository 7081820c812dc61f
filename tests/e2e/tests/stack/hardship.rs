//! What an operator may meet: offsets and topics that are not what they were, a server that refuses. Ingest waits, or stops,
//! with one clear message, loses nothing, and goes on once it is mended.
//!
//! - `offsets`: a topic made anew, commits that are lost or too old, partitions that are added.
//! - `refused`: no tables, no topics, wrong credentials, a full disk.
//! - `backlog`: ClickHouse is away, and more waits in Kafka than fits into memory.
//! - `admin` and `manual`: what an operator does to Kafka and, as the manual says, to ClickHouse.

mod admin;
mod backlog;
mod manual;
mod offsets;
mod refused;

use std::time::Duration;

use devstack::{Role, Stack};
use serde_json::Value;
use testkit::{eventually::eventually, flywheel::Flywheel, record::Described};
use wire::topics::USAGE;

const SOON: Duration = Duration::from_secs(60);

/// How long a process is watched that has nothing to do but to wait.
const WATCHED: Duration = Duration::from_secs(5);

/// A usage event of that number, in that partition.
pub(crate) fn used(partition: i32, number: u64) -> Described {
    let id = number.to_string();
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", &id),
        ("ce_source", "//flywheel/tests/hardship"),
        ("ce_type", "io.flywheel.usage.observed.v1"),
        ("ce_time", "2026-01-15T09:30:00Z"),
    ];
    let account = format!("account-{}", number % 97);
    let data = format!(r#"{{"team":"hard","feature":"f","account":"{account}","operation":"query","count":1}}"#);
    Described {
        topic: USAGE.to_owned(),
        partition: Some(partition),
        key: Some(account),
        headers: headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec(),
        payload: Some(data.into_bytes()),
    }
}

/// Waits until the numbers up to `count` are rows, each once.
async fn each_once(stack: &Stack, count: u64) {
    let client = testkit::clickhouse(stack, Role::Ingest);
    let sql = "SELECT count(), uniqExact(id) FROM usage";
    eventually("every event is a row", SOON, async || {
        let (rows, ids) = client.query(sql).fetch_one::<(u64, u64)>().await.map_err(|error| error.to_string())?;
        assert!(rows == ids, "{rows} rows of {ids} events");
        if ids == count { Ok(()) } else { Err(format!("{ids} of {count}")) }
    })
    .await;
}

/// The lines of a log, each an object.
fn lines(log: &str) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The lines at `warn` or `error`.
fn complaints(log: &str) -> Vec<String> {
    let complains = |line: &Value| matches!(line["level"].as_str(), Some("WARN" | "ERROR"));
    lines(log).iter().filter(|line| complains(line)).map(Value::to_string).collect()
}

/// Waits until the log has a line that contains all of these.
async fn says(flywheel: &Flywheel, words: &[&str]) -> String {
    eventually(&format!("the log says {words:?}"), SOON, async || {
        let log = flywheel.log();
        let line = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
        line.map(str::to_owned).ok_or(log.clone())
    })
    .await
}

/// It ends by itself, and its last line says all of these and where to read on.
async fn stops(flywheel: Flywheel, words: &[&str]) -> String {
    let (status, log) = flywheel.ended(SOON).await;
    assert_eq!(status.code(), Some(1), "{log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.starts_with("flywheel: "), "{log}");
    assert!(words.iter().all(|word| last.contains(word)), "expected {words:?}:\n{log}");
    assert!(last.contains("docs/operations.md"), "{last}");
    log
}

/// While it waits it neither fills its log nor burns the processor.
async fn waits_quietly(flywheel: &Flywheel) {
    let (lines_before, busy_before) = (flywheel.log().lines().count(), processor_time(flywheel));
    // Not for anything to happen: that nothing does is what is seen.
    tokio::time::sleep(WATCHED).await;
    let (lines, busy) = (flywheel.log().lines().count() - lines_before, processor_time(flywheel) - busy_before);
    assert!(lines <= 2, "{lines} lines in {WATCHED:?}:\n{}", flywheel.log());
    assert!(busy < WATCHED / 4, "{busy:?} of processor time in {WATCHED:?}:\n{}", flywheel.log());
}

/// Processor time that it has used, in the system's ticks of 10 ms.
fn processor_time(flywheel: &Flywheel) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", flywheel.id())).expect("it runs");
    // The name in parentheses may hold anything; user and system time are the 12th and 13th field after it.
    let after = stat.rsplit_once(')').expect("a name").1;
    let ticks: u64 = after.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 10)
}
