//! What the demonstration sends: events, some of them twice, and now and then something broken.

use domain::time::Timestamp;
use flywheel_sdk::{CATALOG_TOPIC, Data, Event, REQUESTS_TOPIC, Record, USAGE_TOPIC};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The source of everything that the demonstration sends.
pub const SOURCE: &str = "//flywheel/demo";
/// Of a thousand events so many are sent a second time, as emitters that retry do.
const REPEATS_PER_MILLE: u32 = 7;

/// One record for Kafka.
#[derive(Clone, Debug, PartialEq)]
pub enum Emission {
    /// An event.
    Event(Event),
    /// An event that was sent before.
    Repeat(Event),
    /// A record that ends as a dead letter.
    Malformed(Record),
}

/// An event with an id of the demonstration.
pub(super) fn event(id: String, time: Timestamp, data: Data) -> Event {
    Event::new(SOURCE, time.to_rfc3339(), data).with_id(id)
}

/// Whether the event at hand is one of those sent twice.
pub(super) fn repeats(rng: &mut ChaCha8Rng) -> bool {
    rng.random_ratio(REPEATS_PER_MILLE, 1_000)
}

/// A record with one of the faults that emitters make: `kind` chooses it.
pub(super) fn malformed(id: String, kind: u64, time: Timestamp) -> Record {
    let request = r#"{"team":"dynamodb","feature":"ttl","account":"customer-0001","importance":"important"}"#;
    let (topic, event_type, time, payload) = match kind % 6 {
        // A body cut off on its way.
        0 => (REQUESTS_TOPIC, "io.flywheel.request.stated.v1", time.to_rfc3339(), &request[..50]),
        // Nothing was counted.
        1 => (
            USAGE_TOPIC,
            "io.flywheel.need.signaled.v1",
            time.to_rfc3339(),
            r#"{"team":"lambda","feature":"vpc-cold-starts","account":"customer-0300","signal":"cold-start","count":0}"#,
        ),
        // A display name in the place of an id.
        2 => (
            REQUESTS_TOPIC,
            "io.flywheel.request.withdrawn.v1",
            time.to_rfc3339(),
            r#"{"team":"dynamodb","feature":"Secondary Indexes","account":"customer-0002"}"#,
        ),
        // A clock far ahead.
        3 => (REQUESTS_TOPIC, "io.flywheel.request.stated.v1", "9999-01-01T00:00:00Z".to_owned(), request),
        // An older emitter's type.
        4 => (USAGE_TOPIC, "io.flywheel.usage.observed.v0", time.to_rfc3339(), "{}"),
        // A required field left out.
        _ => (
            CATALOG_TOPIC,
            "io.flywheel.feature.defined.v1",
            time.to_rfc3339(),
            r#"{"team":"dynamodb","feature":"ttl"}"#,
        ),
    };
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", &id),
        ("ce_source", SOURCE),
        ("ce_type", event_type),
        ("ce_time", &time),
        ("content-type", "application/json"),
    ];
    Record {
        topic: topic.to_owned(),
        key: "customer-0001".to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into(),
        payload: Some(payload.as_bytes().to_vec()),
        id,
    }
}
