//! The CloudEvents attributes of a record: from its headers in binary mode, from its value in structured mode.

use std::borrow::Cow;

use crate::{
    event::{Body, Event, EventType},
    json::{Members, Node},
    limits,
    record::{Decoded, Reason, Record, Reject},
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
pub(crate) struct Context<'a> {
    pub(crate) event_type: EventType,
    id: Cow<'a, str>,
    source: Cow<'a, str>,
    time: Timestamp,
}

impl<'a> Context<'a> {
    /// The event with these attributes.
    pub(crate) fn with(self, body: Body<Cow<'a, str>>) -> Decoded<'a> {
        Event { id: self.id, source: self.source, time: self.time, body }
    }
}

/// The headers that we read, found in one pass. Kafka lets a name come twice; we do not, since readers disagree about
/// which counts.
pub(crate) struct Headers<'a>([Header<'a>; READ.len()]);

#[derive(Clone, Copy)]
enum Header<'a> {
    Missing,
    Once(Option<&'a [u8]>),
    Twice,
}

const CONTENT_TYPE: &str = "content-type";
const READ: [&str; 6] = [BINARY.specversion, BINARY.id, BINARY.source, BINARY.event_type, BINARY.time, CONTENT_TYPE];

/// What the attributes are called.
struct Names {
    specversion: &'static str,
    event_type: &'static str,
    id: &'static str,
    source: &'static str,
    time: &'static str,
}

const BINARY: Names =
    Names { specversion: "ce_specversion", event_type: "ce_type", id: "ce_id", source: "ce_source", time: "ce_time" };
const STRUCTURED: Names =
    Names { specversion: "specversion", event_type: "type", id: "id", source: "source", time: "time" };

impl<'a> Headers<'a> {
    /// Finds them. Names are read in any case.
    pub(crate) fn of(record: &Record<'a>) -> Self {
        let mut found = [Header::Missing; READ.len()];
        for (name, value) in record.headers {
            if let Some(at) = READ.iter().position(|known| known.eq_ignore_ascii_case(name)) {
                found[at] = match found[at] {
                    Header::Missing => Header::Once(*value),
                    Header::Once(_) | Header::Twice => Header::Twice,
                };
            }
        }
        Self(found)
    }

    /// The mode, by the content type. Other formats than JSON are refused.
    pub(crate) fn mode(&self) -> Result<Mode, Reject> {
        let Some(content_type) = self.text(CONTENT_TYPE)? else {
            return Ok(Mode::Binary);
        };
        let media_type = media_type(content_type);
        if starts_with(media_type, "application/cloudevents") {
            let json = ["application/cloudevents", "application/cloudevents+json"];
            if json.iter().any(|known| media_type.eq_ignore_ascii_case(known)) {
                return Ok(Mode::Structured);
            }
        } else if is_json(media_type) {
            return Ok(Mode::Binary);
        }
        Err(Reject::at(CONTENT_TYPE, Reason::UnsupportedContentType, "only JSON is read, one event a record"))
    }

    /// The header of this name, one of [`READ`], as text.
    fn text(&self, name: &'static str) -> Result<Option<&'a str>, Reject> {
        let found = READ.iter().position(|known| *known == name).map_or(Header::Missing, |at| self.0[at]);
        match found {
            Header::Missing | Header::Once(None) => Ok(None),
            Header::Once(Some(bytes)) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|_| Reject::at(name, Reason::InvalidUtf8, "the header is not UTF-8")),
            Header::Twice => Err(Reject::at(name, Reason::DuplicateField, "the header is there twice")),
        }
    }
}

/// The attributes in binary mode: `ce_id`, `ce_source`, ...
pub(crate) fn from_headers<'a>(record: &Record<'a>, headers: &Headers<'a>) -> Result<Context<'a>, Reject> {
    context(record, &BINARY, |name| Ok(headers.text(name)?.map(Cow::Borrowed)))
}

/// The attributes in structured mode. One that is null is not there, as CloudEvents' JSON format has it.
pub(crate) fn from_members<'a>(record: &Record<'a>, members: &impl Members<'a>) -> Result<Context<'a>, Reject> {
    if let Some(Node::String(content_type)) = members.find("datacontenttype")?
        && !is_json(media_type(content_type))
    {
        return Err(Reject::at("datacontenttype", Reason::UnsupportedContentType, "only JSON is read"));
    }
    context(record, &STRUCTURED, |name| match members.find(name)? {
        None | Some(Node::Null) => Ok(None),
        Some(Node::String(text)) => Ok(Some(text.clone())),
        Some(other) => {
            Err(Reject::at(name, Reason::InvalidAttribute, format!("expected a string, found {}", other.kind())))
        }
    })
}

fn context<'a>(
    record: &Record<'_>,
    names: &Names,
    attribute: impl Fn(&'static str) -> Result<Option<Cow<'a, str>>, Reject>,
) -> Result<Context<'a>, Reject> {
    let required =
        |name| attribute(name)?.ok_or_else(|| Reject::at(name, Reason::MissingAttribute, "the attribute is required"));

    if required(names.specversion)? != "1.0" {
        return Err(Reject::at(names.specversion, Reason::UnsupportedSpecversion, "only 1.0 is read"));
    }
    let event_type = EventType::from_name(&required(names.event_type)?)
        .ok_or_else(|| Reject::at(names.event_type, Reason::UnknownType, "no event of this type is known"))?;
    if event_type.topic() != record.topic {
        let detail = format!("{event_type} belongs on another topic");
        return Err(Reject::at(names.event_type, Reason::WrongTopic, detail));
    }
    Ok(Context {
        event_type,
        id: identifying(names.id, required(names.id)?)?,
        source: identifying(names.source, required(names.source)?)?,
        time: time(names.time, &required(names.time)?, record.timestamp)?,
    })
}

/// An `id` or a `source`. Control characters are refused: CloudEvents forbids them, and a pair of texts without NUL
/// can be joined by one.
fn identifying<'a>(name: &str, text: Cow<'a, str>) -> Result<Cow<'a, str>, Reject> {
    let fault = if text.is_empty() {
        "it is empty".to_owned()
    } else if text.len() > limits::ATTRIBUTE_BYTES_MAX {
        format!("{} bytes, at most {} are taken", text.len(), limits::ATTRIBUTE_BYTES_MAX)
    } else if text.chars().any(char::is_control) {
        "it holds control characters".to_owned()
    } else {
        return Ok(text);
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

/// The media type without its parameters.
fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn is_json(media_type: &str) -> bool {
    let suffix = media_type.rfind('+').map(|at| &media_type[at..]);
    ["application/json", "text/json"].iter().any(|known| media_type.eq_ignore_ascii_case(known))
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"))
}

fn starts_with(text: &str, head: &str) -> bool {
    text.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head))
}
