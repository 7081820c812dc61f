//! Records that could not be taken.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of dead letters, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetters {
    /// The dead letters of this page.
    pub items: Vec<DeadLetter>,
    /// Where the next page starts; `null` on the last page.
    pub next_cursor: Option<String>,
}

/// A record that breaks its schema or the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Its name, for `flywheel dead-letters`: topic, partition and offset.
    pub place: String,
    /// The topic it was sent to.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// When Kafka received it.
    pub received_at: String,
    /// Why it could not be taken: one of a few codes.
    pub reason: String,
    /// Where in the record the fault is, as a JSON pointer; empty where it is the record's as a whole.
    pub pointer: String,
    /// The fault in words.
    pub detail: String,
    /// The type of event that it claims to be; `null` where it claims none.
    pub r#type: Option<String>,
    /// How many bytes its payload has; `null` where it has no payload.
    pub bytes: Option<u64>,
    /// The payload, or its beginning; `null` where it has none. It may hold personal data.
    pub payload: Option<Payload>,
    /// What is known of its replay; `null` where none was begun.
    pub replay: Option<Replay>,
}

/// A record's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Payload {
    /// How `text` stands for the bytes.
    pub encoding: Encoding,
    /// The bytes.
    pub text: String,
    /// Whether there is more of it than is shown here.
    pub cut: bool,
}

/// How a text stands for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Encoding {
    /// As they are.
    #[serde(rename = "utf-8")]
    Utf8,
    /// In base64, for they are no UTF-8.
    #[serde(rename = "base64")]
    Base64,
}

/// A dead letter's second try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replay {
    /// When it was begun.
    pub claimed_at: String,
    /// Whether it is known to have been sent. If not, nobody knows.
    pub confirmed: bool,
    /// Its offset, in the same topic and partition; `null` where it is not confirmed.
    pub offset: Option<i64>,
}
