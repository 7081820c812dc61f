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

/// A required attribute.
#[derive(Clone, Copy)]
enum Attribute {
    Specversion,
    Id,
    Source,
    Type,
    Time,
}

impl Attribute {
    const ALL: [Self; 5] = [Self::Specversion, Self::Id, Self::Source, Self::Type, Self::Time];

    /// What its header is called.
    fn header(self) -> &'static str {
        match self {
            Self::Specversion => "ce_specversion",
            Self::Id => "ce_id",
            Self::Source => "ce_source",
            Self::Type => "ce_type",
            Self::Time => "ce_time",
        }
    }

    /// What its member is called.
    fn member(self) -> &'static str {
        match self {
            Self::Specversion => "specversion",
            Self::Id => "id",
            Self::Source => "source",
            Self::Type => "type",
            Self::Time => "time",
        }
    }
}

const CONTENT_TYPE: &str = "content-type";

/// The headers that we read, found in one pass.
#[derive(Default)]
pub(crate) struct Headers<'a> {
    content_type: Header<'a>,
    attributes: [Header<'a>; 5],
}

/// A header. Kafka lets a name come twice; we do not, since readers disagree about which counts.
#[derive(Clone, Copy, Default)]
enum Header<'a> {
    #[default]
    Missing,
    Once(Option<&'a [u8]>),
    Twice,
}

impl<'a> Headers<'a> {
    /// Finds them. Names are read in any case.
    pub(crate) fn of(record: &Record<'a>) -> Self {
        let mut headers = Self::default();
        for (name, value) in record.headers {
            if let Some(header) = headers.slot(name) {
                *header = match header {
                    Header::Missing => Header::Once(*value),
                    Header::Once(_) | Header::Twice => Header::Twice,
                };
            }
        }
        headers
    }

    fn slot(&mut self, name: &str) -> Option<&mut Header<'a>> {
        let attribute = match name {
            CONTENT_TYPE => return Some(&mut self.content_type),
            "ce_specversion" => Attribute::Specversion,
            "ce_id" => Attribute::Id,
            "ce_source" => Attribute::Source,
            "ce_type" => Attribute::Type,
            "ce_time" => Attribute::Time,
            _ if name.eq_ignore_ascii_case(CONTENT_TYPE) => return Some(&mut self.content_type),
            _ => Attribute::ALL.into_iter().find(|known| name.eq_ignore_ascii_case(known.header()))?,
        };
        Some(&mut self.attributes[attribute as usize])
    }

    /// The mode, by the content type. Other formats than JSON are refused.
    pub(crate) fn mode(&self) -> Result<Mode, Reject> {
        let Some(content_type) = self.content_type.text(CONTENT_TYPE)? else {
            return Ok(Mode::Binary);
        };
        if content_type == "application/json" {
            return Ok(Mode::Binary);
        }
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
}

impl<'a> Header<'a> {
    /// The value as text, if there is one.
    #[inline]
    fn text(self, name: &str) -> Result<Option<&'a str>, Reject> {
        match self {
            Self::Missing | Self::Once(None) => Ok(None),
            Self::Once(Some(bytes)) => std::str::from_utf8(bytes)
                .map(Some)
                .map_err(|_| Reject::at(name, Reason::InvalidUtf8, "the header is not UTF-8")),
            Self::Twice => Err(Reject::at(name, Reason::DuplicateField, "the header is there twice")),
        }
    }
}

/// The attributes in binary mode: `ce_id`, `ce_source`, ...
pub(crate) fn from_headers<'a>(record: &Record<'a>, headers: &Headers<'a>) -> Result<Context<'a>, Reject> {
    context(record, Attribute::header, |attribute| {
        Ok(headers.attributes[attribute as usize].text(attribute.header())?.map(Cow::Borrowed))
    })
}

/// The attributes in structured mode. One that is null is not there, as CloudEvents' JSON format has it.
pub(crate) fn from_members<'a>(record: &Record<'a>, members: &impl Members<'a>) -> Result<Context<'a>, Reject> {
    if let Some(Node::String(content_type)) = members.find("datacontenttype")?
        && !is_json(media_type(content_type))
    {
        return Err(Reject::at("datacontenttype", Reason::UnsupportedContentType, "only JSON is read"));
    }
    context(record, Attribute::member, |attribute| match members.find(attribute.member())? {
        None | Some(Node::Null) => Ok(None),
        Some(Node::String(text)) => Ok(Some(text.clone())),
        Some(other) => {
            let detail = format!("expected a string, found {}", other.kind());
            Err(Reject::at(attribute.member(), Reason::InvalidAttribute, detail))
        }
    })
}

fn context<'a>(
    record: &Record<'_>,
    name: impl Fn(Attribute) -> &'static str,
    value: impl Fn(Attribute) -> Result<Option<Cow<'a, str>>, Reject>,
) -> Result<Context<'a>, Reject> {
    let required = |attribute| {
        value(attribute)?
            .ok_or_else(|| Reject::at(name(attribute), Reason::MissingAttribute, "the attribute is required"))
    };

    if required(Attribute::Specversion)? != "1.0" {
        let name = name(Attribute::Specversion);
        return Err(Reject::at(name, Reason::UnsupportedSpecversion, "only 1.0 is read"));
    }
    let event_type = EventType::from_name(&required(Attribute::Type)?)
        .ok_or_else(|| Reject::at(name(Attribute::Type), Reason::UnknownType, "no event of this type is known"))?;
    if event_type.topic() != record.topic {
        let detail = format!("{event_type} belongs on another topic");
        return Err(Reject::at(name(Attribute::Type), Reason::WrongTopic, detail));
    }
    Ok(Context {
        event_type,
        id: identifying(name(Attribute::Id), required(Attribute::Id)?)?,
        source: identifying(name(Attribute::Source), required(Attribute::Source)?)?,
        time: time(name(Attribute::Time), &required(Attribute::Time)?, record.timestamp)?,
    })
}

/// An `id` or a `source`. Control characters are refused: CloudEvents forbids them, and a pair of texts without NUL
/// can be joined by one.
fn identifying<'a>(name: &str, text: Cow<'a, str>) -> Result<Cow<'a, str>, Reject> {
    let fault = if text.is_empty() {
        "it is empty".to_owned()
    } else if text.len() > limits::ATTRIBUTE_BYTES_MAX {
        format!("{} bytes, at most {} are taken", text.len(), limits::ATTRIBUTE_BYTES_MAX)
    } else if !is_printable_ascii(&text) && text.chars().any(char::is_control) {
        "it holds control characters".to_owned()
    } else {
        return Ok(text);
    };
    Err(Reject::at(name, Reason::InvalidAttribute, fault))
}

fn is_printable_ascii(text: &str) -> bool {
    // To the end in any case, which is what compiles to vector instructions.
    text.bytes().fold(true, |printable, byte| printable & matches!(byte, b' '..=b'~'))
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
