//! What is computed from ClickHouse: asked of it once however many ask, kept while it stands, bounded in time and number, and given up
//! when nobody waits for it any more.

mod slow;

use std::time::Duration;

use devstack::{Role, Stack};
use serde_json::{Value, json};
use testkit::{
    eventually::eventually,
    flywheel::Flywheel,
    record::{Described, produce},
};
use wire::topics::REQUESTS;

const SOON: Duration = Duration::from_secs(60);
const ASKERS: usize = 32;

#[tokio::test(flavor = "multi_thread")]
async fn what_many_ask_is_computed_once_and_kept_until_the_data_change() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::start(&stack).await;
    produce(&stack, (0..8).map(|account| stated(account, "2026-01-10T09:30:00Z")));
    announced(&stack, 8).await;
    eventually("the team has a ranking", SOON, async || match flywheel.get("/v1/teams/cold/rankings").await {
        (200, _) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;

    // A change that was announced a moment ago may be seen in the midst of a round, and makes two computations of it. The next
    // round has seen it.
    let mut second = 0;
    eventually("many askers make one computation", SOON, async || {
        second += 1;
        let path = format!("/v1/teams/cold/rankings?as_of=2026-02-01T00:00:{second:02}Z");
        let before = computed(&flywheel).await;
        let answers = futures::future::join_all((0..ASKERS).map(|_| flywheel.get(&path))).await;
        let (status, first) = &answers[0];
        assert_eq!(*status, 200, "{first}");
        if let Some(other) = answers.iter().find(|answer| **answer != answers[0]) {
            panic!("{first} and {other:?} answer the same question");
        }
        let computations = computed(&flywheel).await - before;
        if computations == 1.0 { Ok(()) } else { Err(format!("{computations} computations")) }
    })
    .await;

    let path = "/v1/teams/cold/rankings?as_of=2026-03-01T00:00:00Z";
    assert_eq!(requests(&flywheel.get(path).await.1), 8);
    produce(&stack, [stated(8, "2026-02-15T09:30:00Z")]);
    eventually("the answer has the new event", SOON, async || {
        let (_, answer) = flywheel.get(path).await;
        if requests(&answer) == 9 { Ok(()) } else { Err(answer.to_string()) }
    })
    .await;
}

/// The statement of one of some accounts.
fn stated(account: u32, time: &str) -> Described {
    let account = format!("account-{account}");
    let data = json!({"team": "cold", "feature": "sort-keys", "account": account, "importance": "critical"});
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", &account),
        ("ce_source", "//flywheel/tests/cold"),
        ("ce_type", "io.flywheel.request.stated.v1"),
        ("ce_time", time),
    ];
    Described {
        topic: REQUESTS.to_owned(),
        partition: None,
        key: Some(account.clone()),
        headers: headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec(),
        payload: Some(data.to_string().into_bytes()),
    }
}

/// Waits until ingest has said of so many of the team's rows that they are there.
async fn announced(stack: &Stack, rows: u64) {
    let client = testkit::clickhouse(stack, Role::Ranker);
    eventually("the rows are announced", SOON, async || {
        let query = client.query("SELECT sum(rows) FROM team_changes WHERE team = 'cold'");
        let announced = query.fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if announced == rows { Ok(()) } else { Err(announced.to_string()) }
    })
    .await;
}

fn requests(answer: &Value) -> u64 {
    answer["items"][0]["demand"]["requests"].as_u64().unwrap_or_default()
}

/// How many rankings the API has computed.
async fn computed(flywheel: &Flywheel) -> f64 {
    let metrics = flywheel.metrics().await;
    let of_rankings = |line: &&str| {
        line.starts_with("flywheel_api_computed_duration_seconds_count")
            && line.contains(r#"flywheel_question="ranking""#)
    };
    metrics.lines().filter(of_rankings).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
