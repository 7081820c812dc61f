//! `/openapi.json` and the copy of it that is committed.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::support::{Api, ranking};

#[tokio::test]
async fn the_committed_document_is_the_one_served() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/openapi.json");
    let served = Api::start().await.get("/openapi.json").await.text().await.unwrap();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&committed, &served).unwrap();
    }
    let committed = fs::read_to_string(committed).unwrap_or_default();
    assert!(
        committed == served,
        "schemas/openapi.json is not what is served; run this test with UPDATE=1 and read the diff"
    );
}

#[tokio::test]
async fn every_answer_is_described_with_an_example() {
    let document = Api::start().await.json("/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut kinds = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (status, response) in operations["get"]["responses"].as_object().unwrap() {
            if status == "304" {
                continue;
            }
            let media_type = match (status.as_str(), path.as_str()) {
                ("200", "/docs") => "text/html; charset=utf-8",
                ("200", path) if path.ends_with("/stream") => "text/event-stream",
                ("200", _) => "application/json",
                _ => "application/problem+json",
            };
            let content = &response["content"][media_type];
            assert!(content["schema"].is_object(), "{path} {status} has no schema");
            assert!(!content["example"].is_null() || content["examples"].is_object(), "{path} {status} has no example");
            kinds.extend(content["examples"].as_object().into_iter().flat_map(|examples| examples.keys().cloned()));
        }
    }
    let expected = [
        "audit-away",
        "body-too-large",
        "headers-too-large",
        "forbidden",
        "history-away",
        "internal",
        "invalid-parameters",
        "issuer-away",
        "keys-away",
        "loading",
        "not-acceptable",
        "not-launched",
        "overloaded",
        "timeout",
        "too-costly",
        "too-many-requests",
        "too-many-streams",
        "too-many-streams-of-key",
        "too-many-wrong-keys",
        "too-much",
        "unauthenticated",
        "unknown-feature",
        "unknown-snapshot",
        "unknown-team",
        "unready",
        "uri-too-long",
        "withheld",
        "wrong-host",
        "wrong-key",
        "wrong-token",
    ];
    assert_eq!(kinds, expected.map(str::to_owned).into());
}

/// What is sent has the properties that the document names, and no others.
#[tokio::test]
async fn answers_have_the_described_properties() {
    let api = Api::start().await;
    api.publish(ranking("t", "s1", "2026-01-01T12:00:00Z", 1, 1));
    let document = api.json("/openapi.json").await;
    let properties = |schema: &str| keys(&document["components"]["schemas"][schema]["properties"]);
    assert_eq!(keys(&api.json("/v1/teams").await), properties("Teams"));
    assert_eq!(keys(&api.json("/v1/teams").await["items"][0]), properties("TeamSummary"));
    assert_eq!(keys(&api.json("/v1/teams/t/rankings").await), properties("Ranking"));
    assert_eq!(keys(&api.json("/v1/teams/t/rankings").await["items"][0]), properties("Item"));
    assert_eq!(keys(&api.json("/version").await), properties("Version"));
    let problem = keys(&api.problem("/v1/teams?limit=0").await);
    assert!(problem.is_subset(&properties("Problem")), "{problem:?}");
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

/// Examples are what readers copy: each has the shape that stands beside it.
#[test]
fn every_example_is_valid() {
    let document: Value = serde_json::from_slice(&api::router::openapi()).unwrap();
    let mut examples = 0;
    let mut check = |place: &str, schema: &Value, example: &Value| {
        let mut schema = schema.clone();
        schema["components"] = document["components"].clone();
        let validator = jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{place}: {error}"));
        let errors: Vec<String> = validator.iter_errors(example).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{place}: {errors:?}");
        examples += 1;
    };
    for (path, operations) in document["paths"].as_object().unwrap() {
        let operation = &operations["get"];
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let place = format!("{path} {}", parameter["name"]);
            assert!(parameter["description"].is_string(), "{place} has no description");
            if let Some(example) = parameter.get("example") {
                check(&place, &parameter["schema"], example);
            }
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            for (media_type, content) in response["content"].as_object().into_iter().flatten() {
                let place = format!("{path} {status} {media_type}");
                let several = content["examples"].as_object().into_iter().flat_map(|several| several.values());
                for example in several.map(|example| &example["value"]).chain(content.get("example")) {
                    check(&place, &content["schema"], example);
                }
            }
        }
    }
    assert!(examples > 100, "only {examples} examples were found");
}

#[test]
fn every_answer_says_which_headers_it_has() {
    let document: Value = serde_json::from_slice(&api::router::openapi()).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (status, response) in operations["get"]["responses"].as_object().unwrap() {
            let has = |name: &str| response["headers"].get(name).is_some();
            assert!(has("x-request-id"), "{path} {status}");
            assert_eq!(has("retry-after"), ["429", "503"].contains(&status.as_str()), "{path} {status}");
        }
    }
    for header in document["components"]["headers"].as_object().unwrap().values() {
        assert!(header["description"].is_string() && header["schema"].is_object(), "{header}");
    }
}
