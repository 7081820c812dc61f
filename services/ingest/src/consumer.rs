//! The Kafka consumer, its settings and what it tells us besides messages.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use domain::{ids::Partition, record::InputTopic};
use kit::config::KafkaConfig;
use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance, StreamConsumer},
    error::{KafkaError, KafkaResult},
};
use wire::topics::{CATALOG, INPUTS, REQUESTS, USAGE};

use crate::{config::IngestConfig, progress::Progress};

/// The consumer of the three input topics.
pub(crate) type Consumer = StreamConsumer<Context>;

/// Joins the group. The connection is made in the background; Kafka may be away.
pub(crate) fn connect(
    config: &IngestConfig,
    kafka: &KafkaConfig,
    progress: Arc<Mutex<Progress>>,
) -> anyhow::Result<Consumer> {
    let consumer: Consumer = kit::kafka::client_config(kafka, "flywheel-ingest")
        .set("group.id", &config.group)
        // We commit ourselves, what ClickHouse has acknowledged.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A new group takes everything there is.
        .set("auto.offset.reset", "earliest")
        // One instance more or less moves only what must move.
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", config.session_ms_max.to_string())
        .set("heartbeat.interval.ms", (config.session_ms_max / 4).max(1).to_string())
        // The default waits a second before it fetches again once the queue was full.
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.wait.max.ms", "50")
        // Bounds what waits in memory, over all partitions: they share one queue.
        .set("queued.max.messages.kbytes", "65536")
        // Topics that are migrated after we started are seen soon.
        .set("topic.metadata.refresh.interval.ms", "5000")
        .create_with_context(Context { progress })
        .context("the Kafka settings are not valid")?;
    consumer.subscribe(&INPUTS).context("cannot subscribe to the input topics")?;
    Ok(consumer)
}

/// The input topic of that name; `None` for one that we did not subscribe to.
pub(crate) fn input_topic(name: &str) -> Option<InputTopic> {
    match name {
        REQUESTS => Some(InputTopic::Requests),
        USAGE => Some(InputTopic::Usage),
        CATALOG => Some(InputTopic::Catalog),
        _ => None,
    }
}

/// That topic's name.
pub(crate) fn name(topic: InputTopic) -> &'static str {
    match topic {
        InputTopic::Requests => REQUESTS,
        InputTopic::Usage => USAGE,
        InputTopic::Catalog => CATALOG,
    }
}

/// Follows assignments for the watermark, and passes the client's log on to ours.
pub(crate) struct Context {
    progress: Arc<Mutex<Progress>>,
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match rebalance {
            Rebalance::Assign(partitions) => {
                tracing::info!(kafka.partitions = partitions.count(), "partitions assigned");
                for partition in partitions.elements() {
                    progress.assigned(partition.topic(), Partition(partition.partition()));
                }
            }
            Rebalance::Revoke(partitions) => {
                tracing::info!(kafka.partitions = partitions.count(), "partitions revoked");
                for partition in partitions.elements() {
                    progress.revoked(partition.topic(), Partition(partition.partition()));
                }
            }
            Rebalance::Error(error) => tracing::warn!(%error, "rebalance failed, the group will try again"),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            // The next commit covers this one.
            tracing::warn!(%error, "offsets were not committed");
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(facility, message, "kafka client");
            }
            // Connection failures come here once a try; readiness tells of an outage.
            _ => tracing::debug!(facility, message, "kafka client"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}
