//! Writes one shard's rankings to the topic, in transactions that Kafka refuses once the shard has another writer.
//!
//! Two fences. The shard names the transactional id, so whoever opens a writer ends the one before: its open transaction is
//! aborted, and nothing of it is taken any more. And every transaction commits the shard's offset in the rankers' group with
//! the generation of its lease, so one who has lost the shard without noticing cannot write although it opened a writer last.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use kit::{config::KafkaConfig, kafka::Quiet};
use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram},
};
use opentelemetry_semantic_conventions::attribute;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::ConsumerGroupMetadata,
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer as _, future_producer::DeliveryFuture},
    types::RDKafkaErrorCode,
};
use tracing::Instrument as _;
use wire::topics::{RANKING_PUBLISHED, RANKINGS};

use crate::{
    config::RankerConfig,
    membership::{Membership, Tenure},
    ready::Ready,
    shard::Shard,
};

/// Name of the ranker as a source of events.
const SOURCE: &str = "//flywheel/ranker";

/// How long the first call waits that aborts a transaction, before it is made again; each other one waits twice as long as the last.
const ABORT_CALL: Duration = Duration::from_millis(250);

/// Opens writers.
pub(crate) struct Writers {
    kafka: KafkaConfig,
    group: String,
    send_max: Duration,
    sent: Counter<u64>,
    send_duration: Histogram<f64>,
}

/// The writer of one shard, in one tenure.
pub(crate) struct Writer {
    producer: FutureProducer<Quiet>,
    shard: Shard,
    tenure: Tenure,
    send_max: Duration,
    /// Whether the last transaction was refused.
    refused: AtomicBool,
    sent: Counter<u64>,
    send_duration: Histogram<f64>,
}

/// Nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritten {
    /// The tenure is over, or the group has moved on: with a new lease it may work.
    #[error("the shard may have moved")]
    Fenced(#[source] anyhow::Error),
    /// Kafka did not take it; the writer can try again.
    #[error("Kafka did not take the rankings")]
    Aborted(#[source] anyhow::Error),
    /// The topic does not take one of them, and will not later.
    #[error("the topic refuses the rankings")]
    Refused(#[source] anyhow::Error),
    /// Another writer was opened, or it is not known what became of the transaction: another writer must be opened.
    #[error("the transaction's end is not known")]
    Broken {
        /// The topic does not take one of them.
        refused: bool,
        #[source]
        cause: anyhow::Error,
    },
}

impl Writers {
    pub(crate) fn new(config: &RankerConfig, kafka: &KafkaConfig) -> Self {
        let meter = global::meter("flywheel.ranker");
        Self {
            kafka: kafka.clone(),
            group: config.ranker_group.clone(),
            send_max: Duration::from_millis(config.send_ms_max),
            sent: kit::metrics::messaging_client_sent_messages(&meter),
            send_duration: kit::metrics::messaging_client_operation_duration(&meter),
        }
    }

    /// Opens the shard's writer. From then on, what earlier ones have not committed never will be.
    ///
    /// # Errors
    /// When Kafka does not answer in time.
    pub(crate) async fn open(&self, shard: Shard, tenure: Tenure) -> anyhow::Result<Writer> {
        let send_ms = self.send_max.as_millis().to_string();
        let producer: FutureProducer<Quiet> = kit::kafka::client_config(&self.kafka, "flywheel-ranker")
            .set("transactional.id", format!("{}/{shard}", self.group))
            // One that is left open by a killed ranker holds readers back until the shard is taken over, or so long.
            .set("transaction.timeout.ms", &send_ms)
            .set("message.timeout.ms", &send_ms)
            .set("message.max.bytes", "8388608")
            .set("compression.type", "lz4")
            // A ranking is waited for; there is nothing to batch it with.
            .set("linger.ms", "0")
            .create_with_context(Quiet)
            .context("the Kafka settings are not valid")?;
        let send_max = self.send_max;
        let producer = blocking(producer, move |producer| producer.init_transactions(send_max))
            .await
            .with_context(|| format!("cannot become the writer of shard {shard}"))?;
        let (sent, send_duration) = (self.sent.clone(), self.send_duration.clone());
        Ok(Writer { producer, shard, tenure, send_max, refused: AtomicBool::new(false), sent, send_duration })
    }
}

impl Writer {
    /// Writes all of them or none, in this order.
    ///
    /// # Errors
    /// When it was none, or that is not known.
    pub(crate) async fn write(&self, membership: &Arc<Membership>, rankings: &[Ready]) -> Result<(), Unwritten> {
        loop {
            let written = self.attempt(membership, rankings).await;
            let refused = matches!(written, Err(Unwritten::Refused(_)));
            // The client numbers a record that the topic refuses, and the partition waits for that number: the first transaction
            // after it is aborted, the next has numbers anew.
            let after_refusal = self.refused.swap(refused, Ordering::Relaxed);
            if !after_refusal || !matches!(written, Err(Unwritten::Aborted(_))) {
                return written;
            }
        }
    }

    async fn attempt(&self, membership: &Arc<Membership>, rankings: &[Ready]) -> Result<(), Unwritten> {
        // The lease comes first: whatever happens between it and the commit, the commit is that of this generation.
        let (shard, tenure) = (self.shard, self.tenure);
        let member = Arc::clone(membership);
        let lease = tokio::task::spawn_blocking(move || member.lease(shard, tenure));
        let lease = lease.await.ok().flatten();
        let lease = lease.ok_or_else(|| Unwritten::Fenced(anyhow!("shard {shard} is not ours any more")))?;
        let begun = Instant::now();
        let written = self.transaction(rankings, lease).await;
        let mut attributes = vec![
            KeyValue::new(attribute::MESSAGING_SYSTEM, "kafka"),
            KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "send"),
            KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, RANKINGS),
        ];
        if let Err(error) = &written {
            let code = error.rdkafka_error_code().map_or_else(|| "other".to_owned(), |code| format!("{code:?}"));
            attributes.push(KeyValue::new(attribute::ERROR_TYPE, code));
        }
        self.send_duration.record(begun.elapsed().as_secs_f64(), &attributes);
        self.sent.add(rankings.len() as u64, &attributes);
        match written {
            Ok(()) => Ok(()),
            Err(error) => Err(self.undo(error).await),
        }
    }

    async fn transaction(&self, rankings: &[Ready], lease: ConsumerGroupMetadata) -> Result<(), KafkaError> {
        self.producer.begin_transaction()?;
        let mut deliveries = Vec::with_capacity(rankings.len());
        let mut queued = Ok(());
        for ranking in rankings {
            match self.send(ranking) {
                Ok(delivery) => deliveries.push(delivery),
                // Nothing is taken any more once a record was refused: which error that was, the record's own delivery says.
                Err(error) => {
                    queued = Err(error);
                    break;
                }
            }
        }
        let mut next = 0;
        for (span, delivery) in deliveries {
            let delivered = delivery.instrument(span).await.map_err(|_| KafkaError::Canceled)?;
            next = delivered.map_err(|(error, _)| error)?.offset + 1;
        }
        queued?;
        // So that the group's lag looks right to whoever asks.
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(RANKINGS, self.shard.0, Offset::Offset(next))?;
        let send_max = self.send_max;
        blocking(self.producer.clone(), move |producer| {
            producer.send_offsets_to_transaction(&offsets, &lease, send_max)?;
            producer.commit_transaction(send_max)
        })
        .await
        .map(drop)
    }

    /// Queues one record, under a span of its own, which its headers name.
    fn send(&self, ranking: &Ready) -> Result<(tracing::Span, DeliveryFuture), KafkaError> {
        let span = tracing::info_span!(
            parent: &ranking.span,
            "send flywheel.rankings.v1",
            otel.kind = "producer",
            messaging.system = "kafka",
            messaging.destination.name = RANKINGS,
            messaging.operation.name = "send",
            messaging.operation.type = "send",
        );
        let entered = span.enter();
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", &ranking.id),
            ("ce_source", SOURCE),
            ("ce_type", RANKING_PUBLISHED),
            ("ce_time", &ranking.time),
            ("content-type", "application/json"),
        ]
        .into_iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let record = FutureRecord::to(RANKINGS)
            .partition(self.shard.0)
            .key(ranking.team.as_str())
            .payload(&ranking.json)
            .headers(kit::propagation::inject_current(headers));
        drop(entered);
        let delivery = self.producer.send_result(record).map_err(|(error, _)| error)?;
        Ok((span, delivery))
    }

    /// Aborts the transaction that ended in `error`.
    async fn undo(&self, error: KafkaError) -> Unwritten {
        let (fenced, refused, fatal) = (is_fenced(&error), is_refused(&error), is_fatal(&error));
        let cause = anyhow!(error);
        if fatal {
            return Unwritten::Broken { refused: false, cause };
        }
        let send_max = self.send_max;
        match blocking(self.producer.clone(), move |producer| abort(producer, send_max)).await {
            Ok(_) if fenced => Unwritten::Fenced(cause),
            Ok(_) if refused => Unwritten::Refused(cause),
            Ok(_) => Unwritten::Aborted(cause),
            Err(error) => {
                Unwritten::Broken { refused, cause: cause.context(format!("the transaction was not aborted: {error}")) }
            }
        }
    }
}

/// Aborts the open transaction, in calls that are cut short and made again. Each call drops what is queued, once and at its
/// start: a record that was in flight and comes back, because the one before it was refused, is queued after that, is not
/// sent any more, and would be waited for until all the time is over.
///
/// Only a call that has waited is made again: what is refused at once, as any abort after a commit whose end is not known, would be
/// refused ever again.
fn abort(producer: &FutureProducer<Quiet>, abort_max: Duration) -> Result<(), KafkaError> {
    let (begun, mut call_max) = (Instant::now(), ABORT_CALL);
    loop {
        let left = abort_max.saturating_sub(begun.elapsed());
        match producer.abort_transaction(left.min(call_max)) {
            Err(KafkaError::Transaction(error))
                if error.code() == RDKafkaErrorCode::OperationTimedOut && left > call_max =>
            {
                call_max *= 2;
            }
            ended => return ended,
        }
    }
}

/// Whether the group refused it: the lease was one of an earlier generation.
fn is_fenced(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::RebalanceInProgress
                | RDKafkaErrorCode::FencedInstanceId
        )
    )
}

/// Whether a record is to blame.
fn is_refused(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::InvalidRecord
        )
    )
}

/// Whether the producer is of no use any more, as after another was opened for the shard.
fn is_fatal(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.is_fatal())
        || matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::Fatal
                    | RDKafkaErrorCode::Fenced
                    | RDKafkaErrorCode::ProducerFenced
                    | RDKafkaErrorCode::InvalidProducerEpoch
            )
        )
}

/// Calls the client where it may block its thread.
async fn blocking(
    producer: FutureProducer<Quiet>,
    call: impl FnOnce(&FutureProducer<Quiet>) -> Result<(), KafkaError> + Send + 'static,
) -> Result<FutureProducer<Quiet>, KafkaError> {
    let called = tokio::task::spawn_blocking(move || {
        let result = call(&producer);
        // The producer comes along: where it failed, it is closed here, which may block as well.
        result.map(|()| producer)
    });
    called.await.unwrap_or(Err(KafkaError::Canceled))
}
