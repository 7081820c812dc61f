//! `/v1/teams/{team}/features/{feature}`

use reqwest::{Method, StatusCode};

use crate::support::{Api, ranking};

const NOON: &str = "2026-01-01T12:00:00Z";

#[tokio::test]
async fn the_evidence_is_that_of_the_ranking() {
    let api = Api::start().await;
    let published = serde_json::to_value(ranking("t", "s1", NOON, 2, 2)).unwrap();
    api.publish(ranking("t", "s1", NOON, 2, 2));
    for (feature, listed, place) in [("f2", "items", 1), ("l1", "iterate", 0)] {
        let evidence = api.json(&format!("/v1/teams/t/features/{feature}")).await;
        assert_eq!(evidence["listed"], listed);
        assert_eq!(evidence["feature"], feature);
        assert_eq!(evidence["item"], published[listed][place]);
        for shared in ["team", "segment", "as_of", "data_through", "formula", "snapshot", "parameters", "population"] {
            assert_eq!(evidence[shared], published[shared], "{shared}");
        }
    }
}

#[tokio::test]
async fn the_evidence_has_a_tag_of_its_own() {
    let api = Api::start().await;
    api.publish(ranking("t", "s1", NOON, 2, 0));
    let etag = api.get("/v1/teams/t/features/f1").await.headers()["etag"].to_str().unwrap().to_owned();
    let ask = async |path| api.send(Method::GET, path, &[("if-none-match", &etag)]).await.status();
    assert_eq!(ask("/v1/teams/t/features/f1").await, StatusCode::NOT_MODIFIED);
    assert_eq!(ask("/v1/teams/t/features/f2").await, StatusCode::OK);
}
