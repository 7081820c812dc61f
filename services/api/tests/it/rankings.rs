//! `/v1/teams/{team}/rankings`

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::{Api, features, ranking};

const NOON: &str = "2026-01-01T12:00:00Z";
const LATER: &str = "2026-01-01T12:00:01Z";
const LATEST: &str = "2026-01-01T12:00:02Z";

#[tokio::test]
async fn the_answer_is_the_ranking_as_it_was_published() {
    let api = Api::start().await;
    let published = ranking("dynamodb", "s1", NOON, 3, 1);
    api.publish(published.clone());
    let response = api.get("/v1/teams/dynamodb/rankings").await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "private, no-cache");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer, serde_json::to_value(published).unwrap());
}

#[tokio::test]
async fn pages_go_through_both_lists_once() {
    let api = Api::start().await;
    api.publish(ranking("t", "s1", NOON, 5, 4));
    let (mut items, mut iterate, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    let mut path = "/v1/teams/t/rankings?limit=2".to_owned();
    loop {
        let page = api.json(&path).await;
        items.extend(features(&page, "items"));
        iterate.extend(features(&page, "iterate"));
        sizes.push(features(&page, "items").len() + features(&page, "iterate").len());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/teams/t/rankings?limit=2&cursor={cursor}");
    }
    assert_eq!(items, ["f1", "f2", "f3", "f4", "f5"]);
    assert_eq!(iterate, ["l1", "l2", "l3", "l4"]);
    assert_eq!(sizes, [2, 2, 2, 2, 1]);
}

#[tokio::test]
async fn a_page_holds_fifty_unless_asked_for_up_to_two_hundred() {
    let api = Api::start().await;
    api.publish(ranking("t", "s1", NOON, 300, 0));
    for (query, size) in [("", 50), ("?limit=1", 1), ("?limit=50", 50), ("?limit=200", 200)] {
        let page = api.json(&format!("/v1/teams/t/rankings{query}")).await;
        assert_eq!(features(&page, "items").len(), size, "{query}");
        assert!(page["next_cursor"].is_string());
    }
}

#[tokio::test]
async fn a_walk_stays_on_its_snapshot_and_ends_when_that_is_gone() {
    let api = Api::start().await;
    api.publish(ranking("t", "s1", NOON, 4, 0));
    let first = api.json("/v1/teams/t/rankings?limit=2").await;
    let next = format!("/v1/teams/t/rankings?limit=2&cursor={}", first["next_cursor"].as_str().unwrap());

    api.publish(ranking("t", "s2", LATER, 1, 0));
    let second = api.json(&next).await;
    assert_eq!((&second["snapshot"], &second["as_of"]), (&"s1".into(), &NOON.into()));
    assert_eq!(features(&second, "items"), ["f3", "f4"]);

    // The support keeps two snapshots.
    api.publish(ranking("t", "s3", LATEST, 1, 0));
    let gone = api.problem(&next).await;
    assert_eq!(gone["status"], 400);
    assert_eq!(gone["errors"][0]["parameter"], "cursor");
    assert!(gone["detail"].as_str().unwrap().contains("start again"), "{gone}");
}

#[tokio::test]
async fn a_reader_who_has_the_answer_gets_a_304() {
    let api = Api::start().await;
    api.publish(ranking("t", "s1", NOON, 4, 0));
    let path = "/v1/teams/t/rankings";
    let etag = api.get(path).await.headers()["etag"].to_str().unwrap().to_owned();
    for named in [etag.clone(), format!("\"other\", {etag}"), etag.replace("W/", ""), "*".to_owned()] {
        let response = api.send(Method::GET, path, &[("if-none-match", &named)]).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{named}");
        assert_eq!(response.headers()["etag"], etag);
        assert_eq!(response.text().await.unwrap(), "");
    }
    let other_page = api.send(Method::GET, &format!("{path}?limit=2"), &[("if-none-match", &etag)]).await;
    assert_eq!(other_page.status(), StatusCode::OK);
    api.publish(ranking("t", "s2", LATER, 4, 0));
    let changed = api.send(Method::GET, path, &[("if-none-match", &etag)]).await;
    assert_eq!(changed.status(), StatusCode::OK);
}
