//! An API whose ClickHouse is slow: the server itself holds its questions back.

use std::{sync::Arc, time::Duration};

use api::{
    ApiConfig,
    access::Access,
    history::History,
    published::Published,
    router::{AppState, router},
    store::Store,
};
use devstack::{Role, Stack};
use kit::health::Health;
use serde_json::{Value, json};
use testkit::eventually::eventually;
use tokio::{net::TcpListener, task::JoinHandle};

const SOON: Duration = Duration::from_secs(30);
/// Reading these takes a slow server longer than any test waits.
const ROWS: u64 = 600_000;

/// It asks as ingest's user does, who may look which of its questions are at work; what that user may not read comes after the
/// question that is slow.
struct Slow {
    base: String,
    http: reqwest::Client,
    client: clickhouse::Client,
    server: JoinHandle<()>,
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Slow {
    async fn start(stack: &Stack, config: ApiConfig) -> Self {
        let client = testkit::clickhouse(stack, Role::Ingest);
        fill(&client).await;
        // Some 50 s for each question that reads the times of all rows, and news of its progress more than once a second.
        let slow = [
            ("max_local_read_bandwidth", "100000"),
            ("max_read_buffer_size_local_fs", "4096"),
            ("max_block_size", "8192"),
            ("max_threads", "1"),
        ];
        let slow = slow.iter().fold(client.clone(), |client, (name, value)| client.with_setting(*name, *value));
        let store = Arc::new(Store::new(config.teams_max, config.snapshots_kept_max));
        store.offer(Published::new(ranking()).expect("a ranking"));
        store.set_loaded();
        let state = AppState::new(
            store,
            History::new(slow, &config),
            Access::new(&config).expect("no keys"),
            Health::default(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        let router = router(state, &config);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { base, http: reqwest::Client::new(), client, server }
    }

    /// Asks for the ranking as of that second. Whoever drops this leaves.
    fn ask(&self, second: u32) -> Asker {
        let request =
            self.http.get(format!("{}/v1/teams/slow/rankings?as_of=2026-03-01T00:00:{second:02}Z", self.base));
        Asker(tokio::spawn(async move {
            let response = request.send().await.expect("the API answers");
            let (status, retry) = (response.status().as_u16(), response.headers().contains_key("retry-after"));
            (status, retry, response.json().await.expect("JSON"))
        }))
    }

    /// How long each of the API's slow questions may take, by what the server holds of them.
    async fn at_work(&self) -> Vec<f64> {
        let query = "SELECT toFloat64(Settings['max_execution_time']) FROM system.processes
            WHERE query LIKE '%needed%' AND query NOT LIKE '%system.processes%' AND elapsed > 0.1";
        self.client.query(query).fetch_all().await.expect("the server tells")
    }

    async fn until_at_work(&self, questions: usize) -> Vec<f64> {
        eventually("so many questions are at work", SOON, async || match self.at_work().await {
            found if found.len() == questions => Ok(found),
            found => Err(format!("{} of {questions}", found.len())),
        })
        .await
    }
}

/// A request under way; its client leaves when this goes.
struct Asker(JoinHandle<(u16, bool, Value)>);

impl Asker {
    async fn answer(mut self) -> (u16, bool, Value) {
        (&mut self.0).await.expect("it is answered")
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_given_up_when_the_last_who_asked_it_leaves_and_not_before() {
    let stack = testkit::migrated_stack().await;
    let slow = Slow::start(&stack, ApiConfig { request_ms_max: 60_000, ..ApiConfig::default() }).await;
    let askers: Vec<Asker> = (0..20).map(|_| slow.ask(0)).collect();
    // A ranking is computed together with that of a week earlier.
    slow.until_at_work(2).await;
    let mut askers = askers.into_iter();
    let last = askers.next_back();
    drop(askers);
    // By then the server has seen that the others are gone: it learns of a client that leaves while it works.
    let stranger = slow.ask(1);
    slow.until_at_work(4).await;
    drop(stranger);
    slow.until_at_work(2).await;
    drop(last);
    slow.until_at_work(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_take_longer_than_a_request_may_is_a_504_and_leaves_no_work_behind() {
    let stack = testkit::migrated_stack().await;
    let slow = Slow::start(&stack, ApiConfig { request_ms_max: 4_000, ..ApiConfig::default() }).await;
    let asker = slow.ask(0);
    for seconds in slow.until_at_work(2).await {
        assert!(seconds > 0.0 && seconds <= 3.6, "the server was told to work for {seconds} s");
    }
    let (status, _, problem) = asker.answer().await;
    assert_eq!((status, &problem["type"]), (504, &json!("urn:flywheel:problem:timeout")), "{problem}");
    slow.until_at_work(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_even_wait_is_told_to_come_back() {
    let stack = testkit::migrated_stack().await;
    let config = ApiConfig {
        computed_in_flight_max: 1,
        computed_waiting_max: 1,
        request_ms_max: 60_000,
        ..ApiConfig::default()
    };
    let slow = Slow::start(&stack, config).await;
    let computing = slow.ask(0);
    slow.until_at_work(2).await;
    // Of two more questions one waits, whichever comes first, and the other is refused.
    let (first, second) = (slow.ask(1), slow.ask(2));
    let (status, retry, problem) = tokio::select! {
        refused = first.answer() => refused,
        refused = second.answer() => refused,
    };
    assert_eq!((status, retry, &problem["type"]), (503, true, &json!("urn:flywheel:problem:overloaded")), "{problem}");
    // What is computed already may be joined all the same.
    let joined = slow.ask(0);
    drop(computing);
    slow.until_at_work(2).await;
    drop(joined);
    slow.until_at_work(0).await;
}

/// Rows enough to be slow, of a team whose input is read to its end.
async fn fill(client: &clickhouse::Client) {
    let statements = [
        "INSERT INTO ingest_progress SELECT arrayJoin(['flywheel.requests.v1', 'flywheel.usage.v1', 'flywheel.catalog.v1']), 0, 1, now64(3)",
        "INSERT INTO requests SELECT 0, number, now64(3), '//flywheel/tests/slow', toString(number),
            fromUnixTimestamp64Micro(toInt64(1768435200000000 - rand64() % 1000000000000)), 'slow', 'sort-keys', toString(number % 99991), 'critical', '', '' FROM numbers({rows:UInt64})",
    ];
    for statement in statements {
        client.query(statement).param("rows", ROWS).execute().await.expect("rows");
    }
}

/// What the API must hold of a team to know it.
fn ranking() -> wire::ranking::Ranking {
    let ranking = json!({
        "team": "slow", "segment": null, "as_of": "2026-03-01T00:00:00Z", "data_through": "2026-03-01T00:00:00Z", "formula": "v1",
        "snapshot": "s", "confidence": "insufficient",
        "parameters": {"activity_window_days": 90.0, "half_life_days": 90.0, "need_window_days": 30.0, "need_min_count": 1,
            "demand_weight": 0.6, "need_weight": 0.4, "confidence": 0.95},
        "population": {"accounts": 0, "used": 0, "weight": 0.0, "effective": 0.0},
        "items": [], "iterate": [], "next_cursor": null,
    });
    serde_json::from_value(ranking).expect("a ranking")
}
