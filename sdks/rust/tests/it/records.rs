//! Each event type as a record: topic, key, type and exactly these fields, which the event's schema knows and accepts.

use flywheel_sdk::{
    AccountDefined, Data, Door, Event, FeatureDefined, Importance, NeedSignaled, Outcome, Record, RequestStated,
    RequestWithdrawn, Status, TeamDefined, TeamParameters, Tier, UsageObserved,
};
use serde_json::{Value, json};

fn check(data: impl Into<Data>, topic: &str, key: &str, event_type: &str, body: Value) {
    let event = Event::new("crm", "2026-11-21T18:00:00Z", data).with_id("id-1");
    let record = Record::of(&event).unwrap();
    assert_eq!((record.topic.as_str(), record.key.as_str(), record.id.as_str()), (topic, key, "id-1"));
    let headers: Vec<(&str, &str)> =
        record.headers.iter().map(|(key, value)| (key.as_str(), std::str::from_utf8(value).unwrap())).collect();
    assert_eq!(
        headers,
        [
            ("ce_specversion", "1.0"),
            ("ce_id", "id-1"),
            ("ce_source", "crm"),
            ("ce_type", event_type),
            ("ce_time", "2026-11-21T18:00:00Z"),
            ("content-type", "application/json"),
        ]
    );
    assert_eq!(serde_json::from_slice::<Value>(&record.payload.unwrap()).unwrap(), body);
    check_schema(event_type, &body);
}

fn check_schema(event_type: &str, body: &Value) {
    let name = event_type.strip_suffix(".v1").unwrap();
    let path = format!("{}/../../schemas/events/{name}/v1.schema.json", env!("CARGO_MANIFEST_DIR"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect(&path)).unwrap();
    jsonschema::validate(&schema, body).unwrap_or_else(|error| panic!("{event_type}: {error}"));
    // A schema accepts members that it does not know: a misspelt one would pass.
    for member in body.as_object().unwrap().keys() {
        assert!(schema["properties"].get(member).is_some(), "{event_type} knows no {member}");
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn a_request_is_keyed_by_its_account_and_leaves_out_what_is_absent() {
    let bare = RequestStated::new("dynamodb", "secondary-indexes", "acme", Importance::NiceToHave);
    check(
        bare.clone(),
        "flywheel.requests.v1",
        "acme",
        "io.flywheel.request.stated.v1",
        json!({"team": "dynamodb", "feature": "secondary-indexes", "account": "acme", "importance": "nice_to_have"}),
    );
    let full = RequestStated {
        importance: Importance::Critical,
        channel: Some(text("support")),
        text: Some(text("please")),
        requester: Some(text("ann")),
        reference: Some(text("T-1")),
        ..bare
    };
    check(
        full,
        "flywheel.requests.v1",
        "acme",
        "io.flywheel.request.stated.v1",
        json!({"team": "dynamodb", "feature": "secondary-indexes", "account": "acme", "importance": "critical",
            "channel": "support", "text": "please", "requester": "ann", "ref": "T-1"}),
    );
}

#[test]
fn a_withdrawal_goes_where_the_request_went() {
    check(
        RequestWithdrawn { team: text("dynamodb"), feature: text("multi-region"), account: text("acme") },
        "flywheel.requests.v1",
        "acme",
        "io.flywheel.request.withdrawn.v1",
        json!({"team": "dynamodb", "feature": "multi-region", "account": "acme"}),
    );
}

#[test]
fn usage_and_need_share_a_topic() {
    let usage = UsageObserved {
        team: text("dynamodb"),
        feature: text("tables"),
        account: text("acme"),
        operation: text("query"),
        count: 3,
        duration_us: Some(1_500),
        outcome: Some(Outcome::Denied),
    };
    check(
        usage.clone(),
        "flywheel.usage.v1",
        "acme",
        "io.flywheel.usage.observed.v1",
        json!({"team": "dynamodb", "feature": "tables", "account": "acme", "operation": "query", "count": 3,
            "duration_us": 1500, "outcome": "denied"}),
    );
    check(
        UsageObserved { duration_us: None, outcome: None, ..usage },
        "flywheel.usage.v1",
        "acme",
        "io.flywheel.usage.observed.v1",
        json!({"team": "dynamodb", "feature": "tables", "account": "acme", "operation": "query", "count": 3}),
    );
    check(
        NeedSignaled {
            team: text("dynamodb"),
            feature: text("secondary-indexes"),
            account: text("acme"),
            signal: text("filtered_full_scan"),
            count: 9,
        },
        "flywheel.usage.v1",
        "acme",
        "io.flywheel.need.signaled.v1",
        json!({"team": "dynamodb", "feature": "secondary-indexes", "account": "acme", "signal": "filtered_full_scan",
            "count": 9}),
    );
}

#[test]
fn the_catalog_is_keyed_by_what_it_defines() {
    check(
        TeamDefined { team: text("eks"), name: text("EKS"), ..TeamDefined::default() },
        "flywheel.catalog.v1",
        "team:eks",
        "io.flywheel.team.defined.v1",
        json!({"team": "eks", "name": "EKS"}),
    );
    check(
        TeamDefined {
            team: text("eks"),
            name: text("EKS"),
            segments: vec![text("fintech")],
            parameters: Some(TeamParameters { half_life_days: Some(1095.0), ..TeamParameters::default() }),
        },
        "flywheel.catalog.v1",
        "team:eks",
        "io.flywheel.team.defined.v1",
        json!({"team": "eks", "name": "EKS", "segments": ["fintech"], "parameters": {"half_life_days": 1095.0}}),
    );
    let feature = FeatureDefined::new("eks", "ipv6", "IPv6", Status::Launched);
    check(
        feature.clone(),
        "flywheel.catalog.v1",
        "feature:eks/ipv6",
        "io.flywheel.feature.defined.v1",
        json!({"team": "eks", "feature": "ipv6", "title": "IPv6", "status": "launched"}),
    );
    check(
        FeatureDefined {
            merged_into: Some(text("dual-stack")),
            effort_months: Some(4.5),
            door: Some(Door::OneWay),
            ..feature
        },
        "flywheel.catalog.v1",
        "feature:eks/ipv6",
        "io.flywheel.feature.defined.v1",
        json!({"team": "eks", "feature": "ipv6", "title": "IPv6", "status": "launched", "merged_into": "dual-stack",
            "effort_months": 4.5, "door": "one_way"}),
    );
    check(
        AccountDefined { account: text("acme"), tier: Tier::Enterprise, segments: vec![text("fintech")] },
        "flywheel.catalog.v1",
        "account:acme",
        "io.flywheel.account.defined.v1",
        json!({"account": "acme", "tier": "enterprise", "segments": ["fintech"]}),
    );
}

#[test]
fn an_event_without_an_id_gets_a_new_one_each_time_it_is_sent() {
    let data = RequestStated::new("eks", "ipv6", "acme", Importance::Important);
    let event = Event::new("crm", std::time::SystemTime::now(), data);
    let (first, second) = (Record::of(&event).unwrap(), Record::of(&event).unwrap());
    assert_ne!(first.id, second.id);
    assert_eq!(first.id.as_bytes()[14], b'7', "not a UUIDv7: {}", first.id);
}
