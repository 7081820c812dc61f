//! No bytes panic, and no verdict quotes the payload.

use domain::{
    record::{InputTopic, Record, decode},
    time::Timestamp,
};
use proptest::{prelude::*, sample::select};

fn header_name() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec!["ce_id", "ce_source", "ce_type", "ce_time", "ce_specversion", "content-type", "Content-Type"])
            .prop_map(str::to_owned),
        ".{0,8}",
    ]
}

fn header_value() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        Just(None),
        select(vec![
            "1.0",
            "io.flywheel.request.stated.v1",
            "2026-01-01T00:00:00Z",
            "application/cloudevents+json",
            "application/json; charset=utf-8",
        ])
        .prop_map(|text| Some(text.as_bytes().to_vec())),
        prop::collection::vec(any::<u8>(), 0..16).prop_map(Some),
    ]
}

fn payload() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        Just(None),
        prop::collection::vec(any::<u8>(), 0..64).prop_map(Some),
        "[\\[\\]{}\",:a-z0-9 \\\\u.eE+-]{0,64}".prop_map(|text| Some(text.into_bytes())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn no_record_panics(
        headers in prop::collection::vec((header_name(), header_value()), 0..8),
        payload in payload(),
        timestamp: i64,
        topic in select(vec![InputTopic::Requests, InputTopic::Usage, InputTopic::Catalog]),
    ) {
        let headers: Vec<(&str, Option<&[u8]>)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let record = Record { topic, key: None, headers: &headers, payload: payload.as_deref(), timestamp: Timestamp(timestamp) };
        prop_assert_eq!(decode(&record), decode(&record));
    }

    #[test]
    fn a_damaged_event_is_refused_or_read_but_never_panics(at in 0_usize..200, byte: u8) {
        let mut payload =
            br#"{"team":"dynamodb","feature":"secondary-indexes","account":"acme","importance":"critical","text":"x"}"#.to_vec();
        let at = at % payload.len();
        payload[at] = byte;
        let _ = decode(&stated(&payload));
    }

    #[test]
    fn no_verdict_quotes_the_payload(member in select(vec!["team", "importance", "channel", "count", "text"])) {
        // Wrong in every place, and recognisable.
        let payload = format!(
            r#"{{"team":"dynamodb","feature":"f","account":"a","importance":"critical","channel":"c","{member}":{{"SECRET":"SECRET\u0000"}}}}"#
        );
        let verdict = format!("{:?}", decode(&stated(payload.as_bytes())));
        prop_assert!(!verdict.contains("SECRET") || verdict.starts_with("Ok"), "{}", verdict);
    }
}

#[test]
fn syntax_errors_do_not_quote_the_payload() {
    for payload in [r#"{"team": SECRET"#, r#"{"SECRET" "SECRET"}"#, r#""SECRET"#, r#"{"team":"SECRET\x"}"#, "SECRET"] {
        let verdict = format!("{:?}", decode(&stated(payload.as_bytes())));
        assert!(verdict.starts_with("Err") && !verdict.contains("SECRET"), "{verdict}");
    }
}

#[test]
fn a_header_that_comes_twice_is_refused() {
    let payload = br#"{"team":"t","feature":"f","account":"a","importance":"critical"}"#;
    let record = stated(payload);
    let mut headers = record.headers.to_vec();
    headers.push(("ce_id", Some(b"2")));
    let reject = decode(&Record { headers: &headers, ..record }).expect_err("two ids");
    assert_eq!((reject.reason.code(), reject.pointer.as_str()), ("duplicate_field", "/ce_id"));
}

#[test]
fn a_value_of_1_mib_is_read_and_one_byte_more_is_not() {
    let head = r#"{"team":"t","feature":"f","account":"a","importance":"critical","text":""#;
    let of = |bytes: usize| format!(r#"{head}{}"}}"#, "x".repeat(bytes - head.len() - 2));
    assert!(decode(&stated(of(1_048_576).as_bytes())).is_ok());
    let reject = decode(&stated(of(1_048_577).as_bytes())).expect_err("too large");
    assert_eq!(reject.reason.code(), "too_large");
}

#[test]
fn time_may_be_24_h_ahead_of_the_record_and_not_a_microsecond_more() {
    let payload = br#"{"team":"t","feature":"f","account":"a","importance":"critical"}"#;
    let record = stated(payload);
    for (time, code) in [
        ("2026-02-02T00:00:00Z", None),
        ("2026-02-02T00:00:00.000001Z", Some("time_too_late")),
        ("2000-01-01T00:00:00Z", None),
        ("1999-12-31T23:59:59.999999Z", Some("time_too_early")),
    ] {
        let mut headers = record.headers.to_vec();
        headers[4].1 = Some(time.as_bytes());
        let found = decode(&Record { headers: &headers, ..record }).err().map(|reject| reject.reason.code());
        assert_eq!(found, code, "{time}");
    }
}

/// A request with good attributes.
fn stated(payload: &[u8]) -> Record<'_> {
    Record {
        topic: InputTopic::Requests,
        key: Some(b"a"),
        headers: &[
            ("ce_specversion", Some(b"1.0")),
            ("ce_type", Some(b"io.flywheel.request.stated.v1")),
            ("ce_id", Some(b"1")),
            ("ce_source", Some(b"//test")),
            ("ce_time", Some(b"2026-02-01T00:00:00Z")),
        ],
        payload: Some(payload),
        timestamp: Timestamp(1_769_904_000_000_000),
    }
}

#[test]
fn the_content_type_decides_the_mode_whatever_its_case_and_parameters() {
    let data = r#"{"team":"t","feature":"f","account":"a","importance":"critical"}"#;
    let attributes = r#""specversion":"1.0","type":"io.flywheel.request.stated.v1","id":"1","source":"//test""#;
    let whole = format!(r#"{{{attributes},"time":"2026-02-01T00:00:00Z","data":{data}}}"#);
    for (content_type, payload, read) in [
        ("application/json", data, true),
        ("Application/JSON; charset=utf-8", data, true),
        ("application/vnd.acme+json", data, true),
        ("application/cloudevents", &whole, true),
        ("Application/CloudEvents+JSON; charset=UTF-8", &whole, true),
        ("application/cloudevents+json", data, false),
        ("application/cloudevents+avro", &whole, false),
        ("application/cloudevents-batch+json", &whole, false),
        ("text/plain", data, false),
        ("", data, false),
    ] {
        let record = stated(payload.as_bytes());
        let mut headers = record.headers.to_vec();
        headers.push(("content-type", Some(content_type.as_bytes())));
        let found = decode(&Record { headers: &headers, ..record });
        assert_eq!(found.is_ok(), read, "{content_type:?}: {found:?}");
    }
}
