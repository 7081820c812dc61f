//! Producing a dead letter again, as it was received.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use kit::{config::KafkaConfig, kafka::Quiet};
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer as _, future_producer::DeliveryFuture},
};

use super::{place::Place, store::Body};

/// Names the dead letter that a record replays.
const REPLAY_OF: &str = "flywheel_replay_of";

/// What the topics hold, in bytes.
const RECORD_BYTES_MAX: &str = "8388608";
const METADATA_MAX: Duration = Duration::from_secs(10);

/// Produces dead letters again. It keeps their order, key, headers and value, and adds one header.
pub(super) struct Producer {
    producer: FutureProducer<Quiet>,
    brokers: String,
    /// How many partitions each topic has.
    partitions: BTreeMap<String, i32>,
}

/// What became of one.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Kafka has it, at this offset.
    Produced(i64),
    /// It never left.
    NotSent(String),
    /// It left, and Kafka did not acknowledge it: it may be there or not.
    Unacknowledged(String),
}

/// One on its way.
pub(super) enum Sent {
    Queued(DeliveryFuture),
    Refused(String),
}

impl Producer {
    /// A producer that gives a record up after `delivery_ms_max`.
    pub(super) fn new(kafka: &KafkaConfig, delivery_ms_max: u64) -> anyhow::Result<Self> {
        let producer = kit::kafka::client_config(kafka, "flywheel-dead-letters")
            // The client's own retries double nothing, and keep the order.
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", delivery_ms_max.to_string())
            .set("message.max.bytes", RECORD_BYTES_MAX)
            .set("compression.type", "lz4")
            .set("linger.ms", "5")
            .create_with_context(Quiet)
            .context("the Kafka settings are not valid")?;
        Ok(Self { producer, brokers: kafka.brokers.clone(), partitions: BTreeMap::new() })
    }

    /// Whether the place's partition is there to produce to. The first question about a topic asks Kafka.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub(super) async fn knows(&mut self, place: &Place) -> anyhow::Result<bool> {
        let partitions = match self.partitions.get(&place.topic) {
            Some(partitions) => *partitions,
            None => {
                let (producer, topic) = (self.producer.clone(), place.topic.clone());
                // librdkafka blocks the thread for this call.
                let asked = tokio::task::spawn_blocking(move || -> Result<_, rdkafka::error::KafkaError> {
                    let metadata = producer.client().fetch_metadata(Some(&topic), METADATA_MAX)?;
                    Ok(metadata.topics().first().map_or(0, |topic| topic.partitions().len()))
                });
                let partitions = asked
                    .await
                    .context("asking Kafka panicked")?
                    .with_context(|| format!("Kafka at {} does not answer", self.brokers))?;
                let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
                self.partitions.insert(place.topic.clone(), partitions);
                partitions
            }
        };
        Ok(place.partition < partitions)
    }

    /// Queues one.
    pub(super) fn send(&self, body: &Body) -> Sent {
        let place = body.place();
        let mut record = FutureRecord::<[u8], [u8]>::to(&place.topic)
            // The emitter's choice: repeats of an event are known by its partition.
            .partition(place.partition)
            .headers(headers(body, &place));
        record.key = body.key.as_ref().map(|key| key.as_slice());
        record.payload = body.payload.as_ref().map(|payload| payload.as_slice());
        match self.producer.send_result(record) {
            Ok(delivery) => Sent::Queued(delivery),
            Err((error, _)) => Sent::Refused(error.to_string()),
        }
    }
}

impl Sent {
    /// Waits until Kafka has it, or it is given up.
    pub(super) async fn outcome(self) -> Outcome {
        match self {
            Self::Refused(reason) => Outcome::NotSent(reason),
            Self::Queued(delivery) => match delivery.await {
                Ok(Ok(delivery)) => Outcome::Produced(delivery.offset),
                Ok(Err((error, _))) => Outcome::Unacknowledged(error.to_string()),
                Err(_) => Outcome::Unacknowledged("the producer stopped".to_owned()),
            },
        }
    }
}

/// The record's own headers, and which dead letter it replays: the last one, where it was a replay before.
fn headers(body: &Body, place: &Place) -> OwnedHeaders {
    let own = body
        .headers
        .iter()
        .map(|(name, value)| (String::from_utf8_lossy(name), value.as_ref().map(|value| value.as_slice())));
    let place = place.to_string();
    own.filter(|(name, _)| name != REPLAY_OF)
        .fold(OwnedHeaders::new(), |headers, (name, value)| headers.insert(Header { key: &name, value }))
        .insert(Header { key: REPLAY_OF, value: Some(place.as_bytes()) })
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers as _;
    use serde_bytes::ByteBuf;

    use super::*;

    #[test]
    fn headers_keep_their_order_and_repeats_and_name_the_latest_dead_letter_once() {
        let header = |name: &str, value: Option<&[u8]>| (ByteBuf::from(name), value.map(ByteBuf::from));
        let body = Body {
            topic: "t".to_owned(),
            partition: 1,
            offset: 2,
            detail: String::new(),
            key: None,
            headers: vec![
                header("b", Some(b"\xff")),
                header(REPLAY_OF, Some(b"t/1/0")),
                header("a", Some(b"")),
                header("b", None),
            ],
            payload: None,
        };
        let headers = headers(&body, &body.place());
        let found: Vec<_> = headers.iter().map(|header| (header.key, header.value)).collect();
        let expected: [(&str, Option<&[u8]>); 4] =
            [("b", Some(b"\xff")), ("a", Some(b"")), ("b", None), (REPLAY_OF, Some(b"t/1/2"))];
        assert_eq!(found, expected);
    }
}
