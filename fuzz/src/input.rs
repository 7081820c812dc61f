//! A record as a fuzzer's input, in a form that people can read and a fuzzer can change piece by piece:
//!
//! ```text
//! usage 1769904000000000
//! ce_id:1
//! ce_type:io.flywheel.usage.observed.v1
//! a-header-without-a-value
//!
//! {"team": ...
//! ```
//!
//! The topic, of which one letter counts, and the record's timestamp in microseconds; headers; behind an empty line the
//! value. Without that line there is no value. Any bytes are an input.

use domain::{
    record::{InputTopic, Record},
    time::Timestamp,
};

/// An input, taken apart.
pub(crate) struct Input<'a> {
    topic: InputTopic,
    timestamp: Timestamp,
    headers: Vec<(&'a str, Option<&'a [u8]>)>,
    payload: Option<&'a [u8]>,
}

impl<'a> Input<'a> {
    /// Takes an input apart.
    pub(crate) fn read(bytes: &'a [u8]) -> Self {
        let (first, mut rest) = split(bytes, b'\n');
        let mut headers = Vec::new();
        let mut payload = None;
        while let Some(bytes) = rest {
            let (line, after) = split(bytes, b'\n');
            if line.is_empty() {
                payload = after;
                break;
            }
            let (name, value) = split(line, b':');
            // As the consumer does it, in short: a name that is not UTF-8 is not one that we know.
            headers.push((std::str::from_utf8(name).unwrap_or("\u{fffd}"), value));
            rest = after;
        }
        let (topic, timestamp) = split(first, b' ');
        let topic = match topic.first() {
            Some(b'u') => InputTopic::Usage,
            Some(b'c') => InputTopic::Catalog,
            _ => InputTopic::Requests,
        };
        let timestamp = timestamp.and_then(|text| std::str::from_utf8(text).ok()).and_then(|text| text.parse().ok());
        Self { topic, timestamp: Timestamp(timestamp.unwrap_or_default()), headers, payload }
    }

    /// The record.
    pub(crate) fn record(&self) -> Record<'_> {
        let Self { topic, timestamp, ref headers, payload } = *self;
        Record { topic, key: None, headers, payload, timestamp }
    }
}

/// What is before the first such byte, and what is behind it if there is one.
fn split(bytes: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|byte| *byte == at) {
        Some(position) => (&bytes[..position], Some(&bytes[position + 1..])),
        None => (bytes, None),
    }
}
