//! Every example beside the schemas is a test: through the reader, and through the schema.

use std::collections::BTreeSet;

use domain::{event::EventType, record::Reason};

use crate::support::{Expect, event_folders, examples, schema};

#[test]
fn every_type_has_a_schema_and_every_schema_a_type() {
    let types: BTreeSet<String> = EventType::ALL.iter().map(|known| format!("{known}")).collect();
    let folders: BTreeSet<String> = event_folders().iter().map(|folder| format!("{folder}.v1")).collect();
    assert_eq!(types, folders);
}

#[test]
fn valid_examples_are_read_and_pass_their_schema() {
    let mut seen = BTreeSet::new();
    for (name, example) in examples("valid") {
        assert!(example.expect.is_none(), "{name} expects a fault");
        let event = example.record.decode().unwrap_or_else(|reject| panic!("{name}: {reject}"));
        let folder = name.split('/').next().expect("a folder");
        assert_eq!(event.body.event_type().as_str(), format!("{folder}.v1"), "{name}");
        let data = example.record.data().expect("a valid event has data");
        if let Err(error) = schema(folder).validate(&data) {
            panic!("{name}: the schema refuses what the reader takes: {error}");
        }
        seen.insert(event.body.event_type());
    }
    assert_eq!(seen.len(), EventType::ALL.len(), "a type has no valid example");
}

#[test]
fn invalid_examples_are_refused_with_their_reason_and_pointer() {
    let mut seen = BTreeSet::new();
    for (name, example) in examples("invalid") {
        let expect = example.expect.unwrap_or_else(|| panic!("{name} expects nothing"));
        match example.record.decode() {
            Ok(event) => panic!("{name}: read as {event:?}"),
            Err(reject) => {
                let found = Expect { reason: reject.reason.code().to_owned(), pointer: reject.pointer };
                assert_eq!(found, expect, "{name}: {}", example.description);
                seen.insert(reject.reason);
            }
        }
    }
    let unseen: Vec<_> = Reason::ALL.iter().filter(|reason| !seen.contains(reason)).collect();
    assert!(unseen.is_empty(), "no example for {unseen:?}");
}

#[test]
fn faults_in_the_data_are_refused_by_the_schema_too() {
    let mut compared = 0;
    for (name, example) in examples("invalid") {
        let expect = example.expect.unwrap_or_else(|| panic!("{name} expects nothing"));
        if !in_the_data(&expect) {
            continue;
        }
        // What a schema cannot say.
        let weight_sum = expect.pointer == "/parameters" && expect.reason == Reason::InvalidValue.code();
        if weight_sum || expect.reason == Reason::DuplicateField.code() || expect.pointer == "/data" {
            continue;
        }
        let data = example.record.data().unwrap_or_else(|| panic!("{name} has no data"));
        let folder = name.split('/').next().expect("a folder");
        assert!(!schema(folder).is_valid(&data), "{name}: the schema takes what the reader refuses");
        compared += 1;
    }
    assert!(compared >= 30, "only {compared} examples compared");
}

fn in_the_data(expect: &Expect) -> bool {
    [
        Reason::NotAnObject,
        Reason::MissingField,
        Reason::DuplicateField,
        Reason::NullValue,
        Reason::WrongType,
        Reason::InvalidId,
        Reason::InvalidValue,
    ]
    .iter()
    .any(|reason| reason.code() == expect.reason)
}

#[test]
fn what_the_reader_says_of_each_example() {
    let lines: Vec<String> = examples("valid")
        .into_iter()
        .chain(examples("invalid"))
        .map(|(name, example)| match example.record.decode() {
            Ok(event) => format!("{name}\n  {event:?}"),
            Err(reject) => format!("{name}\n  {reject}"),
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
