//! The loop: receive, decode, batch; when a batch is due, write it; when it is written, commit.
//!
//! One batch is written while the next one fills. When both are full the partitions are paused: memory stays bounded and
//! the consumer keeps its place in the group however long ClickHouse is away.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use anyhow::bail;
use domain::{
    ids::{Offset, Partition},
    record::{Record, decode},
    time::Timestamp,
};
use rdkafka::{
    Message as _, Offset as KafkaOffset, TopicPartitionList,
    consumer::{CommitMode, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::BorrowedMessage,
};
use tokio_util::sync::CancellationToken;

use crate::{
    batch::Batch,
    config::IngestConfig,
    consumer::{self, Consumer},
    progress::Progress,
    tables::Place,
    writer::Writer,
};

/// Everything the loop owns.
pub(crate) struct Pipeline {
    config: IngestConfig,
    consumer: Arc<Consumer>,
    writer: Writer,
    progress: Arc<Mutex<Progress>>,
    filling: Batch,
    writing: Option<Pin<Box<dyn Future<Output = Batch> + Send>>>,
    /// At which count of assignments the partitions were paused; none while they are not.
    paused_at: Option<u64>,
    last_error: Option<RDKafkaErrorCode>,
}

impl Pipeline {
    pub(crate) fn new(
        config: IngestConfig,
        consumer: Arc<Consumer>,
        writer: Writer,
        progress: Arc<Mutex<Progress>>,
    ) -> Self {
        let filling = Batch::default();
        Self { config, consumer, writer, progress, filling, writing: None, paused_at: None, last_error: None }
    }

    /// Runs until `shutdown`, then writes and commits what was received.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let consumer = Arc::clone(&self.consumer);
        loop {
            self.start_writing_if_due();
            self.pause_or_resume()?;
            let due_at = self.filling.due_at(&self.config).filter(|_| self.writing.is_none());
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                batch = written(&mut self.writing) => self.acknowledge(&batch, CommitMode::Async),
                () = at(due_at) => {}
                // Also while paused: the group's own events come this way.
                received = consumer.recv() => self.receive(received)?,
            }
        }
        self.drain().await;
        Ok(())
    }

    fn start_writing_if_due(&mut self) {
        let due = self.filling.is_full(&self.config)
            || self.filling.due_at(&self.config).is_some_and(|due_at| due_at <= Instant::now());
        if due && self.writing.is_none() {
            self.writing = Some(Box::pin(self.writer.clone().write(mem::take(&mut self.filling))));
        }
    }

    /// A full batch pauses every partition, those that are assigned meanwhile too: a new one starts unpaused.
    fn pause_or_resume(&mut self) -> anyhow::Result<()> {
        let wanted = self.filling.is_full(&self.config).then(|| self.progress().assignments());
        if wanted == self.paused_at {
            return Ok(());
        }
        let assignment = self.consumer.assignment()?;
        if wanted.is_some() {
            self.consumer.pause(&assignment)?;
            tracing::info!("intake paused, a full batch waits for clickhouse");
        } else {
            self.consumer.resume(&assignment)?;
            tracing::info!("intake resumed");
        }
        self.paused_at = wanted;
        Ok(())
    }

    fn receive(&mut self, received: Result<BorrowedMessage<'_>, KafkaError>) -> anyhow::Result<()> {
        match received {
            Ok(message) => {
                self.last_error = None;
                self.push(&message)
            }
            Err(KafkaError::MessageConsumptionFatal(code)) => bail!("the Kafka consumer failed for good: {code}"),
            Err(error) => {
                let code = error.rdkafka_error_code();
                if code.is_none() || code != self.last_error {
                    tracing::warn!(error = error.to_string(), "kafka cannot be read, trying on");
                    self.last_error = code;
                }
                Ok(())
            }
        }
    }

    fn push(&mut self, message: &BorrowedMessage<'_>) -> anyhow::Result<()> {
        let Some(topic) = consumer::input_topic(message.topic()) else {
            bail!("received a record of {}, which nobody subscribed to", message.topic());
        };
        let headers = kit::headers::read(message);
        let link = kit::propagation::link_of(&headers);
        let headers: Vec<(&str, Option<&[u8]>)> = headers.iter().map(|(name, value)| (name.as_ref(), *value)).collect();
        let received_at = Timestamp(message.timestamp().to_millis().unwrap_or_default().saturating_mul(1_000));
        let record =
            Record { topic, key: message.key(), headers: &headers, payload: message.payload(), timestamp: received_at };
        let place = Place { partition: Partition(message.partition()), offset: Offset(message.offset()), received_at };
        self.filling.push(consumer::name(topic), place, &record, decode(&record), link, Instant::now());
        Ok(())
    }

    /// ClickHouse has the batch: commit what is still ours of it.
    fn acknowledge(&mut self, batch: &Batch, mode: CommitMode) {
        self.writing = None;
        let mut offsets = TopicPartitionList::new();
        let mut progress = self.progress();
        for ((topic, partition), position) in &batch.positions {
            if progress.is_assigned(topic, *partition) {
                progress.durable(topic, *partition, position.next, position.timestamp_ms);
                let added = offsets.add_partition_offset(topic, partition.0, KafkaOffset::Offset(position.next.0));
                debug_assert!(added.is_ok(), "an offset after a record's is a valid offset");
            }
        }
        drop(progress);
        if offsets.count() > 0
            && let Err(error) = self.consumer.commit(&offsets, mode)
        {
            // The next commit covers this one; until then a restart would read these records again.
            tracing::warn!(error = error.to_string(), "offsets were not committed");
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what was received. The caller's deadline bounds it; what is not written then is read again after a restart.
    async fn drain(&mut self) {
        if let Some(writing) = self.writing.take() {
            let batch = writing.await;
            self.acknowledge(&batch, CommitMode::Sync);
        }
        let last = mem::take(&mut self.filling);
        if !last.is_empty() {
            let batch = self.writer.clone().write(last).await;
            self.acknowledge(&batch, CommitMode::Sync);
        }
        tracing::info!("ingest drained");
    }
}

/// The batch that is being written, once it is; never, when there is none.
async fn written(writing: &mut Option<Pin<Box<dyn Future<Output = Batch> + Send>>>) -> Batch {
    match writing {
        Some(writing) => writing.await,
        None => std::future::pending().await,
    }
}

/// That instant; never, when there is none.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
