//! What several tests need: examples as records, schemas, events.

#![expect(clippy::disallowed_methods, reason = "tests read the schemas and their examples")]

use std::path::{Path, PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use domain::{
    event::{Body, Event},
    history::Logged,
    ids::{AccountId, FeatureId, Partition, TeamId},
    record::{InputTopic, Record, Reject, decode},
    time::{MICROS_PER_DAY, Timestamp},
};
use jsonschema::Validator;
use serde::Deserialize;
use serde_json::Value;

/// When the records of the examples are received.
pub(crate) const RECEIVED: &str = "2026-02-01T00:00:00Z";

/// One file of `schemas/events/<type>/examples`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Example {
    pub(crate) description: String,
    pub(crate) record: ExampleRecord,
    pub(crate) expect: Option<Expect>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExampleRecord {
    pub(crate) topic: String,
    pub(crate) key: String,
    pub(crate) headers: std::collections::BTreeMap<String, String>,
    value: Option<Value>,
    value_text: Option<String>,
    value_base64: Option<String>,
    value_repeat: Option<Repeat>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    byte: String,
    count: usize,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    pub(crate) reason: String,
    pub(crate) pointer: String,
}

impl ExampleRecord {
    /// The bytes of the value; none for a tombstone.
    pub(crate) fn payload(&self) -> Option<Vec<u8>> {
        if let Some(value) = &self.value {
            return Some(serde_json::to_vec(value).expect("a value is written"));
        }
        if let Some(text) = &self.value_text {
            return Some(text.clone().into_bytes());
        }
        if let Some(encoded) = &self.value_base64 {
            return Some(BASE64_STANDARD.decode(encoded).expect("the example is base64"));
        }
        self.value_repeat.as_ref().map(|repeat| repeat.byte.repeat(repeat.count).into_bytes())
    }

    pub(crate) fn decode(&self) -> Result<Event, Reject> {
        self.with(|record| decode(record).map(Event::into_owned))
    }

    /// Does something with the record.
    pub(crate) fn with<T>(&self, then: impl FnOnce(&Record<'_>) -> T) -> T {
        let payload = self.payload();
        let headers: Vec<(&str, Option<&[u8]>)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes()))).collect();
        then(&Record {
            topic: topic(&self.topic),
            key: Some(self.key.as_bytes()),
            headers: &headers,
            payload: payload.as_deref(),
            timestamp: Timestamp::parse_rfc3339(RECEIVED).expect("a time"),
        })
    }

    /// The data as a schema sees it, where the value is JSON and has data.
    pub(crate) fn data(&self) -> Option<Value> {
        let value: Value = serde_json::from_slice(&self.payload()?).ok()?;
        let structured =
            self.headers.get("content-type").is_some_and(|value| value.starts_with("application/cloudevents"));
        if structured { value.get("data").cloned() } else { Some(value) }
    }
}

fn topic(name: &str) -> InputTopic {
    match name {
        "flywheel.requests.v1" => InputTopic::Requests,
        "flywheel.usage.v1" => InputTopic::Usage,
        "flywheel.catalog.v1" => InputTopic::Catalog,
        other => panic!("an example names the topic {other}"),
    }
}

pub(crate) fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas")
}

/// The names of the folders in `schemas/events`, sorted.
pub(crate) fn event_folders() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(schemas().join("events"))
        .expect("the schemas' folder is read")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}

/// The examples of a kind, `valid` or `invalid`, by `<type>/<file>`, sorted.
pub(crate) fn examples(kind: &str) -> Vec<(String, Example)> {
    let mut examples = Vec::new();
    for folder in event_folders() {
        let path = schemas().join("events").join(&folder).join("examples").join(kind);
        for entry in std::fs::read_dir(path).expect("the examples' folder is read") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("the example is read");
            let name = format!("{folder}/{}", path.file_stem().expect("a name").to_string_lossy());
            let example = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            examples.push((name, example));
        }
    }
    examples.sort_by(|(a, _), (b, _)| a.cmp(b));
    examples
}

/// The text of a file beside this crate's manifest.
pub(crate) fn text_of(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn schema(folder: &str) -> Validator {
    let text = text_of(&format!("../../schemas/events/{folder}/v1.schema.json"));
    let schema: Value = serde_json::from_str(&text).expect("the schema is JSON");
    jsonschema::draft202012::meta::validate(&schema).expect("the schema is one");
    jsonschema::draft202012::new(&schema).expect("the schema compiles")
}

pub(crate) fn team() -> TeamId {
    TeamId::parse("dynamodb").expect("an id")
}

pub(crate) fn feature(id: &str) -> FeatureId {
    FeatureId::parse(id).expect("an id")
}

pub(crate) fn account(id: &str) -> AccountId {
    AccountId::parse(id).expect("an id")
}

/// Noon of the day that the tests' events lead up to.
pub(crate) fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-06-01T12:00:00Z").expect("a time")
}

pub(crate) fn days_ago(days: i64) -> Timestamp {
    now().plus_micros(-days * MICROS_PER_DAY)
}

/// An event received when it happened, in partition 0.
pub(crate) fn logged(id: &str, time: Timestamp, body: Body) -> Logged {
    let event = Event { id: id.into(), source: "//test".into(), time, body };
    Logged { received: time, partition: Partition(0), event }
}
