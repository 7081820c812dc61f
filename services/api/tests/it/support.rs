//! An API on a port of its own, with rankings put straight into its store.

use std::{net::SocketAddr, sync::Arc};

use api::{
    ApiConfig,
    access::Access,
    history::History,
    published::Published,
    router::AppState,
    server,
    store::{Offered, Store},
};
use kit::health::Health;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use wire::ranking::{
    Confidence, Contributions, Demand, Item, Need, Outside, Parameters, Population, Ranking, Status, TierWeights,
};

pub(crate) struct Api {
    pub(crate) store: Arc<Store>,
    pub(crate) health: Health,
    pub(crate) access: Access,
    /// Cancelled, the server stops.
    pub(crate) stopping: CancellationToken,
    pub(crate) address: SocketAddr,
    pub(crate) base: String,
    client: reqwest::Client,
    server: JoinHandle<anyhow::Result<()>>,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Api {
    /// An API that has read all there is: nothing.
    pub(crate) async fn start() -> Self {
        Self::start_with(ApiConfig { snapshots_kept_max: 2, ..ApiConfig::default() }).await
    }

    pub(crate) async fn start_with(config: ApiConfig) -> Self {
        let api = Self::start_unloaded(config).await;
        api.store.set_loaded();
        api
    }

    pub(crate) async fn start_unloaded(config: ApiConfig) -> Self {
        let store = Arc::new(Store::new(config.teams_max, config.snapshots_kept_max));
        let health = Health::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let access = Access::new(&config).unwrap();
        let stopping = CancellationToken::new();
        let state = AppState::new(Arc::clone(&store), nowhere(&config), access.clone(), health.clone());
        let stop = stopping.clone();
        let server = tokio::spawn(async move { server::serve(listener, state, &config, stop).await });
        let base = format!("http://{address}");
        Self { store, health, access, stopping, address, base, client: reqwest::Client::new(), server }
    }

    /// Asks the server to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stopping.cancel();
        (&mut self.server).await.unwrap().unwrap();
    }

    pub(crate) fn publish(&self, ranking: Ranking) {
        assert_eq!(self.store.offer(Published::new(ranking).unwrap()), Offered::Taken);
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &[]).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// The JSON of a 200.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        let status = response.status();
        let body = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Status and problem of an error, without what differs from run to run.
    pub(crate) async fn problem(&self, path: &str) -> Value {
        let response = self.get(path).await;
        let status = response.status().as_u16();
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let mut problem: Value = response.json().await.unwrap();
        assert_eq!(problem["status"], status);
        let id = problem.as_object_mut().unwrap().remove("request_id");
        assert!(id.is_some_and(|id| id.as_str().is_some_and(|id| id.len() == 36)), "{path}");
        problem
    }
}

/// A history that nobody keeps: nothing listens at its address.
fn nowhere(config: &ApiConfig) -> History {
    History::new(clickhouse::Client::default().with_url("http://127.0.0.1:1"), config)
}

/// A ranking of `team` with features `f1` to `f<items>` to choose from and `l1` to `l<launched>` launched.
pub(crate) fn ranking(team: &str, snapshot: &str, as_of: &str, items: u32, launched: u32) -> Ranking {
    Ranking {
        team: team.to_owned(),
        segment: None,
        as_of: as_of.to_owned(),
        data_through: as_of.to_owned(),
        formula: "v1".to_owned(),
        snapshot: Some(snapshot.to_owned()),
        before_first_event: false,
        confidence: Confidence::Ok,
        parameters: Parameters {
            activity_window_days: 90.0,
            half_life_days: 90.0,
            need_window_days: 30.0,
            need_min_count: 1,
            demand_weight: 0.6,
            need_weight: 0.4,
            confidence: 0.95,
        },
        tier_weights: TierWeights::default(),
        population: Population { accounts: 100, used: 90, weight: 120.0, effective: 80.0 },
        items: (1..=items).map(|rank| item("f", rank, Status::Proposed)).collect(),
        iterate: (1..=launched).map(|rank| item("l", rank, Status::Launched)).collect(),
        sensitivity: None,
        merge_cycles: Vec::new(),
        next_cursor: None,
    }
}

fn item(prefix: &str, rank: u32, status: Status) -> Item {
    let feature = format!("{prefix}{rank}");
    Item {
        rank,
        rank_low: None,
        rank_high: None,
        tie_group: None,
        surely_above_next: None,
        title: feature.clone(),
        feature,
        status: Some(status),
        door: None,
        door_decision: None,
        effort_months: None,
        score_per_effort: None,
        score: 100.0 / f64::from(rank),
        contributions: Contributions { demand: 60.0 / f64::from(rank), need: 40.0 / f64::from(rank) },
        demand: Demand {
            share: 0.1,
            low: 0.05,
            high: 0.2,
            accounts: 15,
            requests: 17,
            outside: Outside { lapsed: 0, never_used: 0 },
        },
        need: Need { share: 0.2, low: 0.1, high: 0.3, accounts: 24, measured: true },
        reading: None,
        top_account_share: None,
        rank_change_7d: None,
    }
}

/// The ids of the features in a list of an answer.
pub(crate) fn features(answer: &Value, list: &str) -> Vec<String> {
    let items = answer[list].as_array().unwrap();
    items.iter().map(|item| item["feature"].as_str().unwrap().to_owned()).collect()
}
