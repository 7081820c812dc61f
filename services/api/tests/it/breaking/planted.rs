//! Breaks that somebody could plant are found, and what may change may change.

use serde_json::{Value, json};

use super::{compare::breaks, served};

const RANKING: &str = "/paths/~1v1~1teams~1{team}~1rankings/get";
const LIMIT: &str = "/paths/~1v1~1teams/get/parameters/0";
const ITEM: &str = "/components/schemas/Item";

/// What is found when `change` is made to the document of today.
fn after(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let released = served();
    let mut now = released.clone();
    change(&mut now);
    assert_ne!(released, now, "the change changes nothing");
    breaks(&released, &now)
}

fn at<'a>(document: &'a mut Value, pointer: &str) -> &'a mut Value {
    document.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}"))
}

fn parameters(document: &mut Value) -> &mut Vec<Value> {
    at(document, "/paths/~1v1~1teams/get/parameters").as_array_mut().unwrap()
}

fn remove(document: &mut Value, pointer: &str, name: &str) {
    assert!(at(document, pointer).as_object_mut().unwrap().remove(name).is_some(), "no {name} at {pointer}");
}

#[track_caller]
fn breaks_by(change: impl FnOnce(&mut Value), sentence: &str) {
    let found = after(change);
    assert!(found.iter().any(|found| found == sentence), "{sentence:?} is not among {found:#?}");
}

#[track_caller]
fn goes_on(change: impl FnOnce(&mut Value)) {
    let found = after(change);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_path_that_is_gone_is_a_break() {
    breaks_by(|now| remove(now, "/paths", "/v1/teams"), "GET /v1/teams: is gone");
    breaks_by(|now| remove(now, "/paths/~1v1~1teams", "get"), "GET /v1/teams: is gone");
}

#[test]
fn a_field_that_is_gone_is_a_break_wherever_it_is_read() {
    let found = after(|now| {
        remove(now, &format!("{ITEM}/properties"), "score");
        at(now, &format!("{ITEM}/required")).as_array_mut().unwrap().retain(|name| name != "score");
    });
    for place in
        ["GET /v1/teams/{team}/rankings: 200.items[].score", "GET /v1/teams/{team}/features/{feature}: 200.item.score"]
    {
        assert!(found.contains(&format!("{place}: is gone")), "{place}: {found:#?}");
    }
}

#[test]
fn a_field_that_may_be_absent_or_null_or_of_another_type_is_a_break() {
    let place = "GET /v1/teams/{team}/rankings: 200.items[].rank";
    breaks_by(
        |now| at(now, &format!("{ITEM}/required")).as_array_mut().unwrap().retain(|name| name != "rank"),
        &format!("{place}: may be absent now"),
    );
    let rank = format!("{ITEM}/properties/rank/type");
    breaks_by(|now| *at(now, &rank) = json!("string"), &format!("{place}: may now be string"));
    breaks_by(|now| *at(now, &rank) = json!("number"), &format!("{place}: may now be number"));
    breaks_by(|now| *at(now, &rank) = json!(["integer", "null"]), &format!("{place}: may now be null"));
}

#[test]
fn a_value_that_readers_do_not_know_is_a_break() {
    breaks_by(
        |now| at(now, "/components/schemas/Reading/enum").as_array_mut().unwrap().push(json!("loud")),
        "GET /v1/teams/{team}/rankings: 200.items[].reading: \"loud\" is one of the values on one side only",
    );
}

#[test]
fn a_parameter_that_is_gone_or_newly_required_is_a_break() {
    let new = |required| json!({"name": "shape", "in": "query", "required": required, "schema": {"type": "string"}});
    breaks_by(|now| drop(parameters(now).remove(0)), "GET /v1/teams: parameter limit is gone");
    breaks_by(|now| at(now, LIMIT)["required"] = json!(true), "GET /v1/teams: parameter limit is required now");
    breaks_by(|now| parameters(now).push(new(true)), "GET /v1/teams: parameter shape is new and required");
    goes_on(|now| parameters(now).push(new(false)));
}

#[test]
fn a_parameter_that_takes_less_is_a_break_and_one_that_takes_more_is_none() {
    let schema = format!("{LIMIT}/schema");
    let maximum = |value: u64| {
        let schema = schema.clone();
        move |now: &mut Value| at(now, &schema)["maximum"] = json!(value)
    };
    breaks_by(maximum(100), "GET /v1/teams: parameter limit: maximum is 100 on one side and 200 on the other");
    goes_on(maximum(500));
    breaks_by(
        |now| at(now, &schema)["default"] = json!(20),
        "GET /v1/teams: parameter limit: default was 50 and is 20",
    );
    breaks_by(
        |now| at(now, &schema)["type"] = json!("string"),
        "GET /v1/teams: parameter limit: may no longer be integer",
    );
    breaks_by(
        |now| at(now, &format!("{RANKING}/parameters/0/schema"))["pattern"] = json!("^[a-z]+$"),
        "GET /v1/teams/{team}/rankings: parameter team: pattern is \"^[a-z]+$\" on one side and \"^[a-z0-9][a-z0-9._-]{0,63}$\" on the other",
    );
}

#[test]
fn a_list_of_values_that_narrows_is_a_break() {
    let with = |values: &[&str]| {
        let mut document = served();
        at(&mut document, &format!("{LIMIT}/schema"))["enum"] = json!(values);
        document
    };
    let (wide, narrow) = (with(&["json", "csv"]), with(&["json"]));
    assert_eq!(
        breaks(&wide, &narrow),
        ["GET /v1/teams: parameter limit: \"csv\" is one of the values on one side only"]
    );
    assert_eq!(breaks(&narrow, &wide), [""; 0]);
    assert_eq!(breaks(&served(), &narrow), ["GET /v1/teams: parameter limit: only one side has a list of values"]);
}

#[test]
fn an_answer_or_a_media_type_or_a_header_that_is_gone_is_a_break() {
    breaks_by(|now| remove(now, &format!("{RANKING}/responses"), "200"), "GET /v1/teams/{team}/rankings: 200 is gone");
    breaks_by(
        |now| remove(now, &format!("{RANKING}/responses/200/content"), "application/json"),
        "GET /v1/teams/{team}/rankings: 200: application/json is gone",
    );
    breaks_by(
        |now| remove(now, &format!("{RANKING}/responses/200/headers"), "etag"),
        "GET /v1/teams/{team}/rankings: 200: header etag is gone",
    );
    goes_on(|now| remove(now, &format!("{RANKING}/responses"), "504"));
}

#[test]
fn another_name_or_credentials_are_a_break() {
    breaks_by(
        |now| at(now, RANKING)["operationId"] = json!("ranking"),
        "GET /v1/teams/{team}/rankings: operationId was \"getRanking\" and is \"ranking\"",
    );
    breaks_by(
        |now| now["paths"]["/livez"]["get"]["security"] = json!([{"key": []}]),
        "GET /livez: needs credentials now",
    );
}

#[test]
fn fields_paths_and_errors_may_be_added() {
    goes_on(|now| at(now, &format!("{ITEM}/properties"))["owner"] = json!({"type": "string"}));
    goes_on(|now| at(now, &format!("{ITEM}/required")).as_array_mut().unwrap().push(json!("door")));
    goes_on(|now| now["paths"]["/v1/new"] = json!({"get": {"responses": {}}}));
    goes_on(|now| now["paths"]["/v1/teams"]["get"]["responses"]["451"] = json!({"description": "Not here"}));
}
