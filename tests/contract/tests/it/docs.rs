//! `/docs` in a real browser: it shows every operation, runs nothing, and asks nobody else.

use std::sync::Arc;

use api::{ApiConfig, access::Access, history::History, router, store::Store};
use axum::{Router, response::Html, routing::get};
use kit::health::Health;
use serde_json::Value;
use tokio::{net::TcpListener, task::AbortHandle};

use crate::browser::{Opened, open};

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_shown_without_scripts_or_other_hosts() {
    let config = ApiConfig::default();
    let store = Arc::new(Store::new(config.teams_max, config.snapshots_kept_max));
    let history = History::new(clickhouse::Client::default(), &config);
    let access = Access::new(&config).expect("access to nothing yet");
    let state = router::AppState::new(store, history, access, Health::default());
    let served = Served::new(router::router(state, &config)).await;

    let Opened { dom, complaints, asked } = open(&served.url("/docs")).await;
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), [served.url("/docs")]);
    assert!(!dom.contains("<script"), "the page has a script");

    let document: Value = serde_json::from_slice(&router::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.values().flat_map(|methods| methods.as_object().unwrap().values());
    let missing: Vec<&str> = operations
        .map(|operation| operation["operationId"].as_str().unwrap())
        .filter(|id| !dom.contains(&format!("<section class=\"operation\" id=\"{id}\">")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for schema in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(dom.contains(&format!("<section id=\"schema-{schema}\">")), "{schema}");
    }
}

/// A page that does what ours must not: if this were not seen, nothing would be.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_runs_scripts_or_asks_others_is_found_out() {
    let other = Served::new(Router::new()).await;
    let page = format!("<!doctype html><img src=\"{}\"><script>nowhere()</script>", other.url("/x.png"));
    let served = Served::new(Router::new().route("/", get(async move || Html(page)))).await;
    let opened = open(&served.url("/")).await;
    assert!(opened.asked.contains(&other.url("/x.png")), "{:?}", opened.asked);
    assert!(opened.complaints.iter().any(|said| said.contains("nowhere is not defined")), "{:?}", opened.complaints);
}

struct Served {
    base: String,
    server: AbortHandle,
}

impl Served {
    async fn new(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        Self { base, server }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}
