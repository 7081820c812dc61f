//! The `data` of each type of event. What is refused here is refused by the type's schema in `schemas/events`, too,
//! where a schema can express it.

use std::borrow::Cow;

use crate::{
    catalog::{
        AccountDefinition, Door, FeatureDefinition, Importance, InvalidParameters, Outcome, Parameters, Status,
        TeamDefinition, Tier,
    },
    event::{Body, EventType},
    facts::NO_SEGMENT,
    ids::{AccountId, FeatureId, InvalidId, TeamId},
    json::{Members, Node},
    limits::{
        COUNT_MAX, DURATION_US_MAX, EFFORT_MONTHS_MAX, LABEL_CHARS_MAX, NAME_CHARS_MAX, SEGMENT_CHARS_MAX, SEGMENTS_MAX,
    },
    record::{Reason, Reject},
};

/// What happened, according to the data of an event of this type.
pub(crate) fn body<'a>(event_type: EventType, data: &impl Members<'a>) -> Result<Body<Cow<'a, str>>, Reject> {
    match event_type {
        EventType::RequestStated => request_stated(data),
        EventType::RequestWithdrawn => Ok(Body::RequestWithdrawn {
            team: id(data, "team", TeamId::check)?,
            feature: id(data, "feature", FeatureId::check)?,
            account: id(data, "account", AccountId::check)?,
        }),
        EventType::UsageObserved => usage_observed(data),
        EventType::NeedSignaled => Ok(Body::NeedSignaled {
            team: id(data, "team", TeamId::check)?,
            feature: id(data, "feature", FeatureId::check)?,
            account: id(data, "account", AccountId::check)?,
            signal: required(data, "signal", LABEL)?,
            count: integer("count", data.required("count")?, 1..=COUNT_MAX)?,
        }),
        EventType::TeamDefined => team_defined(data).map(Body::TeamDefined),
        EventType::FeatureDefined => feature_defined(data).map(Body::FeatureDefined),
        EventType::AccountDefined => Ok(Body::AccountDefined(AccountDefinition {
            account: id(data, "account", AccountId::check)?,
            tier: choice("tier", data.required("tier")?, &Tier::NAMES)?,
            segments: segments(data)?,
        })),
    }
}

fn request_stated<'a>(data: &impl Members<'a>) -> Result<Body<Cow<'a, str>>, Reject> {
    Ok(Body::RequestStated {
        team: id(data, "team", TeamId::check)?,
        feature: id(data, "feature", FeatureId::check)?,
        account: id(data, "account", AccountId::check)?,
        importance: choice("importance", data.required("importance")?, &Importance::NAMES)?,
        channel: optional(data, "channel", Form { chars_min: 0, ..LABEL })?,
        text: optional(data, "text", PROSE)?,
        requester: optional(data, "requester", Form { chars_min: 0, ..NAME })?,
        reference: optional(data, "ref", Form { chars_min: 0, ..NAME })?,
    })
}

#[inline]
fn usage_observed<'a>(data: &impl Members<'a>) -> Result<Body<Cow<'a, str>>, Reject> {
    Ok(Body::UsageObserved {
        team: id(data, "team", TeamId::check)?,
        feature: id(data, "feature", FeatureId::check)?,
        account: id(data, "account", AccountId::check)?,
        operation: required(data, "operation", LABEL)?,
        count: integer("count", data.required("count")?, 1..=COUNT_MAX)?,
        duration_us: match data.optional("duration_us")? {
            Some(node) => Some(integer("duration_us", node, 0..=DURATION_US_MAX)?),
            None => None,
        },
        outcome: match data.optional("outcome")? {
            Some(node) => Some(choice("outcome", node, &Outcome::NAMES)?),
            None => None,
        },
    })
}

fn team_defined<'a>(data: &impl Members<'a>) -> Result<TeamDefinition<Cow<'a, str>>, Reject> {
    Ok(TeamDefinition {
        team: id(data, "team", TeamId::check)?,
        name: required(data, "name", NAME)?,
        segments: segments(data)?,
        parameters: match data.optional("parameters")? {
            Some(node) => parameters(node).map_err(|reject| reject.under("parameters"))?,
            None => Parameters::default(),
        },
    })
}

fn feature_defined<'a>(data: &impl Members<'a>) -> Result<FeatureDefinition<Cow<'a, str>>, Reject> {
    Ok(FeatureDefinition {
        team: id(data, "team", TeamId::check)?,
        feature: id(data, "feature", FeatureId::check)?,
        title: required(data, "title", NAME)?,
        status: choice("status", data.required("status")?, &Status::NAMES)?,
        merged_into: match data.optional("merged_into")? {
            Some(_) => Some(id(data, "merged_into", FeatureId::check)?),
            None => None,
        },
        effort_months: match data.optional("effort_months")? {
            Some(node) => Some(effort_months(node)?),
            None => None,
        },
        door: match data.optional("door")? {
            Some(node) => Some(choice("door", node, &Door::NAMES)?),
            None => None,
        },
    })
}

fn effort_months(node: &Node<'_>) -> Result<f64, Reject> {
    let months = number("effort_months", node)?;
    if months > 0.0 && months <= EFFORT_MONTHS_MAX {
        Ok(months)
    } else {
        Err(Reject::at("effort_months", Reason::InvalidValue, "must be above 0 and at most 10000"))
    }
}

fn parameters(node: &Node<'_>) -> Result<Parameters, Reject> {
    let Node::Object(_) = node else {
        return Err(Reject::whole(Reason::WrongType, format!("expected an object, found {}", node.kind())));
    };
    let members = node.as_object()?;
    let mut parameters = Parameters::default();
    for (name, value) in [
        ("activity_window_days", &mut parameters.activity_window_days),
        ("half_life_days", &mut parameters.half_life_days),
        ("need_window_days", &mut parameters.need_window_days),
        ("demand_weight", &mut parameters.demand_weight),
        ("need_weight", &mut parameters.need_weight),
    ] {
        if let Some(node) = members.optional(name)? {
            *value = number(name, node)?;
        }
    }
    if let Some(node) = members.optional("need_min_count")? {
        parameters.need_min_count = integer("need_min_count", node, 1..=COUNT_MAX)?;
    }
    parameters.validate().map_err(|error| match error {
        InvalidParameters::Field { field, .. } => Reject::at(field, Reason::InvalidValue, error.to_string()),
        InvalidParameters::WeightSum => Reject::whole(Reason::InvalidValue, error.to_string()),
    })?;
    Ok(parameters)
}

/// The segments, each once, in their order.
fn segments<'a>(data: &impl Members<'a>) -> Result<Vec<Cow<'a, str>>, Reject> {
    let Some(node) = data.optional("segments")? else {
        return Ok(Vec::new());
    };
    let Node::Array(items) = node else {
        return Err(wrong_type("segments", "an array", node));
    };
    if items.len() > SEGMENTS_MAX {
        let detail = format!("{} segments, at most {SEGMENTS_MAX} are taken", items.len());
        return Err(Reject::at("segments", Reason::InvalidValue, detail));
    }
    let mut segments: Vec<Cow<'a, str>> = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let segment = segment(&at.to_string(), item).map_err(|reject| reject.under("segments"))?;
        if !segments.contains(&segment) {
            segments.push(segment);
        }
    }
    Ok(segments)
}

fn segment<'a>(at: &str, item: &Node<'a>) -> Result<Cow<'a, str>, Reject> {
    if let Node::Null = item {
        return Err(Reject::at(at, Reason::NullValue, "expected a string, found null"));
    }
    let segment = text(at, item, SEGMENT)?;
    if segment == NO_SEGMENT {
        return Err(Reject::at(at, Reason::InvalidValue, "the name is that of the accounts without segments"));
    }
    Ok(segment)
}

/// What a string may be.
#[derive(Clone, Copy)]
struct Form {
    chars_min: usize,
    chars_max: usize,
    /// Line breaks, tabs and the like belong in prose only; NUL belongs nowhere, it ends strings in too many tools.
    controls: bool,
}

const LABEL: Form = Form { chars_min: 1, chars_max: LABEL_CHARS_MAX, controls: false };
const NAME: Form = Form { chars_min: 1, chars_max: NAME_CHARS_MAX, controls: false };
const SEGMENT: Form = Form { chars_min: 1, chars_max: SEGMENT_CHARS_MAX, controls: false };
/// Bounded by the size of the record.
const PROSE: Form = Form { chars_min: 0, chars_max: usize::MAX, controls: true };

#[inline]
fn required<'a>(data: &impl Members<'a>, name: &'static str, form: Form) -> Result<Cow<'a, str>, Reject> {
    text(name, data.required(name)?, form)
}

#[inline]
fn optional<'a>(data: &impl Members<'a>, name: &'static str, form: Form) -> Result<Option<Cow<'a, str>>, Reject> {
    data.optional(name)?.map(|node| text(name, node, form)).transpose()
}

#[inline]
fn text<'a>(name: &str, node: &Node<'a>, form: Form) -> Result<Cow<'a, str>, Reject> {
    let Node::String(text) = node else {
        return Err(wrong_type(name, "a string", node));
    };
    let fault = if has_control(text, form) {
        "it holds control characters".to_owned()
    } else if text.chars().take(form.chars_min).count() < form.chars_min {
        "it is empty".to_owned()
    } else if text.len() > form.chars_max && text.chars().count() > form.chars_max {
        format!("over {} characters", form.chars_max)
    } else {
        return Ok(text.clone());
    };
    Err(Reject::at(name, Reason::InvalidValue, fault))
}

/// To the end in any case, which is what compiles to vector instructions; a byte of a character beyond ASCII is none of those.
fn has_control(text: &str, form: Form) -> bool {
    if form.controls {
        text.bytes().fold(false, |found, byte| found | (byte == 0))
    } else {
        text.bytes().fold(false, |found, byte| found | byte.is_ascii_control())
    }
}

#[inline]
fn id<'a, T>(
    data: &impl Members<'a>,
    name: &'static str,
    check: fn(Cow<'a, str>) -> Result<T, InvalidId>,
) -> Result<T, Reject> {
    match data.required(name)? {
        Node::String(text) => {
            check(text.clone()).map_err(|error| Reject::at(name, Reason::InvalidId, error.to_string()))
        }
        other => Err(wrong_type(name, "a string", other)),
    }
}

#[inline]
fn choice<T: Copy>(name: &str, node: &Node<'_>, names: &[(&str, T)]) -> Result<T, Reject> {
    let Node::String(text) = node else {
        return Err(wrong_type(name, "a string", node));
    };
    names.iter().find(|(known, _)| known == text).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = names.iter().map(|(known, _)| *known).collect();
        Reject::at(name, Reason::InvalidValue, format!("must be one of {}", known.join(", ")))
    })
}

/// A number without fraction. JSON has one kind of number: `1.0` and `1e0` are the integer 1, as JSON Schema has it.
fn integer(name: &str, node: &Node<'_>, bounds: std::ops::RangeInclusive<u64>) -> Result<u64, Reject> {
    let (whole, value) = match node {
        Node::Integer(number) => (true, *number),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, then fails the bounds")]
        Node::Float(number) => (number.fract() == 0.0, if *number < 0.0 { u64::MAX } else { *number as u64 }),
        other => return Err(wrong_type(name, "an integer", other)),
    };
    if !whole {
        return Err(Reject::at(name, Reason::WrongType, "expected an integer, found a fraction"));
    }
    if !bounds.contains(&value) {
        let detail = format!("must be from {} to {}", bounds.start(), bounds.end());
        return Err(Reject::at(name, Reason::InvalidValue, detail));
    }
    Ok(value)
}

fn number(name: &str, node: &Node<'_>) -> Result<f64, Reject> {
    match node {
        Node::Integer(number) => Ok(*number as f64),
        Node::Float(number) => Ok(*number),
        other => Err(wrong_type(name, "a number", other)),
    }
}

fn wrong_type(name: &str, expected: &str, found: &Node<'_>) -> Reject {
    Reject::at(name, Reason::WrongType, format!("expected {expected}, found {}", found.kind()))
}
