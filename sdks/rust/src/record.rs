//! The Kafka record of an event: CloudEvents 1.0 in binary mode.

use rdkafka::message::{Header, OwnedHeaders};
use uuid::Uuid;

use crate::event::Event;

/// Requests and withdrawals, keyed by account.
pub const REQUESTS_TOPIC: &str = "flywheel.requests.v1";
/// Usage and need signals, keyed by account.
pub const USAGE_TOPIC: &str = "flywheel.usage.v1";
/// Teams, features and accounts.
pub const CATALOG_TOPIC: &str = "flywheel.catalog.v1";

/// An event as Kafka carries it. Make one by hand only for what [`Event`] cannot say, such as replaying a captured record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Id by which a failed delivery is reported.
    pub id: String,
    /// Topic.
    pub topic: String,
    /// Key.
    pub key: String,
    /// Headers in order. The trace context is added when the record is sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body; `None` is a null value.
    pub payload: Option<Vec<u8>>,
}

impl Record {
    /// The record of `event`; an event without an id gets a new one.
    ///
    /// # Errors
    /// When the data cannot be written as JSON.
    pub fn of(event: &Event) -> Result<Self, serde_json::Error> {
        let id = event.id.clone().unwrap_or_else(|| Uuid::now_v7().to_string());
        let headers = [
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", id.clone()),
            ("ce_source", event.source.clone()),
            ("ce_type", event.data.event_type().to_owned()),
            ("ce_time", event.time.to_rfc3339()),
            ("content-type", "application/json".to_owned()),
        ];
        Ok(Self {
            id,
            topic: event.data.topic().to_owned(),
            key: event.data.key(),
            headers: headers.into_iter().map(|(key, value)| (key.to_owned(), value.into_bytes())).collect(),
            payload: Some(serde_json::to_vec(&event.data)?),
        })
    }

    /// What it takes in the queue: key, headers and body.
    pub(crate) fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(key, value)| key.len() + value.len()).sum();
        self.key.len() + headers + self.payload.as_ref().map_or(0, Vec::len)
    }

    pub(crate) fn kafka_headers(&self) -> OwnedHeaders {
        // Two more for the trace context.
        let headers = OwnedHeaders::new_with_capacity(self.headers.len() + 2);
        self.headers.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
    }
}
