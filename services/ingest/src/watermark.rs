//! Publishes how far each partition is durable. The least over all partitions is the watermark: the ranker reads it before
//! the rows, and says `data_through` with it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, ensure};
use clickhouse::{Client, Row};
use domain::ids::{Offset, Partition};
use kit::{config::KafkaConfig, health::Part, kafka::Quiet};
use rdkafka::{
    Offset as KafkaOffset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use wire::topics::INPUTS;

use crate::{config::IngestConfig, progress::Progress};

const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Observes the ends of the partitions and publishes their progress.
pub(crate) struct Publisher {
    consumer: Arc<BaseConsumer<Quiet>>,
    client: Client,
    progress: Arc<Mutex<Progress>>,
    interval: Duration,
    part: Part,
}

#[derive(Row, Serialize)]
struct ProgressRow {
    topic: String,
    partition: i32,
    partitions: i32,
    progress: i64,
}

impl Publisher {
    /// # Errors
    /// When the Kafka settings are not valid.
    pub(crate) fn new(
        kafka: &KafkaConfig,
        client: Client,
        progress: Arc<Mutex<Progress>>,
        config: &IngestConfig,
        part: Part,
    ) -> anyhow::Result<Self> {
        // A client of its own, outside the group: it only asks, and outlives a membership.
        let consumer = kit::kafka::client_config(kafka, "flywheel-ingest-watermark").create_with_context(Quiet)?;
        let interval = Duration::from_millis(config.watermark_ms);
        Ok(Self { consumer: Arc::new(consumer), client, progress, interval, part })
    }

    /// Publishes until `shutdown`, and then once more what is still held.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut failing = false;
        loop {
            let stopping = tokio::select! {
                () = shutdown.cancelled() => true,
                () = tokio::time::sleep(self.interval) => false,
            };
            match self.publish(failing).await {
                Ok(()) => {
                    self.part.ready();
                    if failing {
                        tracing::info!("watermark is published again");
                    }
                    failing = false;
                }
                // Rankings then say an older `data_through`, which is true.
                Err(error) => {
                    self.part.unready(format!("cannot publish its progress: {error}"));
                    if !failing {
                        let error = format!("{error:#}");
                        let remedy = kit::clickhouse::remedy(&error);
                        tracing::warn!(error, remedy, "watermark cannot be published, trying on");
                    }
                    failing = true;
                }
            }
            if stopping {
                return;
            }
        }
    }

    /// Where nothing is to be published, ClickHouse is asked for the table if it failed before.
    async fn publish(&self, failing: bool) -> anyhow::Result<()> {
        let consumer = Arc::clone(&self.consumer);
        let progress = Arc::clone(&self.progress);
        // librdkafka blocks the thread for these calls.
        let counts = tokio::task::spawn_blocking(move || observe(&consumer, &progress)).await??;
        let reached = lock(&self.progress).reached();
        if reached.is_empty() {
            if failing {
                let asked = self.client.query("SELECT 1 FROM ingest_progress LIMIT 0").execute();
                tokio::time::timeout(ANSWER_MAX, asked).await.context("ClickHouse does not answer")??;
            }
            return Ok(());
        }
        // The first insert asks for the table's columns, which the insert's own timeouts do not cover.
        let mut insert = tokio::time::timeout(ANSWER_MAX, self.client.insert::<ProgressRow>("ingest_progress"))
            .await
            .context("ClickHouse does not answer")??
            .with_timeouts(Some(ANSWER_MAX), Some(ANSWER_MAX));
        for reached in reached {
            let Some(partitions) = counts.get(&reached.topic) else { continue };
            let row = ProgressRow {
                partition: reached.partition.0,
                partitions: *partitions,
                progress: reached.progress_ms,
                topic: reached.topic,
            };
            insert.write(&row).await?;
        }
        insert.end().await.context("cannot insert the progress")
    }
}

/// Asks Kafka where the assigned partitions start and end; returns each topic's number of partitions.
fn observe(consumer: &BaseConsumer<Quiet>, progress: &Mutex<Progress>) -> anyhow::Result<BTreeMap<String, i32>> {
    let mut counts = BTreeMap::new();
    for topic in INPUTS {
        let metadata = consumer.fetch_metadata(Some(topic), ANSWER_MAX).context("cannot read the topics")?;
        let count = metadata.topics().iter().map(|topic| topic.partitions().len()).sum::<usize>();
        ensure!(count > 0, "topic {topic} does not exist; `flywheel migrate` creates it");
        counts.insert(topic.to_owned(), i32::try_from(count)?);
    }

    let assignment = lock(progress).assignment();
    if assignment.is_empty() {
        return Ok(counts);
    }
    // Before the question is asked: what the answer shows was true then or later.
    let observed_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut ends = TopicPartitionList::new();
    for (topic, partition) in &assignment {
        // In this request the "offset" is a timestamp, and -1 asks for the end.
        ends.add_partition_offset(topic, partition.0, KafkaOffset::End)?;
    }
    let ends = consumer.offsets_for_times(ends, ANSWER_MAX).context("cannot read the ends of the partitions")?;
    let mut progress = lock(progress);
    for end in ends.elements() {
        if let KafkaOffset::Offset(offset) = end.offset() {
            progress.observed(end.topic(), Partition(end.partition()), Offset(offset), observed_ms);
        }
    }
    Ok(counts)
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}
