//! The backlog: events in Kafka before anything is timed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use devstack::Progress;
use flywheel_sdk::Record;
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};

use crate::events::Events;

const ASK_MAX: Duration = Duration::from_secs(10);
const DELIVER_MAX: Duration = Duration::from_secs(120);
/// The backlog's events happened over so many days.
const DAYS: u64 = 3;

/// How a record says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// CloudEvents attributes as headers, as the SDK writes them.
    Binary,
    /// The whole CloudEvent in the payload.
    Structured,
}

/// Sends `count` events to `topic` and waits until Kafka has them all.
///
/// # Errors
/// When Kafka does not take them.
pub(crate) fn produce(brokers: &str, topic: &str, mode: Mode, count: u64, progress: &Progress) -> anyhow::Result<()> {
    let producer = producer(brokers)?;
    let mut events = Events::new(count, DAYS, now_us());
    for number in 1..=count {
        let record = events.next_record()?;
        let record = if mode == Mode::Structured { structured(record)? } else { record };
        send(&producer, topic, &record)?;
        if number % 2_000_000 == 0 {
            progress.step(format_args!("{number} events sent"));
        }
    }
    producer.flush(DELIVER_MAX).context("Kafka did not take the backlog")
}

/// A producer with the SDK's settings.
///
/// # Errors
/// When librdkafka refuses them.
pub(crate) fn producer(brokers: &str) -> anyhow::Result<BaseProducer> {
    let producer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("client.id", "bench-producer")
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", "10")
        .set("queue.buffering.max.messages", "200000")
        .create();
    producer.context("the producer's settings are not valid")
}

/// Queues a record, waiting while the queue is full.
///
/// # Errors
/// When it can never be sent.
pub(crate) fn send(producer: &BaseProducer, topic: &str, record: &Record) -> anyhow::Result<()> {
    let headers = OwnedHeaders::new_with_capacity(record.headers.len());
    let headers =
        record.headers.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
    let mut message = BaseRecord::to(topic).key(record.key.as_bytes()).headers(headers);
    if let Some(payload) = &record.payload {
        message = message.payload(payload.as_slice());
    }
    loop {
        match producer.send(message) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), unsent)) => {
                producer.poll(Duration::from_millis(10));
                message = unsent;
            }
            Err((error, _)) => return Err(error).context("the producer does not take an event"),
        }
    }
}

/// The log end of each partition of a topic whose logs begin at 0.
///
/// # Errors
/// When Kafka does not tell, or a log begins later.
pub(crate) fn ends(brokers: &str, topic: &str) -> anyhow::Result<Vec<i64>> {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let metadata = consumer.fetch_metadata(Some(topic), ASK_MAX).context("Kafka does not answer")?;
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    let end = |partition| {
        let (low, high) = consumer.fetch_watermarks(topic, partition, ASK_MAX)?;
        ensure!(low == 0, "{topic}/{partition} begins at {low}");
        Ok(high)
    };
    (0..i32::try_from(partitions)?).map(end).collect()
}

/// Unix time in microseconds.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The same event with its attributes in the payload.
fn structured(record: Record) -> anyhow::Result<Record> {
    let mut event = serde_json::Map::new();
    for (name, value) in &record.headers {
        if let Some(attribute) = name.strip_prefix("ce_") {
            event.insert(attribute.to_owned(), String::from_utf8(value.clone())?.into());
        }
    }
    event.insert("datacontenttype".to_owned(), "application/json".into());
    event.insert("data".to_owned(), serde_json::from_slice(record.payload.as_deref().unwrap_or_default())?);
    let headers = vec![("content-type".to_owned(), b"application/cloudevents+json".to_vec())];
    Ok(Record { headers, payload: Some(serde_json::to_vec(&event)?), ..record })
}
