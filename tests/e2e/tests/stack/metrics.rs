//! What ingest tells of itself is there, and true.

use std::time::Duration;

use testkit::{
    eventually::eventually,
    flywheel::Flywheel,
    record::{Described, produce},
};
use wire::topics::USAGE;

use crate::hardship::used;

const SOON: Duration = Duration::from_secs(60);
const EVENTS: u64 = 600;

#[tokio::test(flavor = "multi_thread")]
async fn ingest_tells_how_it_stands() {
    let stack = testkit::migrated_stack().await;
    let ingest = Flywheel::spawn(&stack, "ingest", &[("FLYWHEEL_INGEST_AUDIT_S", "1")]);
    produce(&stack, (0..EVENTS).map(|number| used((number % 6) as i32, number)));
    produce(&stack, [used(0, 0), Described { topic: USAGE.to_owned(), partition: Some(0), ..Described::default() }]);

    let metrics = eventually("all is durable and audited", SOON, async || {
        let metrics = ingest.metrics().await;
        let consumed = sum(&metrics, "messaging_client_consumed_messages_total", "flywheel.usage.v1");
        let audited = sum(&metrics, "flywheel_ingest_audited_total", "");
        let buffered = sum(&metrics, "flywheel_ingest_buffered_bytes", "");
        let all = (EVENTS + 2) as f64;
        if consumed == all && audited >= all && buffered == 0.0 { Ok(metrics) } else { Err(metrics) }
    })
    .await;

    let is = |name: &str, label: &str, expected: f64| {
        assert_eq!(sum(&metrics, name, label), expected, "{name} {label}\n{metrics}");
    };
    is("flywheel_ingest_rows_total", r#""usage""#, EVENTS as f64);
    is("flywheel_ingest_rows_total", r#""repeats""#, 1.0);
    is("flywheel_ingest_rows_total", r#""dead_letters""#, 1.0);
    is("flywheel_ingest_repeats_total", USAGE, 1.0);
    is("flywheel_ingest_dead_letters_total", "flywheel_reason", 1.0);
    is("flywheel_ingest_replays_total", USAGE, 0.0);
    is("flywheel_ingest_audit_findings_total", "doubled", 0.0);
    is("flywheel_ingest_audit_findings_total", "missing", 0.0);
    is("flywheel_ingest_range_age_seconds", "", 0.0);
    is("kafka_consumer_group_lag", USAGE, 0.0);

    let some = |name: &str, label: &str| assert!(sum(&metrics, name, label) > 0.0, "{name} {label}\n{metrics}");
    some("flywheel_ingest_buffered_limit_bytes", "");
    some("flywheel_ingest_inserted_bytes_total", r#""usage""#);
    some("db_client_operation_duration_seconds_count", r#""usage""#);
    some("messaging_client_operation_duration_seconds_count", r#""commit""#);
    some("messaging_process_duration_seconds_count", "");
    some("flywheel_ingest_freshness_seconds_count", USAGE);
    for partition in 0..6 {
        let partition = format!(r#"messaging_destination_partition_id="{partition}""#);
        for name in
            ["flywheel_ingest_lag_seconds", "flywheel_ingest_repeats_horizon_seconds", "kafka_consumer_group_lag"]
        {
            let told = |line: &str| line.starts_with(name) && line.contains(USAGE) && line.contains(&partition);
            assert!(metrics.lines().any(told), "{name} {partition}\n{metrics}");
        }
    }
    assert!(sum(&metrics, "flywheel_ingest_lag_seconds", USAGE) < 60.0, "{metrics}");
    assert!(sum(&metrics, "flywheel_ingest_repeats_horizon_seconds", USAGE) >= 0.0, "{metrics}");
    let (status, log) = ingest.terminate().await;
    assert!(status.success(), "{log}");
}

/// The sum over the metric's lines that contain `label`; 0 where there are none.
pub(crate) fn sum(metrics: &str, name: &str, label: &str) -> f64 {
    let lines = metrics.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
    });
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}
