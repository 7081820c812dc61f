//! Every error is a problem that names what is wrong.

use api::ApiConfig;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::{Api, ranking};

async fn api() -> Api {
    let api = Api::start().await;
    api.publish(ranking("dynamodb", "s1", "2026-01-01T12:00:00Z", 3, 0));
    api
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let api = api().await;
    insta::assert_json_snapshot!("unknown_path", api.problem("/v2/teams").await);
    insta::assert_json_snapshot!("unknown_team", api.problem("/v1/teams/dynamo/rankings").await);
    insta::assert_json_snapshot!("unknown_team_of_feature", api.problem("/v1/teams/dynamo/features/f1").await);
}

#[tokio::test]
async fn wrong_parameters_are_named_all_at_once_with_what_they_take() {
    let api = api().await;
    let wrong =
        "/v1/teams/dynamodb/rankings?limit=0&cursor=nonsense&asof=2026-01-01T00:00:00Z&as_of=now&need_weight=2&limit=3";
    insta::assert_json_snapshot!("wrong_parameters", api.problem(wrong).await);
    insta::assert_json_snapshot!("unknown_parameters", api.problem("/v1/teams/dynamodb/features/f1?at=now").await);
    insta::assert_json_snapshot!("wrong_ids", api.problem("/v1/teams/Dynamo%20DB/features/a%2Fb").await);
    for path in [
        "/v1/teams/%FF/rankings",
        "/v1/teams?limit=201",
        "/v1/teams?limit=-1",
        "/v1/teams?limit=1e1",
        "/v1/teams?limit=",
    ] {
        assert_eq!(api.problem(path).await["type"], "urn:flywheel:problem:invalid-parameters", "{path}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let api = api().await;
    api.publish(ranking("lambda", "s1", "2026-01-01T12:00:00Z", 3, 0));
    let of_ranking = api.json("/v1/teams/dynamodb/rankings?limit=1").await["next_cursor"].clone();
    let of_teams = api.json("/v1/teams?limit=1").await["next_cursor"].clone();
    let paths = [
        format!("/v1/teams?cursor={}", of_ranking.as_str().unwrap()),
        format!("/v1/teams/dynamodb/rankings?cursor={}", of_teams.as_str().unwrap()),
    ];
    for path in paths {
        let problem = api.problem(&path).await;
        assert_eq!((&problem["status"], &problem["errors"][0]["parameter"]), (&400.into(), &"cursor".into()), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_names_the_right_ones() {
    let api = api().await;
    for path in ["/v1/teams", "/v1/teams/dynamodb/rankings", "/livez", "/openapi.json"] {
        let response = api.send(Method::POST, path, &[]).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "GET,HEAD");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["type"], "urn:flywheel:problem:method-not-allowed");
    }
    let head = api.send(Method::HEAD, "/v1/teams/dynamodb/rankings", &[]).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert!(head.headers().contains_key("etag"));
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    let api = api().await;
    let long = api.problem(&format!("/v1/teams?cursor={}", "x".repeat(9_000))).await;
    assert_eq!((&long["status"], &long["type"]), (&414.into(), &"urn:flywheel:problem:uri-too-long".into()));
    let announced = api.send(Method::GET, "/v1/teams", &[("content-length", "100000000")]).await;
    assert_eq!(announced.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(announced.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn before_the_rankings_are_read_nothing_is_said_to_be_unknown() {
    let api = Api::start_unloaded(ApiConfig::default()).await;
    api.publish(ranking("t", "s1", "2026-01-01T12:00:00Z", 3, 0));
    for path in ["/v1/teams", "/v1/teams/t/rankings", "/v1/teams/other/rankings", "/v1/teams/t/features/f1"] {
        let problem = api.problem(path).await;
        assert_eq!(
            (&problem["status"], &problem["type"]),
            (&503.into(), &"urn:flywheel:problem:loading".into()),
            "{path}"
        );
        assert_eq!(api.get(path).await.headers()["retry-after"], "1");
    }
    api.store.set_loaded();
    assert_eq!(api.get("/v1/teams/t/rankings").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_request_id_comes_back_if_it_is_fit_to_log() {
    let api = api().await;
    let given = api.send(Method::GET, "/v2", &[("x-request-id", "order-66")]).await;
    assert_eq!(given.headers()["x-request-id"], "order-66");
    assert_eq!(given.json::<Value>().await.unwrap()["request_id"], "order-66");
    let long = "x".repeat(129);
    for unfit in ["two words", long.as_str()] {
        let replaced = api.send(Method::GET, "/v2", &[("x-request-id", unfit)]).await;
        assert_eq!(replaced.headers()["x-request-id"].len(), 36, "{unfit}");
    }
}

/// What is current is answered from memory; only what is computed for the question needs ClickHouse.
#[tokio::test]
async fn without_clickhouse_only_what_is_computed_has_no_answer() {
    let api = api().await;
    assert_eq!(api.get("/v1/teams/dynamodb/rankings").await.status(), StatusCode::OK);
    assert_eq!(api.get("/v1/teams/dynamodb/rankings/s1").await.status(), StatusCode::OK);
    for path in [
        "/v1/teams/dynamodb/rankings?as_of=2026-01-01T00:00:00Z",
        "/v1/teams/dynamodb/rankings?segment=retail",
        "/v1/teams/dynamodb/rankings?demand_weight=0.5",
        "/v1/teams/dynamodb/rankings/20251231T120000Z-000000000000",
        "/v1/teams/dynamodb/rankings/diff?from=2026-01-01T00:00:00Z",
        "/v1/teams/dynamodb/features/f1",
        "/v1/teams/dynamodb/features/f1/history",
        "/v1/teams/dynamodb/features/f1/outcome",
        "/v1/portfolio",
    ] {
        let problem = api.problem(path).await;
        assert_eq!(
            (&problem["status"], &problem["type"]),
            (&503.into(), &"urn:flywheel:problem:history-away".into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_snapshot_that_no_ranking_can_have_is_unknown() {
    let api = api().await;
    let problem = api.problem("/v1/teams/dynamodb/rankings/nonsense").await;
    assert_eq!((&problem["status"], &problem["type"]), (&404.into(), &"urn:flywheel:problem:unknown-snapshot".into()));
}
