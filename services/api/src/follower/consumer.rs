//! The calls to Kafka, which block and so run aside. Each gives up after a while and says why in words for `/readyz`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use kit::{config::KafkaConfig, kafka::Quiet};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{Consumer, StreamConsumer},
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode,
};
use wire::topics::RANKINGS;

/// Kafka answers a question within this time or counts as away.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Why readiness is gone when Kafka is. The same words whichever way that shows, so that it is logged once.
pub(super) const AWAY: &str = "Kafka does not answer";

/// The consumer of the rankings.
pub(super) type Client = StreamConsumer<Quiet>;

/// A consumer that is assigned nothing yet.
pub(super) fn connect(config: &KafkaConfig) -> KafkaResult<Client> {
    kit::kafka::client_config(config, "flywheel-api")
        // The client wants a name although no group is joined and nothing committed.
        .set("group.id", "flywheel-api")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        // Where a partition was made anew, it is read from its beginning.
        .set("auto.offset.reset", "earliest")
        .set("queued.max.messages.kbytes", "16384")
        .create_with_context(Quiet)
}

/// How many partitions the topic has, or why that is not known.
pub(super) async fn partitions(consumer: Arc<Client>) -> Result<i32, String> {
    let asked = tokio::task::spawn_blocking(move || {
        let metadata = consumer.fetch_metadata(Some(RANKINGS), ANSWER_MAX)?;
        let Some(topic) = metadata.topics().first() else { return Ok(0) };
        match topic.error() {
            None => Ok(topic.partitions().len()),
            Some(error) => Err(KafkaError::MetadataFetch(error.into())),
        }
    });
    match asked.await {
        Ok(Ok(0)) => Err(format!("topic {RANKINGS} has no partitions yet")),
        Ok(Ok(partitions)) => i32::try_from(partitions).map_err(|_| "too many partitions".to_owned()),
        Ok(Err(error)) => Err(why(&error)),
        Err(error) => Err(format!("asking Kafka failed: {error}")),
    }
}

/// Follows all partitions from their beginnings. The ends of those that hold anything, or why they are not known.
///
/// # Errors
/// When the client refuses the assignment.
pub(super) async fn assign(
    consumer: Arc<Client>,
    partitions: i32,
) -> anyhow::Result<Result<BTreeMap<i32, i64>, String>> {
    let assigned = tokio::task::spawn_blocking(move || {
        let mut ends = BTreeMap::new();
        let mut all = TopicPartitionList::new();
        for partition in 0..partitions {
            let (first, end) = match consumer.fetch_watermarks(RANKINGS, partition, ANSWER_MAX) {
                Ok(watermarks) => watermarks,
                Err(error) => return Ok(Err(why(&error))),
            };
            if first < end {
                ends.insert(partition, end);
            }
            all.add_partition_offset(RANKINGS, partition, Offset::Beginning)?;
        }
        consumer.assign(&all)?;
        Ok::<_, KafkaError>(Ok(ends))
    });
    assigned.await.context("assigning the partitions was interrupted")?.context("cannot follow the rankings topic")
}

fn why(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            format!("topic {RANKINGS} does not exist; `flywheel migrate` creates it")
        }
        _ => {
            tracing::debug!(%error, "asking Kafka failed");
            AWAY.to_owned()
        }
    }
}
