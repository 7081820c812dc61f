//! The two ways of decoding, without a tree and with it, reach the same verdict: on the examples, on events made up, on
//! those events damaged, and on all that a fuzzer kept.

#![expect(clippy::disallowed_methods, reason = "the corpus is read")]
#![expect(clippy::print_stdout, reason = "shown where a test fails: by which input")]

use std::{fs, path::Path};

use domain::{
    event::EventType,
    record::{InputTopic, Record, decode},
    time::Timestamp,
};
use proptest::{prelude::*, sample::select, strategy::ValueTree as _, test_runner::TestRunner};

use crate::{
    check::check,
    input::Input,
    support::{RECEIVED, examples},
};

#[test]
fn both_ways_read_every_example_alike() {
    for (name, example) in examples("valid").into_iter().chain(examples("invalid")) {
        println!("{name}");
        example.record.with(check);
    }
}

#[test]
fn what_a_fuzzer_kept_still_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/decode");
    let mut replayed = 0;
    for file in fs::read_dir(folder).expect("the corpus is read") {
        let path = file.expect("a file").path();
        println!("{}", path.display());
        check(&Input::read(&fs::read(&path).expect("the input is read")).record());
        replayed += 1;
    }
    assert!(replayed > 100, "only {replayed} inputs");
}

/// A record of an event that need not be valid.
#[derive(Clone, Debug)]
struct Made {
    topic: InputTopic,
    headers: Vec<(&'static str, String)>,
    payload: Vec<u8>,
}

impl Made {
    /// Checks the record; whether it was an event.
    fn check(&self) -> bool {
        let headers: Vec<(&str, Option<&[u8]>)> =
            self.headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))).collect();
        let record = Record {
            topic: self.topic,
            key: None,
            headers: &headers,
            payload: Some(&self.payload),
            timestamp: Timestamp::parse_rfc3339(RECEIVED).expect("a time"),
        };
        check(&record);
        decode(&record).is_ok()
    }
}

/// Each type with members that its data has, as JSON.
const EVENTS: [(EventType, &[(&str, &str)]); 5] = [
    (
        EventType::UsageObserved,
        &[("operation", r#""query""#), ("count", "12"), ("duration_us", "0"), ("outcome", r#""ok""#)],
    ),
    (EventType::NeedSignaled, &[("signal", r#""full_scan""#), ("count", "1000000000000")]),
    (
        EventType::RequestStated,
        &[("importance", r#""critical""#), ("text", r#""Ja, bitte: \u00e9""#), ("ref", r#""""#)],
    ),
    (EventType::RequestWithdrawn, &[]),
    (EventType::FeatureDefined, &[("title", r#""Tables""#), ("status", r#""planned""#), ("effort_months", "4.5")]),
];
const SUBJECT: [(&str, &str); 3] = [("team", r#""dynamodb""#), ("feature", r#""a.b_c-9""#), ("account", r#""acme""#)];

/// Names of members that some event has, and of some that none has.
fn name() -> impl Strategy<Value = &'static str> {
    let unread = ["data", "unheard_of", "", "team ", "Team", r"te\u0061m", "id", "type", "time", "specversion"];
    let names = EVENTS.iter().flat_map(|(_, members)| members.iter()).chain(&SUBJECT).map(|(name, _)| *name);
    select(names.chain(unread).collect::<Vec<_>>())
}

/// Values as JSON, on and beside what the way without a tree reads.
const TEXTS: &[&str] = &[
    r#""""#,
    r#""a""#,
    r#""ok""#,
    r#""-a""#,
    r#""\u0061cme""#,
    r#""a\"b""#,
    r#""é""#,
    "\"a\u{7f}\"",
    "\"a\u{1f}\"",
    r#""a\u0000""#,
    r#""\ud800""#,
    "0",
    "1",
    "00",
    "01",
    "-0",
    "-1",
    "1.0",
    "1e0",
    "1.5",
    "1e400",
    "999999999999999999",
    "1000000000000000000",
    "9999999999999999999",
    "18446744073709551615",
    "18446744073709551616",
    "1_0",
    "null",
    "true",
    "[]",
    "{}",
    r#"{"a":1,"a":2}"#,
    "[1]",
    "+1",
    "NaN",
    "",
    "\"",
];

/// Those, and random ones of the same kinds.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(TEXTS).prop_map(str::to_owned),
        1 => (0_u64..).prop_map(|number| number.to_string()),
        1 => "[a-z\"\\\\é\u{1}-\u{ff}]{0,20}".prop_map(|text| format!("\"{text}\"")),
        1 => prop_oneof![63_usize..66, 127_usize..130, 511_usize..514].prop_map(|count| format!("\"{}\"", "é".repeat(count))),
        1 => prop_oneof![63_usize..66, 127_usize..130].prop_map(|count| format!("\"{}\"", "x".repeat(count))),
    ]
}

/// An event, its members in any order, some left out, changed or added, with blanks between; or damaged in one byte.
fn made() -> impl Strategy<Value = Made> {
    let fault = || (name(), prop::option::weighted(0.8, value()));
    let faults = prop_oneof![2 => Just(0), 3 => Just(1), 1 => 2_usize..4]
        .prop_flat_map(move |count| prop::collection::vec(fault(), count));
    let blank = select(vec!["", "", " ", "\n\t", "\r", "\u{c}", "\u{a0}"]);
    let order = prop::collection::vec(any::<u8>(), 16);
    let data = (faults, any::<bool>(), blank, order);
    let damage = prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()));
    (select(&EVENTS[..]), data, prop::option::of(beside()), damage).prop_map(
        |((event_type, own), (faults, twice, blank, order), beside, damage)| {
            let mut data: Vec<(&str, String)> =
                SUBJECT.iter().chain(own).map(|(name, value)| (*name, (*value).to_owned())).collect();
            for (name, value) in faults {
                if !twice {
                    data.retain(|(other, _)| *other != name);
                }
                data.extend(value.map(|value| (name, value)));
            }
            let data = object(data, &order, blank);
            let attributes = [
                ("ce_specversion", "1.0"),
                ("ce_id", "1"),
                ("ce_source", "//test"),
                ("ce_type", event_type.as_str()),
                ("ce_time", "2026-01-15T09:30:00.123456Z"),
            ];
            let (headers, payload) = match beside {
                // Binary mode.
                None => (attributes.map(|(name, value)| (name, value.to_owned())).to_vec(), data),
                Some(beside) => {
                    let attributes = attributes.map(|(name, value)| (&name[3..], format!("\"{value}\"")));
                    let whole = attributes.into_iter().chain([("data", data)]).chain(beside).collect();
                    let content_type = ("content-type", "application/cloudevents+json".to_owned());
                    (vec![content_type], object(whole, &order, blank))
                }
            };
            let mut payload = payload.into_bytes();
            if let Some((at, byte)) = damage {
                let at = at.index(payload.len());
                payload[at] = byte;
            }
            Made { topic: event_type.topic(), headers, payload }
        },
    )
}

/// What else stands beside the attributes and the data in structured mode.
fn beside() -> impl Strategy<Value = Option<(&'static str, String)>> {
    let name = select(vec!["id", "type", "datacontenttype", "data", "unheard_of"]);
    prop_oneof![
        6 => Just(None),
        1 => Just(Some(("data", "{}".to_owned()))),
        1 => (name, value()).prop_map(Some),
    ]
}

/// The members as an object, in the order of these keys.
fn object(mut members: Vec<(&str, String)>, order: &[u8], blank: &str) -> String {
    let mut keys = order.iter();
    members.sort_by_cached_key(|_| keys.next());
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{blank}\"{name}\"{blank}:{blank}{value}{blank}")).collect();
    format!("{blank}{{{}}}{blank}", members.join(","))
}

/// Names of headers, some twice or in another case.
const ODD_NAMES: &[&str] =
    &["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "CE_ID", "Ce_Type", "x"];
/// Values of headers, good and bad.
const ODD_VALUES: &[&str] = &[
    "",
    "1",
    "1.0",
    "a\u{7f}",
    "é",
    "a\u{85}",
    "a\nb",
    "io.flywheel.usage.observed.v1",
    "io.flywheel.team.defined.v1",
    "2026-01-15T09:30:00+02:00",
    "1999-12-31T23:59:59Z",
    "9999-01-01T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "text/json",
    "application/json; charset=utf-8",
    "application/cloudevents+json",
    "APPLICATION/JSON",
    "application/xml",
];

/// An event with one more header, or another.
fn with_odd_header() -> impl Strategy<Value = Made> {
    (made(), select(ODD_NAMES), select(ODD_VALUES), any::<bool>()).prop_map(|(mut made, name, value, replace)| {
        if replace {
            made.headers.retain(|(other, _)| *other != name);
        }
        made.headers.push((name, value.to_owned()));
        made
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn both_ways_read_made_up_and_damaged_events_alike(made in made()) {
        made.check();
    }

    #[test]
    fn both_ways_read_odd_headers_alike(made in with_odd_header()) {
        made.check();
    }
}

#[test]
fn what_is_made_up_is_often_an_event_and_often_not() {
    let mut runner = TestRunner::deterministic();
    let events = (0..1_000).filter(|_| made().new_tree(&mut runner).expect("a value").current().check()).count();
    assert!((200..800).contains(&events), "{events} of 1000 are events");
}
