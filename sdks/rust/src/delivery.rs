//! What became of each event: Kafka's delivery reports, counted, and the queue's room given back.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Meter},
};
use opentelemetry_semantic_conventions::{attribute, metric};
use rdkafka::{
    ClientContext, Message,
    error::KafkaError,
    producer::{DeliveryResult, ProducerContext},
};
use tokio::sync::Semaphore;
use tracing::Span;

/// A report names at most so many failures; the count has no bound.
const FAILURES_KEPT_MAX: usize = 1_000;

/// What became of the events so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events taken into the queue.
    pub sent: u64,
    /// Events that every in-sync replica has.
    pub delivered: u64,
    /// Events given up.
    pub failed: u64,
}

impl Report {
    /// Events that are still on their way.
    pub fn queued(&self) -> u64 {
        self.sent.saturating_sub(self.delivered + self.failed)
    }
}

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The event's id.
    pub id: String,
    /// The topic it was meant for.
    pub topic: String,
    /// Why Kafka did not take it.
    pub reason: String,
}

/// The producer's memory of what it sent.
#[derive(Debug)]
pub(crate) struct Deliveries {
    /// Room in the queue, in events and in bytes.
    pub(crate) events: Semaphore,
    pub(crate) bytes: Semaphore,
    sent: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    failures: Mutex<Vec<Failure>>,
    sent_messages: Counter<u64>,
}

/// One event in the queue.
pub(crate) struct Pending {
    pub(crate) id: String,
    pub(crate) bytes: u32,
    pub(crate) span: Span,
}

impl Deliveries {
    pub(crate) fn new(queue_events_max: u32, queue_bytes_max: u32) -> Self {
        Self {
            events: Semaphore::new(queue_events_max as usize),
            bytes: Semaphore::new(queue_bytes_max as usize),
            sent: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            failures: Mutex::new(Vec::new()),
            sent_messages: sent_messages(&global::meter("flywheel-sdk")),
        }
    }

    pub(crate) fn count_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn uncount_sent(&self) {
        self.sent.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn report(&self) -> Report {
        // What has ended is read before what was sent, so that a report never claims more endings than beginnings.
        let (delivered, failed) = (self.delivered.load(Ordering::Acquire), self.failed.load(Ordering::Acquire));
        Report { sent: self.sent.load(Ordering::Relaxed), delivered, failed }
    }

    /// The failures since the last call.
    pub(crate) fn take_failures(&self) -> Vec<Failure> {
        std::mem::take(&mut *self.failures.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fail(&self, failure: Failure) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < FAILURES_KEPT_MAX {
            failures.push(failure);
        }
    }
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        // Many a second while Kafka is away. What is not delivered is reported by `flush`.
        tracing::debug!(error = %error, reason, "kafka client reports a problem");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Pending>;

    fn delivery(&self, result: &DeliveryResult<'_>, pending: Box<Pending>) {
        let Pending { id, bytes, span } = *pending;
        let (message, error) = match result {
            Ok(message) => (message, None),
            Err((error, message)) => (message, Some(error)),
        };
        let topic = message.topic();
        let mut attributes = vec![
            KeyValue::new(attribute::MESSAGING_SYSTEM, "kafka"),
            KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "send"),
            KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, topic.to_owned()),
        ];
        match error {
            None => {
                span.record("messaging.destination.partition.id", message.partition().to_string());
                span.record("messaging.kafka.offset", message.offset());
                self.delivered.fetch_add(1, Ordering::Release);
            }
            Some(error) => {
                let error_type = error.rdkafka_error_code().map_or("_OTHER".to_owned(), |code| format!("{code:?}"));
                span.record("otel.status_code", "ERROR");
                span.record("error.type", error_type.as_str());
                attributes.push(KeyValue::new(attribute::ERROR_TYPE, error_type));
                self.fail(Failure { id, topic: topic.to_owned(), reason: error.to_string() });
                self.failed.fetch_add(1, Ordering::Release);
            }
        }
        self.sent_messages.add(1, &attributes);
        drop(span);
        // Last: whoever waits for room, or for the queue to drain, then finds the counts above.
        self.bytes.add_permits(bytes as usize);
        self.events.add_permits(1);
    }
}

fn sent_messages(meter: &Meter) -> Counter<u64> {
    meter
        .u64_counter(metric::MESSAGING_CLIENT_SENT_MESSAGES)
        .with_unit("{message}")
        .with_description("Number of messages producer attempted to send to the broker.")
        .build()
}
