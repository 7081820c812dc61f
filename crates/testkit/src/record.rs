//! Puts records into Kafka exactly as they are described, valid or not.

use std::time::Duration;

use devstack::Stack;
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};

const FLUSH_MAX: Duration = Duration::from_secs(60);

/// A record to produce.
#[derive(Clone, Debug, Default)]
pub struct Described {
    /// Topic.
    pub topic: String,
    /// Partition; chosen by the key if there is none.
    pub partition: Option<i32>,
    /// Key.
    pub key: Option<String>,
    /// Headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Value.
    pub payload: Option<Vec<u8>>,
}

/// Produces the records in order and waits until Kafka has acknowledged all of them.
///
/// # Panics
/// When Kafka does not take them.
pub fn produce(stack: &Stack, records: impl IntoIterator<Item = Described>) {
    let sender = Sender::to(stack.kafka_brokers());
    for record in records {
        sender.send(&record);
    }
    sender.flush();
}

/// Produces records one by one, in order.
pub struct Sender(BaseProducer);

impl Sender {
    /// To these brokers.
    ///
    /// # Panics
    /// When the client cannot be made.
    pub fn to(brokers: &str) -> Self {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("compression.type", "lz4")
            .set("message.max.bytes", "8000000")
            .create();
        Self(producer.expect("a producer"))
    }

    /// Waits until Kafka has acknowledged everything.
    ///
    /// # Panics
    /// When it does not.
    pub fn flush(&self) {
        self.0.flush(FLUSH_MAX).expect("Kafka takes the records");
        assert_eq!(self.0.in_flight_count(), 0, "Kafka did not take every record");
    }

    /// Queues one record, making room as long as the queue is full.
    ///
    /// # Panics
    /// When the client does not take it.
    pub fn send(&self, record: &Described) {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let mut base = BaseRecord::<String, Vec<u8>>::to(&record.topic).headers(headers);
        base.key = record.key.as_ref();
        base.payload = record.payload.as_ref();
        base.partition = record.partition;
        loop {
            match self.0.send(base) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                    self.0.poll(Duration::from_millis(20));
                    base = returned;
                }
                Err((error, _)) => panic!("cannot produce: {error}"),
            }
        }
    }
}
