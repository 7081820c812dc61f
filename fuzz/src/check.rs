//! What must hold of every record, however its bytes came about.

use std::collections::BTreeSet;

use domain::{
    event::{Body, Event},
    limits,
    record::{Decoded, Record, Reject, decode, decode_tree},
};

/// Panics unless decoding the record keeps its promises: no panic of its own, the same verdict both ways, an event whose
/// every part is what it may be, or a fault that says where it is.
pub(crate) fn check(record: &Record<'_>) {
    let verdict = decode(record);
    assert_eq!(verdict, decode_tree(record), "the faster way and the tree disagree");
    match verdict {
        Ok(event) => check_event(record, event),
        Err(reject) => check_reject(&reject),
    }
}

fn check_reject(reject: &Reject) {
    let Reject { pointer, detail, .. } = reject;
    assert!(pointer.is_empty() || pointer.starts_with('/'), "no pointer: {pointer:?}");
    assert!(!detail.is_empty(), "no detail");
}

fn check_event(record: &Record<'_>, event: Decoded<'_>) {
    assert_eq!(event.body.event_type().topic(), record.topic, "on another topic");
    for text in [&event.id, &event.source] {
        assert!((1..=limits::ATTRIBUTE_BYTES_MAX).contains(&text.len()), "an attribute of {} bytes", text.len());
        assert!(!text.contains(char::is_control), "a control character in an attribute");
    }
    let ahead = event.time.micros_since(record.timestamp);
    assert!(event.time >= limits::TIME_MIN && ahead <= limits::TIME_AHEAD_MICROS_MAX, "at {}", event.time);

    let body = &event.body;
    let team = body.team().map(|id| id.as_str());
    let feature = body.feature().map(|id| id.as_str());
    let account = body.account().map(|id| id.as_str());
    [team, feature, account].into_iter().flatten().for_each(check_id);
    match body {
        Body::RequestStated { channel, text, requester, reference, .. } => {
            check_label(channel.as_deref(), 0, limits::LABEL_CHARS_MAX);
            check_label(requester.as_deref(), 0, limits::NAME_CHARS_MAX);
            check_label(reference.as_deref(), 0, limits::NAME_CHARS_MAX);
            assert!(text.as_ref().is_none_or(|text| !text.contains('\0')), "NUL in a text");
        }
        Body::RequestWithdrawn { .. } => {}
        Body::UsageObserved { operation, count, duration_us, .. } => {
            check_label(Some(operation), 1, limits::LABEL_CHARS_MAX);
            check_count(*count);
            assert!(duration_us.is_none_or(|duration| duration <= limits::DURATION_US_MAX), "it took {duration_us:?}");
        }
        Body::NeedSignaled { signal, count, .. } => {
            check_label(Some(signal), 1, limits::LABEL_CHARS_MAX);
            check_count(*count);
        }
        Body::TeamDefined(team) => {
            check_label(Some(&team.name), 1, limits::NAME_CHARS_MAX);
            check_segments(&team.segments);
            team.parameters.validate().expect("parameters within their bounds");
        }
        Body::FeatureDefined(feature) => {
            check_label(Some(&feature.title), 1, limits::NAME_CHARS_MAX);
            feature.merged_into.iter().for_each(|id| check_id(id.as_str()));
            let effort = feature.effort_months;
            assert!(
                effort.is_none_or(|months| months > 0.0 && months <= limits::EFFORT_MONTHS_MAX),
                "{effort:?} months"
            );
        }
        Body::AccountDefined(account) => check_segments(&account.segments),
    }

    let read = format!("{event:?}");
    let owned: Event = event.into_owned();
    assert_eq!(read, format!("{owned:?}"), "the event with texts of its own is another");
}

fn check_id(id: &str) {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let holds = id.len() <= 64 && id.starts_with(plain) && id.chars().all(|c| plain(c) || "._-".contains(c));
    assert!(holds, "no id: {id:?}");
}

fn check_count(count: u64) {
    assert!((1..=limits::COUNT_MAX).contains(&count), "a count of {count}");
}

fn check_label(text: Option<&str>, chars_min: usize, chars_max: usize) {
    let Some(text) = text else { return };
    assert!((chars_min..=chars_max).contains(&text.chars().count()), "{} characters", text.chars().count());
    assert!(!text.contains(|c: char| c.is_ascii_control()), "a control character in {text:?}");
}

fn check_segments<Text: AsRef<str>>(segments: &[Text]) {
    let distinct: BTreeSet<&str> = segments.iter().map(AsRef::as_ref).collect();
    assert!(distinct.len() == segments.len() && segments.len() <= limits::SEGMENTS_MAX, "{} segments", segments.len());
    distinct.into_iter().for_each(|segment| check_label(Some(segment), 1, limits::SEGMENT_CHARS_MAX));
}
