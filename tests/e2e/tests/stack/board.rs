//! A team whose board has hundreds of launches: what became of one, and all teams side by side, is answered within a request's time.

use std::time::Duration;

use devstack::Role;
use domain::{
    foresight::foresight,
    history::{Logged, outcomes_at},
    ids::TeamId,
    time::Timestamp,
};
use e2e::EVENT_ROWS;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use testkit::{
    eventually::eventually,
    flywheel::Flywheel,
    record::{Described, produce},
};
use wire::topics::{CATALOG, REQUESTS, USAGE};

use crate::{ranking::now, world::logged};

const TEAM: &str = "board";
const LAUNCHES: usize = 240;
const ACCOUNTS: usize = 300;
const EVENTS: usize = 9_000;
const WRITTEN_MAX: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_hundreds_of_launches_is_answered_in_time() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::start(&stack).await;
    let now = now();
    let records = board(now);
    let log: Vec<Logged> = records.iter().map(|record| logged(record, now).expect("a valid event")).collect();
    produce(&stack, records);
    let client = testkit::clickhouse(&stack, Role::Ingest);
    eventually("every event is a row", WRITTEN_MAX, async || {
        let rows = client.query(EVENT_ROWS).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if rows == log.len() as u64 { Ok(()) } else { Err(format!("{rows} of {}", log.len())) }
    })
    .await;
    eventually("the team is published", WRITTEN_MAX, async || {
        let (status, _) = flywheel.get(&format!("/v1/teams/{TEAM}/rankings")).await;
        if status == 200 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;

    let judged = foresight(&outcomes_at(&log, &TeamId::parse(TEAM).expect("an id"), now));
    assert!(judged.launches > 100 && judged.share.is_some(), "{judged:?}");
    let (status, outcome) =
        flywheel.get(&format!("/v1/teams/{TEAM}/features/{}/outcome?as_of={now}", feature(7))).await;
    assert_eq!(status, 200, "{outcome}");
    assert_eq!(outcome["foresight"]["launches"], judged.launches);
    assert_eq!(outcome["foresight"]["in_order"], judged.in_order);

    let (status, portfolio) = flywheel.get(&format!("/v1/portfolio?as_of={now}")).await;
    assert_eq!(status, 200, "{portfolio}");
    let team = &portfolio["teams"][0];
    assert_eq!((&team["team"], &team["foresight"]), (&json!(TEAM), &outcome["foresight"]));
}

/// Requests, needs and uses over two years, and launches all along.
fn board(now: Timestamp) -> Vec<Described> {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut records = Vec::new();
    for number in 0..LAUNCHES {
        let (key, launched) = (format!("feature:{TEAM}/{}", feature(number)), random.random_range(1.0..720.0));
        for (status, age_days) in [("building", launched + 20.0), ("launched", launched)] {
            let data = json!({"team": TEAM, "feature": feature(number), "title": "L", "status": status});
            records.push(record(CATALOG, "feature.defined", &key, now.minus_days(age_days), &data, records.len()));
        }
    }
    for _ in 0..EVENTS {
        let account = format!("account-{}", random.random_range(0..ACCOUNTS));
        let mut data = json!({"team": TEAM, "feature": feature(random.random_range(0..LAUNCHES)), "account": account});
        let (topic, kind) = match random.random_range(0..4) {
            0 => {
                data["importance"] = json!("important");
                (REQUESTS, "request.stated")
            }
            1 => {
                data["signal"] = json!("full_scan");
                data["count"] = json!(1);
                (USAGE, "need.signaled")
            }
            _ => {
                data["operation"] = json!("query");
                data["count"] = json!(1);
                (USAGE, "usage.observed")
            }
        };
        let time = now.minus_days(random.random_range(0.0..800.0));
        records.push(record(topic, kind, &account, time, &data, records.len()));
    }
    records
}

fn record(topic: &str, kind: &str, key: &str, time: Timestamp, data: &Value, number: usize) -> Described {
    let headers = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", number.to_string()),
        ("ce_source", "//board".to_owned()),
        ("ce_type", format!("io.flywheel.{kind}.v1")),
        ("ce_time", time.to_rfc3339()),
        ("content-type", "application/json".to_owned()),
    ];
    Described {
        topic: topic.to_owned(),
        partition: Some(0),
        key: Some(key.to_owned()),
        headers: headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec(),
        payload: Some(data.to_string().into_bytes()),
    }
}

fn feature(number: usize) -> String {
    format!("feature-{number:03}")
}
