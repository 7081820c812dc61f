//! Offsets and topics that are not what they were.

use std::time::Duration;

use devstack::{Role, Stack};
use testkit::{eventually::eventually, flywheel::Flywheel, record::produce};
use wire::topics::USAGE;

use super::{admin, each_once, manual, stops, used};

const PARTITIONS: i32 = 6;

/// Events of these numbers, dealt out to so many partitions.
fn produce_numbers(stack: &Stack, numbers: std::ops::Range<u64>, partitions: i32) {
    produce(stack, numbers.map(|number| used((number % partitions as u64) as i32, number)));
}

async fn ends_well(ingest: Flywheel) {
    let (status, log) = ingest.terminate().await;
    assert!(status.success(), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_anew_stops_ingest_until_the_old_rows_are_set_aside() {
    let stack = testkit::migrated_stack().await;
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    produce_numbers(&stack, 0..60, PARTITIONS);
    each_once(&stack, 60).await;
    ends_well(ingest).await;

    // While it is down. Kafka forgets the commits with the topic.
    admin::make_anew(&stack, USAGE, PARTITIONS).await;
    let since = manual::now(&stack).await;
    produce_numbers(&stack, 60..90, PARTITIONS);
    stops(Flywheel::spawn(&stack, "ingest", &[]), &["flywheel.usage.v1/", "made anew"]).await;
    manual::set_aside(&stack, &since).await;
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    each_once(&stack, 90).await;

    // While it runs, and longer than before: the client would read on where it stood.
    admin::make_anew(&stack, USAGE, PARTITIONS).await;
    let since = manual::now(&stack).await;
    produce_numbers(&stack, 90..210, PARTITIONS);
    stops(ingest, &["flywheel.usage.v1/", "made anew"]).await;
    // Whoever starts it again gets it no further.
    stops(Flywheel::spawn(&stack, "ingest", &[]), &["flywheel.usage.v1/", "made anew"]).await;
    manual::set_aside(&stack, &since).await;
    for partition in 0..PARTITIONS {
        admin::commit(&stack, USAGE, partition, 0).await;
    }
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    each_once(&stack, 210).await;
    ends_well(ingest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_commits_stop_ingest_until_they_are_made_from_the_rows() {
    let stack = testkit::migrated_stack().await;
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    produce_numbers(&stack, 0..60, PARTITIONS);
    each_once(&stack, 60).await;
    ends_well(ingest).await;

    admin::forget_commits(&stack).await;
    stops(Flywheel::spawn(&stack, "ingest", &[]), &["flywheel.usage.v1/", "its commit was lost"]).await;
    // As if it had been killed when a later range was there and an earlier one was not.
    manual::delete(&stack, 2, 4, Some(5)).await;
    let ends = manual::ends(&stack).await;
    assert_eq!(ends, [(0, 10), (1, 10), (2, 4), (3, 10), (4, 10), (5, 10)]);
    for (partition, end) in ends {
        manual::delete(&stack, partition, end, None).await;
        admin::commit(&stack, USAGE, partition, end).await;
    }
    let ingest = Flywheel::spawn(&stack, "ingest", &[("FLYWHEEL_INGEST_EPOCH", "1")]);
    each_once(&stack, 60).await;
    produce_numbers(&stack, 60..90, PARTITIONS);
    each_once(&stack, 90).await;
    ends_well(ingest).await;
    // The epoch is not to be lowered again.
    stops(Flywheel::spawn(&stack, "ingest", &[]), &["is of epoch 1, and epoch 0 is configured"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_expired_unread_stop_ingest_until_their_loss_is_accepted() {
    let stack = testkit::migrated_stack().await;
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    produce_numbers(&stack, 0..60, PARTITIONS);
    each_once(&stack, 60).await;
    ends_well(ingest).await;

    produce_numbers(&stack, 60..120, PARTITIONS);
    admin::delete_records(&stack, USAGE, 3, 15).await;
    stops(Flywheel::spawn(&stack, "ingest", &[]), &["flywheel.usage.v1/3", "committed offset 10", "expired"]).await;
    admin::commit(&stack, USAGE, 3, 15).await;
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    // Kafka no longer has five of them.
    each_once(&stack, 115).await;
    ends_well(ingest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_added_are_read_soon() {
    let stack = testkit::migrated_stack().await;
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    produce_numbers(&stack, 0..60, PARTITIONS);
    each_once(&stack, 60).await;
    admin::add_partitions(&stack, USAGE, 9).await;
    produce_numbers(&stack, 60..150, 9);
    each_once(&stack, 150).await;
    eventually("the lag of an added partition is known", Duration::from_secs(10), async || {
        let metrics = ingest.metrics().await;
        let lag = r#"kafka_consumer_group_lag{messaging_destination_name="flywheel.usage.v1",messaging_destination_partition_id="8""#;
        if metrics.contains(lag) { Ok(()) } else { Err(metrics) }
    })
    .await;
    assert!(super::complaints(&ingest.log()).is_empty(), "{}", ingest.log());
    ends_well(ingest).await;
    let client = testkit::clickhouse(&stack, Role::Ingest);
    let partitions = client.query("SELECT uniqExact(partition) FROM usage").fetch_one::<u64>().await.expect("a count");
    assert_eq!(partitions, 9);
}
