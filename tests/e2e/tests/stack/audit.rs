//! What was written is counted again afterwards.

use std::time::Duration;

use devstack::Role;
use e2e::examples::examples;
use testkit::{
    eventually::eventually,
    flywheel::Flywheel,
    record::{Described, produce},
};

const FOUND_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_a_row_that_somebody_doubled() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::spawn(&stack, "ingest", &[("FLYWHEEL_INGEST_AUDIT_S", "2")]);
    flywheel.ready().await;
    let client = testkit::clickhouse(&stack, Role::Ingest).with_setting("deduplicate_insert", "disable");
    let valid = examples("valid").expect("the examples are readable");
    let usage: Vec<Described> =
        valid.into_iter().map(|example| example.record).filter(|record| record.topic == "flywheel.usage.v1").collect();
    assert!(!usage.is_empty(), "there are examples of usage");

    let audited = async || metric(&flywheel, "flywheel_ingest_audited_total").await;
    let found = async || metric(&flywheel, "flywheel_ingest_audit_findings_total").await;
    produce(&stack, usage.iter().cloned());
    eventually("a first audit", FOUND_MAX, async || match audited().await {
        Some(offsets) if offsets >= usage.len() as f64 => Ok(()),
        offsets => Err(format!("{offsets:?} of {}", usage.len())),
    })
    .await;
    assert_eq!(found().await, Some(0.0), "nothing is wrong yet");

    // An audit may come between the row and its double, and then has nothing to find: so there are several.
    eventually("the audit finds what is doubled", FOUND_MAX, async || {
        produce(&stack, usage.iter().cloned());
        let doubling = "INSERT INTO repeats SELECT * FROM repeats ORDER BY offset DESC LIMIT 5";
        client.query(doubling).execute().await.map_err(|error| error.to_string())?;
        let findings = found().await.unwrap_or_default();
        if findings > 0.0 { Ok(()) } else { Err(findings.to_string()) }
    })
    .await;
    assert!(flywheel.log().contains("the audit found rows that are doubled or missing"), "{}", flywheel.log());
}

/// The sum of a metric over its attributes; none where it is not there.
async fn metric(flywheel: &Flywheel, name: &str) -> Option<f64> {
    let metrics = flywheel.metrics().await;
    let of_it = |line: &&str| line.starts_with(name) && line[name.len()..].starts_with(['{', ' ']);
    metrics
        .lines()
        .filter(of_it)
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .reduce(|sum, value: f64| sum + value)
}
