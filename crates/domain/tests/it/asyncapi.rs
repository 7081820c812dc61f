//! `schemas/asyncapi.yaml` is an AsyncAPI 3 document, and says of the topics what the code does.

use std::collections::BTreeSet;

use domain::{event::EventType, limits::ATTRIBUTE_BYTES_MAX, record::InputTopic};
use serde_json::Value;

use crate::support::{examples, text_of};

fn document() -> Value {
    serde_norway::from_str(&text_of("../../schemas/asyncapi.yaml")).expect("the document is YAML")
}

#[test]
fn the_document_passes_the_official_schema() {
    let schema: Value = serde_json::from_str(&text_of("tests/asyncapi/3.0.0.schema.json")).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("the schema compiles");
    let faults: Vec<String> =
        validator.iter_errors(&document()).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > EventType::ALL.len(), "{references:?}");
    for reference in references {
        let (file, pointer) = reference.split_once('#').unwrap_or((&reference, ""));
        let target = if file.is_empty() {
            document.clone()
        } else {
            serde_json::from_str(&text_of(&format!("../../schemas/{file}"))).expect("JSON")
        };
        assert!(target.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn every_type_is_on_its_topic() {
    let document = document();
    let mut stated = BTreeSet::new();
    for (channel, topic) in
        [("requests", InputTopic::Requests), ("usage", InputTopic::Usage), ("catalog", InputTopic::Catalog)]
    {
        let messages = document["channels"][channel]["messages"].as_object().expect("messages");
        for name in messages.keys() {
            let message = &document["components"]["messages"][name];
            let event_type = message["name"].as_str().and_then(EventType::from_name).expect("a type that we know");
            assert_eq!(event_type.topic(), topic, "{event_type}");
            assert_eq!(message["headers"]["allOf"][1]["properties"]["ce_type"]["const"], event_type.as_str());
            let schema = format!("./events/{}/v1.schema.json", event_type.as_str().trim_end_matches(".v1"));
            assert_eq!(message["payload"]["schema"]["$ref"], schema);
            stated.insert(event_type);
        }
    }
    assert_eq!(stated, BTreeSet::from(EventType::ALL));
    for attribute in ["ce_id", "ce_source"] {
        let stated = &document["components"]["schemas"]["attributes"]["properties"][attribute]["maxLength"];
        assert_eq!(stated.as_u64(), u64::try_from(ATTRIBUTE_BYTES_MAX).ok());
    }
}

#[test]
fn the_headers_and_keys_of_valid_examples_are_as_documented() {
    let document = document();
    let messages = document["components"]["messages"].as_object().expect("messages");
    for (name, example) in examples("valid") {
        let Some(event_type) = example.record.headers.get("ce_type") else {
            continue; // structured mode
        };
        let message = messages.values().find(|message| message["name"] == event_type.as_str()).expect("a message");
        let mut headers = document["components"]["schemas"]["attributes"].clone();
        headers["properties"]["ce_type"] = message["headers"]["allOf"][1]["properties"]["ce_type"].clone();
        let found = serde_json::to_value(&example.record.headers).expect("headers");
        assert!(jsonschema::is_valid(&headers, &found), "{name}: headers");
        let key = Value::from(example.record.key);
        assert!(jsonschema::is_valid(&message["bindings"]["kafka"]["key"], &key), "{name}: {key}");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(reference) if name == "$ref" => found.push(reference.to_owned()),
                    _ => collect_references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}
