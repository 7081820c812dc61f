//! ClickHouse or Kafka answers, and refuses.

use devstack::{Role, Stack};
use testkit::{
    eventually::eventually,
    flywheel::{Flywheel, migrate},
    record::produce,
};
use wire::topics::USAGE;

use super::{SOON, complaints, each_once, says, used, waits_quietly};
use crate::metrics::sum;

fn produce_numbers(stack: &Stack, numbers: std::ops::Range<u64>) {
    produce(stack, numbers.map(|number| used((number % 6) as i32, number)));
}

/// How often a message stands in the log.
fn count(ingest: &Flywheel, message: &str) -> usize {
    ingest.log().lines().filter(|line| line.contains(message)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_topics_and_tables_ingest_waits_for_the_migration() {
    let stack = testkit::stack().await;
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    says(&ingest, &["dependency is away", "UNKNOWN_DATABASE", "run `flywheel migrate`"]).await;
    says(&ingest, &["kafka cannot be read", "UnknownTopicOrPartition", "run `flywheel migrate`"]).await;
    waits_quietly(&ingest).await;
    migrate(&stack).await;
    produce_numbers(&stack, 0..60);
    each_once(&stack, 60).await;
    ingest.ready().await;
    assert!(complaints(&ingest.log()).len() <= 6, "{}", ingest.log());
    let (status, log) = ingest.terminate().await;
    assert!(status.success(), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_older_migrations_only_ingest_waits_for_the_newer_ones() {
    let stack = testkit::stack().await;
    migrate(&stack).await;
    let client = testkit::clickhouse(&stack, Role::Migrate);
    // As the last release left it.
    for statement in ["DROP TABLE repeats SYNC", "DELETE FROM schema_migrations WHERE version >= 6"] {
        client.query(statement).execute().await.expect("the migration is undone");
    }
    produce_numbers(&stack, 0..60);
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    says(&ingest, &["clickhouse was asked in vain", "UNKNOWN_TABLE", "run `flywheel migrate`"]).await;
    waits_quietly(&ingest).await;
    assert_eq!(count(&ingest, "clickhouse was asked in vain"), 1, "{}", ingest.log());
    migrate(&stack).await;
    each_once(&stack, 60).await;
    says(&ingest, &["clickhouse answers again"]).await;
    let (status, log) = ingest.terminate().await;
    assert!(status.success(), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_said_and_waited_for() {
    let stack = testkit::migrated_stack().await;
    produce_numbers(&stack, 0..60);
    let ingest = Flywheel::spawn(&stack, "ingest", &[("FLYWHEEL_CLICKHOUSE_INGEST_PASSWORD", "wrong")]);
    says(&ingest, &["clickhouse was asked in vain", "AUTHENTICATION_FAILED", "check ClickHouse's user and password"])
        .await;
    says(&ingest, &["watermark cannot be published", "AUTHENTICATION_FAILED"]).await;
    waits_quietly(&ingest).await;
    assert_eq!(count(&ingest, "clickhouse was asked in vain"), 1, "{}", ingest.log());
    // It reads its password when it starts.
    let (status, log) = ingest.terminate().await;
    assert!(status.success(), "{log}");
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    each_once(&stack, 60).await;
    let (status, log) = ingest.terminate().await;
    assert!(status.success(), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_for() {
    let stack = testkit::migrated_stack().await;
    let client = testkit::clickhouse(&stack, Role::Migrate);
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    produce_numbers(&stack, 0..60);
    each_once(&stack, 60).await;

    // ClickHouse's own guard against a full disk, told to leave a petabyte free.
    let full = "ALTER TABLE usage MODIFY SETTING min_free_disk_bytes_to_perform_insert = 1125899906842624";
    client.query(full).execute().await.expect("the setting is made");
    produce_numbers(&stack, 60..120);
    says(&ingest, &["clickhouse did not take the rows", "NOT_ENOUGH_SPACE", "make room on ClickHouse's disk"]).await;
    waits_quietly(&ingest).await;
    assert_eq!(count(&ingest, "clickhouse did not take the rows"), 1, "{}", ingest.log());
    let metrics = ingest.metrics().await;
    assert!(sum(&metrics, "db_client_operation_duration_seconds_count", r#"error_type="243""#) > 1.0, "{metrics}");
    assert_eq!(sum(&metrics, "kafka_consumer_group_lag", USAGE), 60.0, "{metrics}");
    assert!(sum(&metrics, "flywheel_ingest_range_age_seconds", USAGE) > 4.0, "{metrics}");
    assert!(sum(&metrics, "flywheel_ingest_buffered_bytes", "") > 0.0, "{metrics}");

    // Whoever comes after it reads again what it has declared, and waits too.
    ingest.kill().await;
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    says(&ingest, &["partitions taken over", r#""ranges.missing":6"#]).await;
    says(&ingest, &["clickhouse did not take the rows", "NOT_ENOUGH_SPACE"]).await;
    assert_eq!(sum(&ingest.metrics().await, "flywheel_ingest_replays_total", USAGE), 6.0);

    let roomy = "ALTER TABLE usage RESET SETTING min_free_disk_bytes_to_perform_insert";
    client.query(roomy).execute().await.expect("the setting is reset");
    each_once(&stack, 120).await;
    eventually("it says that it is over", SOON, async || match count(&ingest, "clickhouse answers again") {
        1 => Ok(()),
        count => Err(format!("{count} times: {}", ingest.log())),
    })
    .await;
    let (status, log) = ingest.terminate().await;
    assert!(status.success(), "{log}");
}
