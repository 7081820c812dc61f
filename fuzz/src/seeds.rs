//! The examples beside the schemas as inputs to begin with.

use std::{
    collections::BTreeMap,
    fs,
    io::{Error, Result, Write as _},
    path::Path,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::Value;

/// A seed is at most so long: one that is large as such teaches nothing but its size.
const SEED_BYTES_MAX: usize = 4_096;
/// The examples' times are before it: 2026-02-01.
const RECEIVED_MICROS: i64 = 1_769_904_000_000_000;

#[derive(Deserialize)]
struct Example {
    record: Record,
}

#[derive(Deserialize)]
struct Record {
    topic: String,
    headers: BTreeMap<String, String>,
    value: Option<Value>,
    value_text: Option<String>,
    value_base64: Option<String>,
}

/// Writes each example to a file in `folder`, in the form of [`crate::input`].
pub(crate) fn write(folder: &Path) -> Result<()> {
    for event in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/events"))? {
        let event = event?;
        for kind in ["valid", "invalid"] {
            for example in fs::read_dir(event.path().join("examples").join(kind))? {
                let example = example?;
                let name = format!("{}-{kind}-{}", event.file_name().display(), example.file_name().display());
                let seed = seed(serde_json::from_slice(&fs::read(example.path())?)?)?;
                if seed.len() <= SEED_BYTES_MAX {
                    fs::write(folder.join(name), seed)?;
                }
            }
        }
    }
    Ok(())
}

fn seed(Example { record }: Example) -> Result<Vec<u8>> {
    let topic = record.topic.trim_start_matches("flywheel.").trim_end_matches(".v1");
    let mut seed = format!("{topic} {RECEIVED_MICROS}\n").into_bytes();
    for (name, value) in &record.headers {
        writeln!(seed, "{name}:{value}")?;
    }
    let value = match (record.value, record.value_text, record.value_base64) {
        (Some(value), _, _) => Some(serde_json::to_vec(&value)?),
        (_, Some(text), _) => Some(text.into_bytes()),
        (_, _, Some(base64)) => Some(BASE64_STANDARD.decode(base64).map_err(Error::other)?),
        _ => None,
    };
    if let Some(value) = value {
        seed.push(b'\n');
        seed.extend_from_slice(&value);
    }
    Ok(seed)
}
