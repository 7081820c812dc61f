//! What the tool makes of the API's answers, over real HTTP.

use axum::{Router, http::StatusCode, routing::get};
use tokio::net::TcpListener;

use wire::ranking::Ranking;

use super::{
    Question,
    client::{Answer, Client},
};

/// An API that gives one answer; its address.
async fn api(status: StatusCode, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/v1/teams/storage/rankings", get(move || async move { (status, body) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/")
}

fn question() -> Question {
    Question::new("/v1/teams/storage/rankings".to_owned(), "ranking of team `storage`".to_owned())
}

async fn ask(status: StatusCode, body: &'static str) -> Answer<Ranking> {
    Client::new(&api(status, body).await, question()).unwrap().ask().await
}

#[tokio::test]
async fn a_ranking_is_read() {
    let body = r#"{"team":"storage","segment":null,"as_of":"2026-01-01T00:00:00Z","data_through":"2026-01-01T00:00:00Z",
        "formula":"v1","snapshot":"s","confidence":"insufficient",
        "parameters":{"activity_window_days":90,"half_life_days":90,"need_window_days":30,"need_min_count":1,"demand_weight":0.6,"need_weight":0.4,"confidence":0.95},
        "population":{"accounts":0,"used":0,"weight":0,"effective":0},"items":[],"iterate":[],"next_cursor":null}"#;
    assert!(matches!(ask(StatusCode::OK, body).await, Answer::Found(ranking) if ranking.team == "storage"));
}

#[tokio::test]
async fn an_unknown_team_is_worth_waiting_for() {
    assert!(matches!(ask(StatusCode::NOT_FOUND, "").await, Answer::Unknown(why) if why.contains("`storage`")));
}

#[tokio::test]
async fn an_api_that_is_not_ready_is_worth_waiting_for_and_says_why() {
    let body = r#"{"title":"Not ready","detail":"Kafka is away"}"#;
    assert!(
        matches!(ask(StatusCode::SERVICE_UNAVAILABLE, body).await, Answer::Away(why) if why.contains("Kafka is away"))
    );
}

#[tokio::test]
async fn an_api_that_is_not_there_is_worth_waiting_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let answer = Client::new(&url, question()).unwrap().ask::<Ranking>().await;
    assert!(matches!(answer, Answer::Away(why) if why.contains(&url) && why.contains("refused")));
}

#[tokio::test]
async fn what_is_no_ranking_is_not_asked_for_again() {
    assert!(matches!(ask(StatusCode::OK, "<html>").await, Answer::Refused(_)));
    assert!(matches!(ask(StatusCode::UNAUTHORIZED, "").await, Answer::Refused(why) if why.contains("401")));
}

#[test]
fn a_wrong_address_is_refused_before_anything_is_sent() {
    for api in ["ftp://127.0.0.1", "127.0.0.1:8080", ""] {
        assert!(Client::new(api, question()).is_err(), "{api}");
    }
}
