//! Asking again: entity tags, and how long an answer may be kept.

use reqwest::{Method, Response, StatusCode};

use crate::support::{Api, ranking};

const NOON: &str = "2026-01-01T12:00:00Z";

fn tag(response: &Response) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_another_answer_has_another_tag() {
    let api = Api::start().await;
    api.publish(ranking("t", "s1", NOON, 4, 0));
    let mut tags = Vec::new();
    for query in ["", "?limit=1", "?limit=2", "?format=csv", "?format=ndjson", "?format=rows"] {
        tags.push(tag(&api.get(&format!("/v1/teams/t/rankings{query}")).await));
    }
    for (at, tag) in tags.iter().enumerate() {
        assert!(!tags[..at].contains(tag), "{tags:?}");
    }
    // The same answer has the same, whichever way it was asked for.
    for query in ["?limit=4", "?limit=200", "?format=json"] {
        assert_eq!(tag(&api.get(&format!("/v1/teams/t/rankings{query}")).await), tags[0]);
    }
    let csv =
        api.send(Method::GET, "/v1/teams/t/rankings", &[("accept", "text/csv"), ("if-none-match", &tags[0])]).await;
    assert_eq!(csv.status(), StatusCode::OK);
    assert_eq!(tag(&csv), tags[3]);
}

#[tokio::test]
async fn how_far_the_data_reach_changes_no_tag() {
    let api = Api::start().await;
    let mut published = ranking("t", "s1", NOON, 2, 0);
    api.publish(published.clone());
    let before = tag(&api.get("/v1/teams").await);
    published.data_through = "2026-01-01T12:00:09Z".to_owned();
    api.publish(published.clone());
    assert_eq!(tag(&api.get("/v1/teams").await), before);
    let kept = api.send(Method::GET, "/v1/teams", &[("if-none-match", &before)]).await;
    assert_eq!((kept.status(), kept.text().await.unwrap().as_str()), (StatusCode::NOT_MODIFIED, ""));
    published.items.pop();
    api.publish(published);
    assert_ne!(tag(&api.get("/v1/teams").await), before);
}

#[tokio::test]
async fn a_snapshot_may_be_kept_for_ever_and_what_is_current_only_by_asking() {
    let api = Api::start().await;
    api.publish(ranking("t", "s1", NOON, 2, 0));
    for (path, cache) in [
        ("/v1/teams/t/rankings/s1", "private, max-age=31536000, immutable"),
        ("/v1/teams/t/rankings", "private, no-cache"),
        ("/v1/teams", "private, no-cache"),
    ] {
        let answer = api.get(path).await;
        assert_eq!(answer.headers()["cache-control"], cache, "{path}");
        let varies = answer
            .headers()
            .get_all("vary")
            .iter()
            .any(|vary| vary.to_str().unwrap() == "accept, accept-encoding, authorization");
        assert!(varies, "{path}");
        let again = api.send(Method::GET, path, &[("if-none-match", &tag(&answer))]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!(
            again.headers()["vary"],
            answer.headers()["vary"],
            "{path}: a 304 says what the answer would (RFC 9110, 15.4.5)"
        );
        assert_eq!(again.headers()["cache-control"], cache, "{path}");
        assert_eq!(again.headers()["etag"], tag(&answer).as_str());
    }
    let problem = api.get("/v1/teams/t/rankings?limit=0").await;
    assert_eq!(problem.headers()["cache-control"], "no-store");
    assert!(!problem.headers().contains_key("etag"));
}
