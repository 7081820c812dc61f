//! The examples beside the event schemas, as records to produce.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::Value;
use testkit::record::Described;

/// One example: a record, and the reason and pointer of its dead letter if it is to become one.
#[derive(Clone, Debug)]
pub struct Example {
    /// Event type and file name.
    pub name: String,
    /// The record, without a partition.
    pub record: Described,
    /// Reason code and JSON pointer; none for a valid event.
    pub expect: Option<(String, String)>,
}

/// The examples of a kind, `valid` or `invalid`, in the order of their names.
///
/// # Errors
/// When a file cannot be read or is not an example.
pub fn examples(kind: &str) -> anyhow::Result<Vec<Example>> {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/events");
    let mut examples = Vec::new();
    for event in std::fs::read_dir(&schemas)? {
        let event = event?;
        for file in std::fs::read_dir(event.path().join("examples").join(kind))? {
            let path = file?.path();
            let text = std::fs::read_to_string(&path)?;
            let file: File = serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
            let name = format!("{} {}", event.file_name().display(), path.file_stem().unwrap_or_default().display());
            examples.push(file.into_example(name)?);
        }
    }
    examples.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(examples)
}

#[derive(Deserialize)]
struct File {
    record: Record,
    expect: Option<Expect>,
}

#[derive(Deserialize)]
struct Record {
    topic: String,
    key: String,
    headers: BTreeMap<String, String>,
    value: Option<Value>,
    value_text: Option<String>,
    value_base64: Option<String>,
    value_repeat: Option<Repeat>,
}

#[derive(Deserialize)]
struct Repeat {
    byte: String,
    count: usize,
}

#[derive(Deserialize)]
struct Expect {
    reason: String,
    pointer: String,
}

impl File {
    fn into_example(self, name: String) -> anyhow::Result<Example> {
        let record = self.record;
        let payload = match (record.value, record.value_text, record.value_base64, record.value_repeat) {
            (Some(value), ..) => Some(serde_json::to_vec(&value)?),
            (_, Some(text), ..) => Some(text.into_bytes()),
            (_, _, Some(base64), _) => Some(BASE64_STANDARD.decode(base64)?),
            (.., Some(repeat)) => Some(repeat.byte.repeat(repeat.count).into_bytes()),
            _ => None,
        };
        let headers = record.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        let record = Described { topic: record.topic, partition: None, key: Some(record.key), headers, payload };
        Ok(Example { name, record, expect: self.expect.map(|expect| (expect.reason, expect.pointer)) })
    }
}
