//! The forms of an answer, chosen by `format` or `Accept`.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::{Api, ranking};

const PATH: &str = "/v1/teams/t/rankings";

async fn api() -> Api {
    let api = Api::start().await;
    let mut published = ranking("t", "s1", "2026-01-01T12:00:00Z", 2, 1);
    published.items[0].title = "=HYPERLINK(\"http://evil\")".to_owned();
    published.items[1].rank_change_7d = Some(-1);
    api.publish(published);
    api
}

/// Content type and body of a 200.
async fn answer(api: &Api, path: &str, accept: Option<&str>) -> (String, String) {
    let headers: Vec<_> = accept.map(|accept| ("accept", accept)).into_iter().collect();
    let response = api.send(Method::GET, path, &headers).await;
    assert_eq!(response.status(), StatusCode::OK, "{path} {accept:?}");
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    (content_type, response.text().await.unwrap())
}

fn lines(ndjson: &str) -> Vec<Value> {
    ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_sheet_has_a_header_and_a_row_for_each_feature_and_no_formulas() {
    let api = api().await;
    let (content_type, csv) = answer(&api, &format!("{PATH}?format=csv"), None).await;
    assert_eq!(content_type, "text/csv; charset=utf-8; header=present");
    let rows: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 4);
    assert!(rows[0].starts_with("team,segment,as_of,data_through,snapshot,confidence,list,rank,"), "{csv}");
    assert!(rows[1].starts_with("t,,2026-01-01T12:00:00Z,2026-01-01T12:00:00Z,s1,ok,items,1,"), "{csv}");
    assert!(rows[1].contains(",\"'=HYPERLINK(\"\"http://evil\"\")\","), "{csv}");
    assert!(rows[2].ends_with(",-1"), "{csv}");
    assert!(rows[3].contains(",iterate,1,"), "{csv}");
}

#[tokio::test]
async fn the_rows_are_the_same_in_every_form() {
    let api = api().await;
    let (rows_type, rows) = answer(&api, &format!("{PATH}?format=rows"), None).await;
    let (lines_type, ndjson) = answer(&api, PATH, Some("application/x-ndjson")).await;
    assert_eq!(
        (rows_type.as_str(), lines_type.as_str()),
        ("application/vnd.flywheel.rows+json", "application/x-ndjson")
    );
    let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
    assert_eq!(rows, lines(&ndjson));
    assert_eq!(rows.len(), 3);
    for row in &rows {
        let flat = row.as_object().unwrap().values().all(|value| !value.is_object() && !value.is_array());
        assert!(flat, "{row}");
    }
    let document = api.json(PATH).await;
    assert_eq!(rows[1]["score"], document["items"][1]["score"]);
    assert_eq!(rows[1]["demand_outside_lapsed"], document["items"][1]["demand"]["outside"]["lapsed"]);
    let (_, teams) = answer(&api, "/v1/teams?format=ndjson", None).await;
    assert_eq!(lines(&teams)[0], api.json("/v1/teams").await["items"][0]);
}

#[tokio::test]
async fn the_query_has_the_last_word() {
    let api = api().await;
    for (path, accept, expected) in [
        (PATH.to_owned(), None, "application/json"),
        (PATH.to_owned(), Some("*/*"), "application/json"),
        (PATH.to_owned(), Some("text/csv;q=0.9, application/json;q=0.8"), "text/csv; charset=utf-8; header=present"),
        (format!("{PATH}?format=json"), Some("text/csv"), "application/json"),
        (format!("{PATH}?format=json"), Some("text/html"), "application/json"),
        (format!("{PATH}/s1"), Some("application/x-ndjson"), "application/x-ndjson"),
    ] {
        assert_eq!(answer(&api, &path, accept).await.0, expected, "{path} {accept:?}");
    }
}

#[tokio::test]
async fn what_there_is_no_form_for_is_refused() {
    let api = api().await;
    for path in [PATH, "/v1/teams", "/v1/teams/t/rankings/s1", "/v1/teams/t/rankings/stream"] {
        let refused = api.send(Method::GET, path, &[("accept", "text/html")]).await;
        assert_eq!(refused.status(), StatusCode::NOT_ACCEPTABLE, "{path}");
        assert_eq!(refused.headers()["content-type"], "application/problem+json");
        assert_eq!(refused.json::<Value>().await.unwrap()["type"], "urn:flywheel:problem:not-acceptable");
    }
    let problem = api.problem(&format!("{PATH}?format=xml&limit=0")).await;
    let named: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| &error["parameter"]).collect();
    assert_eq!(named, ["format", "limit"]);
    assert_eq!(api.problem(&format!("{PATH}/stream?format=csv")).await["errors"][0]["parameter"], "format");
}

#[tokio::test]
async fn a_link_leads_to_the_next_page_in_any_form() {
    let api = api().await;
    for format in ["json", "csv", "ndjson", "rows"] {
        let mut path = format!("{PATH}?limit=2&format={format}");
        let mut pages = 0;
        loop {
            let response = api.get(&path).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            pages += 1;
            let Some(link) = response.headers().get("link") else { break };
            let (target, relation) = link.to_str().unwrap().split_once(">; ").unwrap();
            assert_eq!(relation, "rel=\"next\"");
            path = target.strip_prefix('<').unwrap().to_owned();
            assert!(path.contains(&format!("limit=2&format={format}&cursor=")), "{path}");
        }
        assert_eq!(pages, 2, "{format}");
    }
}
