//! `/v1/teams`

use serde_json::json;

use crate::support::{Api, ranking};

const NOON: &str = "2026-01-01T12:00:00Z";

#[tokio::test]
async fn each_team_is_listed_with_its_ranking_in_brief() {
    let api = Api::start().await;
    api.publish(ranking("lambda", "s2", NOON, 0, 3));
    api.publish(ranking("dynamodb", "s1", NOON, 2, 1));
    let listed = api.json("/v1/teams").await;
    let team = |team: &str, snapshot: &str, items: u32, iterate: u32, first: Option<&str>| {
        json!({"team": team, "as_of": NOON, "data_through": NOON, "formula": "v1", "snapshot": snapshot,
            "confidence": "ok", "accounts": 100, "items": items, "iterate": iterate, "first": first})
    };
    let expected = json!({
        "items": [team("dynamodb", "s1", 2, 1, Some("f1")), team("lambda", "s2", 0, 3, None)],
        "next_cursor": null,
    });
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn pages_go_through_all_teams_once() {
    let api = Api::start().await;
    for team in ["c", "a", "d", "b", "e"] {
        api.publish(ranking(team, "s", NOON, 1, 0));
    }
    let mut teams = Vec::new();
    let mut path = "/v1/teams?limit=2".to_owned();
    loop {
        let page = api.json(&path).await;
        let items = page["items"].as_array().unwrap();
        assert!(!items.is_empty(), "an empty page");
        teams.extend(items.iter().map(|item| item["team"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/teams?limit=2&cursor={cursor}");
    }
    assert_eq!(teams, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn no_teams_are_an_empty_list() {
    let api = Api::start().await;
    assert_eq!(api.json("/v1/teams").await, json!({"items": [], "next_cursor": null}));
}
