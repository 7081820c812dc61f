//! The CloudEvents attributes of a record: from its headers in binary mode, from its value in structured mode.

use crate::{
    event::{Body, Event, EventType},
    json::{Members, Node},
    limits,
    record::{Reason, Record, Reject},
    time::Timestamp,
};

/// How the event is laid out in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Attributes in the headers, data in the value.
    Binary,
    /// Everything in the value.
    Structured,
}

/// The attributes of an event.
pub(crate) struct Context {
    pub(crate) event_type: EventType,
    id: String,
    source: String,
    time: Timestamp,
}

impl Context {
    /// The event with these attributes.
    pub(crate) fn with(self, body: Body) -> Event {
        Event { id: self.id, source: self.source, time: self.time, body }
    }
}

type Headers<'a> = [(&'a str, Option<&'a [u8]>)];

const CONTENT_TYPE: &str = "content-type";
const STRUCTURED: &str = "application/cloudevents";

/// The mode, by the content type. Other formats than JSON are refused.
pub(crate) fn mode(headers: &Headers<'_>) -> Result<Mode, Reject> {
    let Some(content_type) = header(headers, CONTENT_TYPE)? else {
        return Ok(Mode::Binary);
    };
    match media_type(content_type).as_str() {
        STRUCTURED | "application/cloudevents+json" => Ok(Mode::Structured),
        other if other.starts_with(STRUCTURED) || !is_json(other) => {
            Err(Reject::at(CONTENT_TYPE, Reason::UnsupportedContentType, "only JSON is read, one event a record"))
        }
        _ => Ok(Mode::Binary),
    }
}

/// The attributes in binary mode: `ce_id`, `ce_source`, ...
pub(crate) fn from_headers(record: &Record<'_>) -> Result<Context, Reject> {
    context(record, "ce_", |name| header(record.headers, name))
}

/// The attributes in structured mode. One that is null is not there, as CloudEvents' JSON format has it.
pub(crate) fn from_members(record: &Record<'_>, members: &Members<'_, '_>) -> Result<Context, Reject> {
    if let Some(Node::String(content_type)) = members.find("datacontenttype")?
        && !is_json(&media_type(content_type))
    {
        return Err(Reject::at("datacontenttype", Reason::UnsupportedContentType, "only JSON is read"));
    }
    context(record, "", |name| match members.find(name)? {
        None | Some(Node::Null) => Ok(None),
        Some(Node::String(text)) => Ok(Some(text.as_ref())),
        Some(other) => {
            Err(Reject::at(name, Reason::InvalidAttribute, format!("expected a string, found {}", other.kind())))
        }
    })
}

fn context<'a>(
    record: &Record<'_>,
    prefix: &str,
    attribute: impl Fn(&str) -> Result<Option<&'a str>, Reject>,
) -> Result<Context, Reject> {
    let required = |name: &str| {
        let name = format!("{prefix}{name}");
        match attribute(&name)? {
            Some(text) => Ok((name, text)),
            None => Err(Reject::at(&name, Reason::MissingAttribute, "the attribute is required")),
        }
    };

    let (name, version) = required("specversion")?;
    if version != "1.0" {
        return Err(Reject::at(&name, Reason::UnsupportedSpecversion, "only 1.0 is read"));
    }
    let (name, text) = required("type")?;
    let event_type = EventType::from_name(text)
        .ok_or_else(|| Reject::at(&name, Reason::UnknownType, "no event of this type is known"))?;
    if event_type.topic() != record.topic {
        return Err(Reject::at(&name, Reason::WrongTopic, format!("{event_type} belongs on another topic")));
    }
    let (name, text) = required("id")?;
    let id = identifying(&name, text)?;
    let (name, text) = required("source")?;
    let source = identifying(&name, text)?;
    let (name, text) = required("time")?;
    let time = time(&name, text, record.timestamp)?;
    Ok(Context { event_type, id, source, time })
}

/// An `id` or a `source`. Control characters are refused: CloudEvents forbids them, and a pair of texts without NUL
/// can be joined by one.
fn identifying(name: &str, text: &str) -> Result<String, Reject> {
    let fault = if text.is_empty() {
        "it is empty".to_owned()
    } else if text.len() > limits::ATTRIBUTE_BYTES_MAX {
        format!("{} bytes, at most {} are taken", text.len(), limits::ATTRIBUTE_BYTES_MAX)
    } else if text.chars().any(char::is_control) {
        "it holds control characters".to_owned()
    } else {
        return Ok(text.to_owned());
    };
    Err(Reject::at(name, Reason::InvalidAttribute, fault))
}

fn time(name: &str, text: &str, received: Timestamp) -> Result<Timestamp, Reject> {
    let time =
        Timestamp::parse_rfc3339(text).map_err(|error| Reject::at(name, Reason::InvalidTime, error.to_string()))?;
    if time < limits::TIME_MIN {
        return Err(Reject::at(name, Reason::TimeTooEarly, format!("before {}", limits::TIME_MIN)));
    }
    if time > received.plus_micros(limits::TIME_AHEAD_MICROS_MAX) {
        return Err(Reject::at(
            name,
            Reason::TimeTooLate,
            format!("over 24 h after the record's timestamp, {received}"),
        ));
    }
    Ok(time)
}

/// The header of this name as text. Kafka lets a name come twice; we do not, since readers disagree about which counts.
fn header<'a>(headers: &Headers<'a>, name: &str) -> Result<Option<&'a str>, Reject> {
    let mut found = headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let Some((_, value)) = found.next() else {
        return Ok(None);
    };
    if found.next().is_some() {
        return Err(Reject::at(name, Reason::DuplicateField, "the header is there twice"));
    }
    match value {
        None => Ok(None),
        Some(bytes) => std::str::from_utf8(bytes)
            .map(Some)
            .map_err(|_| Reject::at(name, Reason::InvalidUtf8, "the header is not UTF-8")),
    }
}

/// The media type without its parameters, in lower case.
fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || media_type == "text/json" || media_type.ends_with("+json")
}
