//! A board's requests end in rankings, every record is accounted for, and importing again changes no number.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use devstack::{Role, Stack};
use e2e::EVENT_ROWS;
use serde_json::Value;
use testkit::{
    eventually::eventually,
    flywheel::{Flywheel, succeed},
};

const CURRENT_MAX: Duration = Duration::from_secs(90);

/// A board from outside the repository, if the environment names one; otherwise our own, of invented records.
fn board() -> PathBuf {
    std::env::var_os("FLYWHEEL_TEST_BOARD")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/board.jsonl")), PathBuf::from)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_becomes_rankings_and_importing_it_again_changes_no_number() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::start(&stack).await;
    let lines = std::fs::read_to_string(board()).expect("the board is readable");
    let lines = lines.lines().filter(|line| !line.trim().is_empty()).count() as u64;

    let report = import(&stack).await;
    let refused = report["refused"].as_array().expect("a list").len() as u64;
    let left_out: u64 = report["left_out"].as_object().expect("a map").values().filter_map(Value::as_u64).sum();
    assert_eq!(report["read"], lines, "every line is read");
    assert_eq!(report["imported"].as_u64().unwrap() + left_out + refused, lines, "every record is accounted for");
    let sent = report["events"]["total"].as_u64().expect("a number");
    let (as_of, published) = current(&stack, &flywheel, &report, sent).await;
    // Of one instant, so that not even the seconds between the two imports make a difference.
    let first = rankings(&flywheel, &report, &as_of).await;
    for team in ["ecr", "ecs", "eks", "fargate"] {
        let items = first[team]["items"].as_array().expect("a list");
        assert!(!items.is_empty(), "{team} has a ranking");
        assert_eq!(first[team]["parameters"]["activity_window_days"], 3650.0);
        assert_eq!(first[team]["parameters"]["half_life_days"], 1095.0);
    }

    let again = import(&stack).await;
    assert_eq!(again, report, "the same file gives the same report");
    let (_, published_again) = current(&stack, &flywheel, &report, 2 * sent).await;
    // Of another api, which keeps no answer of before.
    let other = Flywheel::spawn(&stack, "api", &[]);
    other.ready().await;
    let second = rankings(&other, &report, &as_of).await;
    for (team, first) in &first {
        assert_eq!(first, &second[team], "{team}");
        assert_eq!(counts(&published[team]), counts(&published_again[team]), "{team}");
    }
}

async fn import(stack: &Stack) -> Value {
    let board = board();
    let printed = succeed(
        stack,
        &[
            "import",
            "requests",
            board.to_str().expect("a plain path"),
            "--activity-window-days",
            "3650",
            "--half-life-days",
            "1095",
            "--json",
        ],
    )
    .await;
    serde_json::from_str(&printed).expect("the report is JSON")
}

/// Waits until every imported team's ranking is computed from `rows` events: an instant after the last of them, and what was published.
async fn current(stack: &Stack, flywheel: &Flywheel, report: &Value, rows: u64) -> (String, BTreeMap<String, Value>) {
    let client = testkit::clickhouse(stack, Role::Ingest);
    let newest = eventually("every event is a row or a repeat", CURRENT_MAX, async || {
        let found = client.query(EVENT_ROWS).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        let now = client.query("SELECT toString(now64(6, 'UTC'))").fetch_one::<String>().await.expect("a clock");
        if found >= rows { Ok(now.replace(' ', "T")) } else { Err(format!("{found} of {rows}")) }
    })
    .await;
    let mut published = BTreeMap::new();
    for team in teams(report) {
        let ranking = eventually("the ranking is current", CURRENT_MAX, async || {
            let (status, body) = flywheel.get(&format!("/v1/teams/{team}/rankings?limit=200")).await;
            // RFC 3339 in UTC sorts as text.
            match body["data_through"].as_str() {
                Some(through) if status == 200 && through > newest.as_str() => Ok(body),
                through => Err(format!("{team} {status} {through:?}, waiting for {newest}")),
            }
        })
        .await;
        published.insert(team.clone(), ranking);
    }
    (format!("{newest}Z"), published)
}

/// Every imported team's ranking as of this instant.
async fn rankings(flywheel: &Flywheel, report: &Value, as_of: &str) -> BTreeMap<String, Value> {
    let mut rankings = BTreeMap::new();
    for team in teams(report) {
        let (status, body) = flywheel.get(&format!("/v1/teams/{team}/rankings?limit=200&as_of={as_of}")).await;
        assert_eq!(status, 200, "{team}: {body}");
        rankings.insert(team.clone(), body);
    }
    rankings
}

/// What no second changes: places and counts.
fn counts(ranking: &Value) -> Vec<String> {
    let items = ranking["items"].as_array().into_iter().chain(ranking["iterate"].as_array()).flatten();
    let mut counts: Vec<String> = items
        .map(|item| {
            let (demand, need) = (&item["demand"], &item["need"]);
            format!(
                "{} {} {} {} {} {}",
                item["rank"],
                item["feature"],
                demand["accounts"],
                demand["requests"],
                demand["outside"],
                need["accounts"]
            )
        })
        .collect();
    counts.push(ranking["population"].to_string());
    counts
}

fn teams(report: &Value) -> impl Iterator<Item = &String> {
    report["teams"].as_object().expect("a map").keys()
}
