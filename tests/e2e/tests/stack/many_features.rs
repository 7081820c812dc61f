//! A team with ten thousand names of features is ranked like any other.

use std::time::Duration;

use devstack::Role;
use domain::{
    history::{Logged, facts_at},
    ids::TeamId,
    ranking::rank,
    time::Timestamp,
};
use serde_json::{Value, json};
use store::Store;
use testkit::{
    eventually::eventually,
    flywheel::Flywheel,
    record::{Described, produce},
};
use wire::topics::{CATALOG, REQUESTS, USAGE};

use crate::{ranking::now, world::logged};

const TEAM: &str = "broad";
const FEATURES: usize = 10_000;
/// So many of them are merged into the first, and so many are launched.
const MERGED: usize = 4_000;
const LAUNCHED: usize = 1_500;
const ACCOUNTS: usize = 40;
const PUBLISHED_MAX: Duration = Duration::from_secs(120);
const QUERY_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_team_with_ten_thousand_names_of_features_is_ranked() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::start(&stack).await;
    let now = now();
    let records: Vec<Described> = (0..FEATURES).flat_map(|number| events(number, now)).collect();
    let log: Vec<Logged> = records.iter().map(|record| logged(record, now).expect("a valid event")).collect();
    produce(&stack, records);

    let (first, last) = (feature(0), feature(FEATURES - 1));
    let published = eventually("everything is in the published ranking", PUBLISHED_MAX, async || {
        let (status, evidence) = flywheel.get(&format!("/v1/teams/{TEAM}/features/{first}")).await;
        let requests = evidence["item"]["demand"]["requests"].as_u64();
        if requests == Some(MERGED as u64) { Ok(evidence) } else { Err(format!("{status}: {requests:?}")) }
    })
    .await;
    assert_eq!(published["merged"].as_array().map(Vec::len), Some(MERGED));
    assert!(published["snapshot"].is_string(), "it was published");
    for path in [format!("features/{last}"), format!("features/{}/outcome", feature(FEATURES - LAUNCHED))] {
        let (status, answer) = flywheel.get(&format!("/v1/teams/{TEAM}/{path}")).await;
        assert!(status == 200 || answer["type"] == "urn:flywheel:problem:too-much", "{path}: {status} {answer}");
    }
    drop(flywheel);

    let store = Store::new(testkit::clickhouse(&stack, Role::Ranker), QUERY_MAX);
    let team = TeamId::parse(TEAM).expect("an id");
    let facts = facts_at(&log, &team, now);
    let (found, expected) = (store.ranking(&team, now, None).await.expect("a ranking"), rank(&facts, None));
    assert_eq!(found.population, expected.population);
    let numbers = |ranking: &domain::ranking::Ranking| -> Vec<(String, u64, u64, u64)> {
        let items = ranking.items.iter().chain(&ranking.iterate);
        items
            .map(|item| (item.feature.to_string(), item.demand.accounts, item.demand.requests, item.need.accounts))
            .collect()
    };
    assert_eq!((found.items.len(), found.iterate.len()), (FEATURES - MERGED - LAUNCHED + 1, LAUNCHED));
    let (mut found, mut expected) = (numbers(&found), numbers(&expected));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    // Facts name the launched features too.
    assert_eq!(store.facts(&team, now).await.expect("facts").known, facts.known);
    assert_eq!(store.wanted(&team, now).await.expect("who wanted").len(), LAUNCHED);
}

/// What is said of one feature: a request, before its launch and after it, a need signal, and what the catalog makes of it.
fn events(number: usize, now: Timestamp) -> Vec<Described> {
    let (feature, account) = (feature(number), format!("account-{}", number % ACCOUNTS));
    let about = |more: Value| {
        let mut data = json!({"team": TEAM, "feature": feature});
        data.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        data
    };
    let stated = about(json!({"account": account, "importance": "important"}));
    let mut events = vec![(REQUESTS, "request.stated", account.clone(), 3.0, stated.clone())];
    if number.is_multiple_of(7) {
        let needed = about(json!({"account": account, "signal": "full_scan", "count": 1}));
        events.push((USAGE, "need.signaled", account.clone(), 2.0, needed));
    }
    let key = format!("feature:{TEAM}/{feature}");
    if (1..MERGED).contains(&number) {
        let merged = about(json!({"title": "M", "status": "proposed", "merged_into": self::feature(0)}));
        events.push((CATALOG, "feature.defined", key, 10.0, merged));
    } else if number >= FEATURES - LAUNCHED {
        let launched = about(json!({"title": "L", "status": "launched"}));
        events.push((CATALOG, "feature.defined", key, 2.5, launched));
        events.push((REQUESTS, "request.stated", account, 1.0, stated));
    }
    let events = events.into_iter().zip(0..).map(|((topic, kind, key, age_days, data), at)| {
        let headers = [
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", format!("{number}-{at}")),
            ("ce_source", "//broad".to_owned()),
            ("ce_type", format!("io.flywheel.{kind}.v1")),
            ("ce_time", now.minus_days(age_days).to_rfc3339()),
            ("content-type", "application/json".to_owned()),
        ];
        Described {
            topic: topic.to_owned(),
            partition: Some(0),
            key: Some(key),
            headers: headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec(),
            payload: Some(data.to_string().into_bytes()),
        }
    });
    events.collect()
}

/// As long as names of features often are.
fn feature(number: usize) -> String {
    format!("a-feature-that-some-customer-named-{number:05}")
}
