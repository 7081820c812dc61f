//! What the client makes of an API's answers, over real HTTP.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use client::{Asked, Client, Error, Held, Kind, Limits, Question};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};
use wire::ranking::Ranking;

/// An API that gives these answers, one after the other, and keeps what it was asked.
struct Api {
    url: String,
    asked: Arc<Mutex<Vec<Request>>>,
    server: AbortHandle,
}

type Answers = Arc<Mutex<VecDeque<Response>>>;

impl Api {
    async fn with(answers: impl IntoIterator<Item = Response>) -> Self {
        let answers: Answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let asked = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state((answers, Arc::clone(&asked)));
        let server = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        Self { url, asked, server }
    }

    fn client(&self) -> Client {
        Client::new(&self.url, Some("fw_key"), Limits::default()).unwrap()
    }

    /// A header of each request.
    fn headers(&self, name: &str) -> Vec<Option<String>> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|asked| Some(asked.headers().get(name)?.to_str().unwrap().to_owned())).collect()
    }

    fn targets(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.uri().to_string()).collect()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State((answers, asked)): State<(Answers, Arc<Mutex<Vec<Request>>>)>, request: Request) -> Response {
    asked.lock().unwrap().push(request);
    answers.lock().unwrap().pop_front().expect("it is asked no more often than there are answers")
}

fn response(status: u16, headers: &[(&str, &str)], body: &Value) -> Response {
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body.to_string())).unwrap()
}

fn ranking(next_cursor: Option<&str>) -> Value {
    json!({"team": "storage", "segment": null, "as_of": "2026-01-01T00:00:00Z", "data_through": "2026-01-01T00:00:00Z",
        "formula": "v1", "snapshot": "s", "confidence": "insufficient",
        "parameters": {"activity_window_days": 90, "half_life_days": 90, "need_window_days": 30, "need_min_count": 1,
            "demand_weight": 0.6, "need_weight": 0.4, "confidence": 0.95, "of_a_newer_api": true},
        "population": {"accounts": 0, "used": 0, "weight": 0, "effective": 0}, "items": [], "iterate": [],
        "next_cursor": next_cursor, "of_a_newer_api": {}})
}

fn question() -> Question<Ranking> {
    Question::ranking(&"storage".parse().unwrap())
}

#[tokio::test]
async fn an_answer_of_a_newer_api_is_read_and_the_key_is_shown() {
    let api = Api::with([response(200, &[], &ranking(None))]).await;
    let ranking = api.client().ask(&question().with("segment", Some("a b&c"))).await.unwrap();
    assert_eq!(ranking.team, "storage");
    assert_eq!(api.targets(), ["/v1/teams/storage/rankings?segment=a+b%26c"]);
    assert_eq!(api.headers("authorization"), [Some("Bearer fw_key".to_owned())]);
}

#[tokio::test]
async fn a_snapshot_s_id_never_leaves_its_place_in_the_path() {
    let api = Api::with([response(200, &[], &ranking(None))]).await;
    api.client().ask(&Question::snapshot(&"storage".parse().unwrap(), "../x?y#z")).await.unwrap();
    assert_eq!(api.targets(), ["/v1/teams/storage/rankings/..%2Fx%3Fy%23z"]);
}

#[tokio::test]
async fn a_problem_says_its_kind_and_what_is_wrong() {
    let problem = json!({"type": "urn:flywheel:problem:invalid-parameters", "title": "Invalid parameters", "status": 400,
        "detail": "limit: takes a whole number", "errors": [{"parameter": "limit", "detail": "takes a whole number"}]});
    let api = Api::with([response(400, &[], &problem)]).await;
    let error = api.client().ask(&question()).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (Some(Kind::Invalid), "limit: takes a whole number"));
    let Error::Refused(problem) = error else { panic!("{error}") };
    assert_eq!(problem.errors[0].parameter, "limit");

    for (status, kind) in [(401, Kind::Denied), (404, Kind::Unknown), (504, Kind::NotNow), (302, Kind::Other)] {
        let api = Api::with([response(status, &[("location", "http://127.0.0.1:1/")], &json!("not a problem"))]).await;
        let error = api.client().ask(&question()).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (Some(kind), format!("HTTP status {status}")));
    }
}

#[tokio::test]
async fn an_api_that_says_when_to_come_back_is_asked_again_and_not_for_ever() {
    let later = || response(503, &[("retry-after", "0")], &json!({"detail": "too many requests"}));
    let api = Api::with([later(), later(), response(200, &[], &ranking(None))]).await;
    api.client().ask(&question()).await.unwrap();

    let api = Api::with([later(), later(), later()]).await;
    let error = api.client().ask(&question()).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (Some(Kind::NotNow), "too many requests"));

    let tomorrow = response(503, &[("retry-after", "86400")], &json!({}));
    let api = Api::with([tomorrow]).await;
    assert_eq!(api.client().ask(&question()).await.unwrap_err().kind(), Some(Kind::NotNow));
}

#[tokio::test]
async fn an_answer_that_stands_is_not_sent_again() {
    let first = response(200, &[("etag", "W/\"s1\"")], &ranking(None));
    let api = Api::with([first, response(304, &[], &Value::Null), response(500, &[], &Value::Null)]).await;
    let (client, mut held) = (api.client(), Held::new(question()));
    assert_eq!(client.ask_again(&mut held).await.unwrap(), Asked::Anew);
    assert_eq!(client.ask_again(&mut held).await.unwrap(), Asked::Same);
    assert!(client.ask_again(&mut held).await.is_err());
    assert_eq!(held.answer().map(|ranking| ranking.team.as_str()), Some("storage"));
    let etag = || Some("W/\"s1\"".to_owned());
    assert_eq!(api.headers("if-none-match"), [None, etag(), etag()]);
}

#[tokio::test]
async fn pages_follow_one_another_to_the_last_or_the_first_error() {
    let page = |next| response(200, &[], &ranking(next));
    let api = Api::with([page(Some("c1")), page(Some("c2")), page(None)]).await;
    let client = api.client();
    let pages: Vec<Ranking> = client.pages(&question().with("limit", Some(1))).try_collect().await.unwrap();
    assert_eq!(pages.len(), 3);
    let target = "/v1/teams/storage/rankings?limit=1";
    assert_eq!(api.targets(), [target.to_owned(), format!("{target}&cursor=c1"), format!("{target}&cursor=c2")]);

    let api = Api::with([page(Some("c1")), response(400, &[], &Value::Null)]).await;
    let client = api.client();
    let pages: Vec<_> = client.pages(&question()).collect().await;
    assert_eq!(pages.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn what_is_no_answer_says_why() {
    let api = Api::with([response(200, &[], &json!("<html>"))]).await;
    let error = api.client().ask(&question()).await.unwrap_err();
    assert!(matches!(&error, Error::Unreadable { what, .. } if what == "ranking of team `storage`"), "{error}");

    let api = Api::with([response(200, &[], &json!("long".repeat(100)))]).await;
    let limits = Limits { body_bytes_max: 99, ..Limits::default() };
    let error = Client::new(&api.url, None, limits).unwrap().ask(&question()).await.unwrap_err();
    assert!(matches!(error, Error::TooLong { bytes_max: 99 }), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::new(&url, None, Limits::default()).unwrap().ask(&question()).await.unwrap_err();
    assert!(error.to_string().contains(&url) && error.to_string().contains("refused"), "{error}");
}
