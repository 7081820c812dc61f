//! The emitter: a bounded queue in front of an idempotent Kafka producer.

use std::{collections::BTreeMap, fmt, time::Duration};

use rdkafka::{
    ClientConfig,
    error::KafkaError,
    producer::{BaseRecord, Producer, ThreadedProducer},
};
use tokio::sync::{SemaphorePermit, TryAcquireError};

use crate::{
    delivery::{Deliveries, Failure, Pending, Report},
    event::Event,
    record::Record,
    trace,
};

/// The largest event that Flywheel takes, in bytes of its body.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// The largest record that Flywheel's topics hold, in bytes.
const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How to reach Kafka, and how much to hold meanwhile.
#[derive(Clone)]
pub struct EmitterConfig {
    /// Bootstrap brokers, `host:port`, comma-separated.
    pub brokers: String,
    /// Name that the brokers log and account by.
    pub client_id: String,
    /// The queue holds at most so many events.
    pub queue_events_max: u32,
    /// The queue holds at most so many kibibytes of keys, headers and bodies; a record larger than that waits until it is alone.
    pub queue_kbytes_max: u32,
    /// An event waits so many milliseconds for others to share its batch.
    pub linger_ms: u32,
    /// An event that is not delivered after so many milliseconds, retries included, is given up and reported.
    pub delivery_ms_max: u32,
    /// Further settings of librdkafka, such as TLS and credentials. They win over ours; their values are never printed.
    pub kafka: BTreeMap<String, String>,
}

impl EmitterConfig {
    /// The defaults for `brokers`: 100,000 events or 64 MiB held, 10 ms linger, 5 minutes to deliver.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            client_id: "flywheel-sdk".to_owned(),
            queue_events_max: 100_000,
            queue_kbytes_max: 64 * 1024,
            linger_ms: 10,
            delivery_ms_max: 300_000,
            kafka: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for EmitterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmitterConfig")
            .field("brokers", &self.brokers)
            .field("client_id", &self.client_id)
            .field("queue_events_max", &self.queue_events_max)
            .field("queue_kbytes_max", &self.queue_kbytes_max)
            .field("linger_ms", &self.linger_ms)
            .field("delivery_ms_max", &self.delivery_ms_max)
            .field("kafka", &self.kafka.keys())
            .finish()
    }
}

/// The configuration cannot work.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A bound of the queue is outside what it takes.
    #[error("{setting} = {value} is outside {least}..={most}")]
    Bound {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: u32,
        /// The least that works.
        least: u32,
        /// The most that works.
        most: u32,
    },
    /// librdkafka refuses a setting.
    #[error("cannot make the kafka producer")]
    Kafka(#[source] KafkaError),
}

/// An event was not taken into the queue, and will not be sent.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// The queue is full; only [`Emitter::try_emit`] says so.
    #[error("the queue is full")]
    QueueFull,
    /// The event would be refused.
    #[error("event {id} has {bytes} bytes, over the {EVENT_BYTES_MAX} that are taken")]
    TooLarge {
        /// The event's id.
        id: String,
        /// The size of its body.
        bytes: usize,
    },
    /// The data cannot be written as JSON.
    #[error("cannot write the event as JSON")]
    Json(#[from] serde_json::Error),
    /// The producer refuses it, for good.
    #[error("the kafka producer does not take the event")]
    Kafka(#[source] KafkaError),
}

/// Not every event was delivered.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// Events were given up; each is reported once.
    #[error("{} events were not delivered, the first because: {}", .failures.len(), .failures.first().map_or("unknown", |first| &first.reason))]
    Undelivered {
        /// What became of all events so far.
        report: Report,
        /// Those given up since the last flush, at most the first 1,000 of them.
        failures: Vec<Failure>,
    },
    /// Events are still on their way.
    #[error("{} events are still on their way after {} ms", .report.queued(), .timeout.as_millis())]
    TimedOut {
        /// What became of all events so far.
        report: Report,
        /// How long it was waited.
        timeout: Duration,
    },
}

/// Sends events. Share it by reference or `Arc`; one per process is enough.
pub struct Emitter {
    producer: ThreadedProducer<Deliveries>,
    queue_events_max: u32,
    queue_bytes_max: u32,
}

impl Emitter {
    /// An emitter for the brokers of `config`. It connects in the background: brokers that are away delay events, no more.
    ///
    /// # Errors
    /// When a bound or a Kafka setting cannot work.
    pub fn connect(config: &EmitterConfig) -> Result<Self, ConnectError> {
        let bound = |setting, value, least, most| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(ConnectError::Bound { setting, value, least, most })
        };
        bound("queue_events_max", config.queue_events_max, 1, 10_000_000)?;
        bound("queue_kbytes_max", config.queue_kbytes_max, 1, 2 * 1024 * 1024)?;
        let queue_bytes_max = config.queue_kbytes_max * 1024;
        let producer = client_config(config)
            .create_with_context(Deliveries::new(config.queue_events_max, queue_bytes_max))
            .map_err(ConnectError::Kafka)?;
        Ok(Self { producer, queue_events_max: config.queue_events_max, queue_bytes_max })
    }

    /// Queues `event`, waiting while the queue is full, and returns its id.
    ///
    /// # Errors
    /// When the event can never be sent. Cancelling the future before it returns leaves the event unsent.
    pub async fn emit(&self, event: &Event) -> Result<String, EmitError> {
        let record = Record::of(event)?;
        check_size(&record)?;
        self.emit_record(record).await
    }

    /// Queues `event` and returns its id.
    ///
    /// # Errors
    /// [`EmitError::QueueFull`] when there is no room, or as [`Emitter::emit`].
    pub fn try_emit(&self, event: &Event) -> Result<String, EmitError> {
        let record = Record::of(event)?;
        check_size(&record)?;
        let deliveries = self.deliveries();
        let bytes = self.room_for(&record);
        let full = |_: TryAcquireError| EmitError::QueueFull;
        let of_events = deliveries.events.try_acquire().map_err(full)?;
        let of_bytes = deliveries.bytes.try_acquire_many(bytes).map_err(full)?;
        self.queue(record, bytes, of_events, of_bytes)
    }

    /// Queues a record made by hand, of any size that the topic takes, and returns its id; waits as [`Emitter::emit`] does.
    ///
    /// # Errors
    /// When the producer does not take it.
    pub async fn emit_record(&self, record: Record) -> Result<String, EmitError> {
        let deliveries = self.deliveries();
        let bytes = self.room_for(&record);
        // Always events before bytes, so that no two callers wait for each other. Nothing closes the semaphores.
        let of_events = deliveries.events.acquire().await.map_err(|_| EmitError::QueueFull)?;
        let of_bytes = deliveries.bytes.acquire_many(bytes).await.map_err(|_| EmitError::QueueFull)?;
        self.queue(record, bytes, of_events, of_bytes)
    }

    /// What became of the events so far.
    pub fn report(&self) -> Report {
        self.deliveries().report()
    }

    /// Waits until everything queued before has been delivered or given up. Events emitted meanwhile wait behind it.
    ///
    /// # Errors
    /// When an event was given up since the last flush, or events are still on their way after `timeout`.
    pub async fn flush(&self, timeout: Duration) -> Result<Report, FlushError> {
        // The queue is empty when all of its room is free.
        let drained = self.deliveries().events.acquire_many(self.queue_events_max);
        let timed_out = tokio::time::timeout(timeout, drained).await.is_err();
        let report = self.report();
        let failures = self.deliveries().take_failures();
        if !failures.is_empty() {
            return Err(FlushError::Undelivered { report, failures });
        }
        if timed_out {
            return Err(FlushError::TimedOut { report, timeout });
        }
        Ok(report)
    }

    /// Flushes and stops. What is still on its way after `timeout` is given up.
    ///
    /// # Errors
    /// As [`Emitter::flush`].
    pub async fn close(self, timeout: Duration) -> Result<Report, FlushError> {
        let flushed = self.flush(timeout).await;
        // Stopping joins the producer's thread, which must not hold up the runtime's; a failed join means that it panicked, and is moot.
        drop(tokio::task::spawn_blocking(move || drop(self)).await);
        flushed
    }

    fn deliveries(&self) -> &Deliveries {
        self.producer.context()
    }

    /// The bytes of the queue that `record` takes; one larger than the queue takes all of it.
    fn room_for(&self, record: &Record) -> u32 {
        u32::try_from(record.bytes()).map_or(self.queue_bytes_max, |bytes| bytes.min(self.queue_bytes_max))
    }

    fn queue(
        &self,
        record: Record,
        bytes: u32,
        of_events: SemaphorePermit<'_>,
        of_bytes: SemaphorePermit<'_>,
    ) -> Result<String, EmitError> {
        let span = trace::send_span(&record);
        let headers = trace::inject(&span, record.kafka_headers());
        let pending = Box::new(Pending { id: record.id.clone(), bytes, span });
        let mut message =
            BaseRecord::with_opaque_to(&record.topic, pending).key(record.key.as_bytes()).headers(headers);
        if let Some(payload) = &record.payload {
            message = message.payload(payload.as_slice());
        }
        // Before sending: the delivery report may come before `send` returns.
        self.deliveries().count_sent();
        if let Err((error, _)) = self.producer.send(message) {
            self.deliveries().uncount_sent();
            return Err(EmitError::Kafka(error));
        }
        // The delivery report gives the room back.
        of_events.forget();
        of_bytes.forget();
        Ok(record.id)
    }
}

impl fmt::Debug for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter").field("report", &self.report()).finish_non_exhaustive()
    }
}

impl Drop for Emitter {
    fn drop(&mut self) {
        let report = self.report();
        if report.queued() > 0 {
            tracing::warn!(events = report.queued(), "emitter dropped before its events were delivered");
        }
    }
}

fn check_size(record: &Record) -> Result<(), EmitError> {
    let bytes = record.payload.as_ref().map_or(0, Vec::len);
    if bytes > EVENT_BYTES_MAX {
        return Err(EmitError::TooLarge { id: record.id.clone(), bytes });
    }
    Ok(())
}

fn client_config(config: &EmitterConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.brokers)
        .set("client.id", &config.client_id)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", config.linger_ms.to_string())
        .set("message.timeout.ms", config.delivery_ms_max.to_string())
        .set("message.max.bytes", RECORD_BYTES_MAX.to_string())
        // The queue is bounded by the emitter, exactly and so that one can wait for room: librdkafka's own bounds are lifted.
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", i32::MAX.to_string())
        // Reconnect soon after an outage: the default backs off to 10 s.
        .set("reconnect.backoff.max.ms", "2000");
    for (setting, value) in &config.kafka {
        client.set(setting, value);
    }
    client
}
