//! From a Kafka record to an event, or to the reason why not.
//!
//! A pure function of the record: the same bytes get the same verdict whenever they are read. Unknown members and
//! attributes are ignored, so that emitters may add to their events; a member that we read and that comes twice is
//! refused, because readers disagree about which one counts.

use std::{borrow::Cow, fmt};

use crate::{
    data,
    envelope::{self, Headers, Mode},
    event::Event,
    flat::{Flat, Whole},
    json::{self, Members as _},
    limits,
    time::Timestamp,
};

/// A topic that events come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputTopic {
    /// Requests and withdrawals.
    Requests,
    /// Usage and need signals.
    Usage,
    /// Teams, features and accounts.
    Catalog,
}

/// A Kafka record, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The topic that it came from.
    pub topic: InputTopic,
    /// Its key. It only chose the partition; it is not checked.
    pub key: Option<&'a [u8]>,
    /// Its headers, in order.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Its value.
    pub payload: Option<&'a [u8]>,
    /// Its own timestamp: when we received it.
    pub timestamp: Timestamp,
}

/// An event as it is read: its texts lie in the record, or, where the record has escapes in them, in memory of their own.
pub type Decoded<'a> = Event<Cow<'a, str>>;

/// Why a record is not an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at \"{pointer}\": {detail}")]
pub struct Reject {
    /// What kind of fault, for machines.
    pub reason: Reason,
    /// Where: a JSON pointer into the value, "" for all of it. In binary mode a header is named like a member:
    /// `/ce_id`, `/content-type`.
    pub pointer: String,
    /// What exactly, for people. Never quotes the payload, which may hold personal data.
    pub detail: String,
}

/// The kinds of fault. Displays as its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The value is over [`limits::EVENT_BYTES_MAX`].
    TooLarge,
    /// There is no value, or one of no bytes.
    Empty,
    /// The value, or a header that we read, is not UTF-8.
    InvalidUtf8,
    /// The value is not JSON, or nests deeper than 127 levels, or holds a number beyond a double's range.
    NotJson,
    /// The value is JSON, but no object.
    NotAnObject,
    /// The content type is one that we do not read.
    UnsupportedContentType,
    /// A required CloudEvents attribute is not there.
    MissingAttribute,
    /// A CloudEvents attribute is not a string, or empty, or too long, or holds control characters.
    InvalidAttribute,
    /// `specversion` is not `1.0`.
    UnsupportedSpecversion,
    /// We know no event of this `type`.
    UnknownType,
    /// Events of this `type` belong on another topic.
    WrongTopic,
    /// `time` is not RFC 3339.
    InvalidTime,
    /// `time` is before [`limits::TIME_MIN`].
    TimeTooEarly,
    /// `time` is over 24 h after the record's timestamp.
    TimeTooLate,
    /// A required member is not there.
    MissingField,
    /// A member, or a header, that we read is there twice.
    DuplicateField,
    /// A member is null.
    NullValue,
    /// A member is of another JSON type.
    WrongType,
    /// A team, feature or account id does not look like one.
    InvalidId,
    /// A member's value is out of bounds.
    InvalidValue,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 20] = [
        Self::TooLarge,
        Self::Empty,
        Self::InvalidUtf8,
        Self::NotJson,
        Self::NotAnObject,
        Self::UnsupportedContentType,
        Self::MissingAttribute,
        Self::InvalidAttribute,
        Self::UnsupportedSpecversion,
        Self::UnknownType,
        Self::WrongTopic,
        Self::InvalidTime,
        Self::TimeTooEarly,
        Self::TimeTooLate,
        Self::MissingField,
        Self::DuplicateField,
        Self::NullValue,
        Self::WrongType,
        Self::InvalidId,
        Self::InvalidValue,
    ];

    /// The code for machines. Stable: it is stored and counted.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::UnsupportedContentType => "unsupported_content_type",
            Self::MissingAttribute => "missing_attribute",
            Self::InvalidAttribute => "invalid_attribute",
            Self::UnsupportedSpecversion => "unsupported_specversion",
            Self::UnknownType => "unknown_type",
            Self::WrongTopic => "wrong_topic",
            Self::InvalidTime => "invalid_time",
            Self::TimeTooEarly => "time_too_early",
            Self::TimeTooLate => "time_too_late",
            Self::MissingField => "missing_field",
            Self::DuplicateField => "duplicate_field",
            Self::NullValue => "null_value",
            Self::WrongType => "wrong_type",
            Self::InvalidId => "invalid_id",
            Self::InvalidValue => "invalid_value",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Reject {
    /// A fault of the member or header of this name.
    #[cold]
    pub(crate) fn at(name: &str, reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, pointer: format!("/{name}"), detail: detail.into() }
    }

    /// A fault of the whole.
    #[cold]
    pub(crate) fn whole(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, pointer: String::new(), detail: detail.into() }
    }

    /// The same fault, seen from one level further out.
    pub(crate) fn under(mut self, name: &str) -> Self {
        self.pointer = format!("/{name}{}", self.pointer);
        self
    }
}

/// The event in the record. Binary and structured mode are both read.
///
/// # Errors
/// The first fault found: of the value as such, then of the attributes, then of the data.
pub fn decode<'a>(record: &Record<'a>) -> Result<Decoded<'a>, Reject> {
    match decode_flat(record) {
        Some(event) => Ok(event),
        None => decode_tree(record),
    }
}

/// The same as [`decode`], always by way of the tree, which reads everything: the reference for the faster way, and what
/// finds the words for a fault.
///
/// # Errors
/// Like [`decode`].
pub fn decode_tree<'a>(record: &Record<'a>) -> Result<Decoded<'a>, Reject> {
    let payload = record.payload.unwrap_or_default();
    if payload.len() > limits::EVENT_BYTES_MAX {
        let detail = format!("{} bytes, at most {} are taken", payload.len(), limits::EVENT_BYTES_MAX);
        return Err(Reject::whole(Reason::TooLarge, detail));
    }
    if payload.is_empty() {
        return Err(Reject::whole(Reason::Empty, "the record has no value"));
    }
    let headers = Headers::of(record);
    let mode = headers.mode()?;
    let text = std::str::from_utf8(payload)
        .map_err(|error| Reject::whole(Reason::InvalidUtf8, format!("not UTF-8 from byte {}", error.valid_up_to())))?;
    let value = json::parse(text)?;

    match mode {
        Mode::Binary => {
            let context = envelope::from_headers(record, &headers)?;
            let body = data::body(context.event_type, &value.as_object()?)?;
            Ok(context.with(body))
        }
        Mode::Structured => {
            let members = value.as_object()?;
            let context = envelope::from_members(record, &members)?;
            let data = members.required("data")?;
            let body = data.as_object().and_then(|data| data::body(context.event_type, &data));
            Ok(context.with(body.map_err(|reject| reject.under("data"))?))
        }
    }
}

/// The event, where its data is flat and nothing is wrong with it: without a tree, and without allocating.
fn decode_flat<'a>(record: &Record<'a>) -> Option<Decoded<'a>> {
    // Definitions have lists and objects: it would try in vain.
    if record.topic == InputTopic::Catalog {
        return None;
    }
    let payload = record.payload.filter(|payload| payload.len() <= limits::EVENT_BYTES_MAX)?;
    let headers = Headers::of(record);
    match headers.mode().ok()? {
        Mode::Binary => {
            let context = envelope::from_headers(record, &headers).ok()?;
            let mut data = Flat::default();
            data.read(std::str::from_utf8(payload).ok()?)?;
            let body = data::body(context.event_type, &data).ok()?;
            Some(context.with(body))
        }
        Mode::Structured => {
            let mut whole = Whole::default();
            whole.read(std::str::from_utf8(payload).ok()?)?;
            let context = envelope::from_members(record, &whole.attributes).ok()?;
            let body = data::body(context.event_type, &whole.data).ok()?;
            Some(context.with(body))
        }
    }
}
