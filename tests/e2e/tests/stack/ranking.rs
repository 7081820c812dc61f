//! What the API answers is what the pure function computes from the same events.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use devstack::Role;
use domain::{
    history::{Logged, facts_at},
    ids::TeamId,
    ranking::{Confidence, Ranked, Ranking, rank},
    score::CONFIDENCE,
    sensitivity::sensitivity,
    time::Timestamp,
};
use e2e::EVENT_ROWS;
use serde_json::{Value, json};
use testkit::{eventually::eventually, flywheel::Flywheel, record::produce};

use crate::world::{Size, World, team_id};

const SIZE: Size = Size { teams: 3, features: 20, accounts: 2_000, events: 200_000 };
const INGESTED_MAX: Duration = Duration::from_secs(180);
const TOLERANCE: f64 = 1e-9;
/// Ranks of a week ago may be as old as `testkit` lets rankings grow.
const REFRESHED_US: i64 = 3_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_what_the_pure_function_computes() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::start(&stack).await;
    let now = now();
    let world = World::generate(7, &SIZE, now);
    assert!(world.records.len() >= SIZE.events);
    produce(&stack, world.records.iter().cloned());

    let log = world.logged(now);
    assert_eq!(log.len(), world.records.len(), "the world generates only valid events");
    all_rows(&stack, &log).await;

    for team in (0..SIZE.teams).map(team_id) {
        let answered = current_ranking(&flywheel, &team).await;
        let as_of = Timestamp::parse_rfc3339(text(&answered, "as_of")).expect("as_of is a time");
        let expected = rank(&facts_at(&log, &TeamId::parse(&team).unwrap(), as_of), None);
        let week_ago = rank(&facts_at(&log, &TeamId::parse(&team).unwrap(), as_of.minus_days(7.0)), None);
        assert!(!expected.items.is_empty() && !expected.iterate.is_empty(), "{team} has something to compare");
        compare(&team, &answered, &expected, &week_ago);
    }
}

/// Waits until ClickHouse has every event.
async fn all_rows(stack: &devstack::Stack, log: &[Logged]) {
    let client = testkit::clickhouse(stack, Role::Ingest);
    eventually("every event is a row or a repeat", INGESTED_MAX, async || {
        let rows = client.query(EVENT_ROWS).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if rows >= log.len() as u64 { Ok(()) } else { Err(format!("{rows} of {}", log.len())) }
    })
    .await;
}

/// The team's ranking, once it was computed from everything: its watermark is past this moment, and the ranks of a week
/// ago were computed after it too.
async fn current_ranking(flywheel: &Flywheel, team: &str) -> Value {
    let produced = now().plus_micros(REFRESHED_US);
    eventually("the ranking is current", Duration::from_secs(90), async || {
        let (status, body) = flywheel.get(&format!("/v1/teams/{team}/rankings?limit=200")).await;
        let through = body["data_through"].as_str().and_then(|time| Timestamp::parse_rfc3339(time).ok());
        if status == 200 && through.is_some_and(|through| through >= produced) {
            Ok(body)
        } else {
            Err(format!("{status} {through:?}"))
        }
    })
    .await
}

pub(crate) fn compare(team: &str, answered: &Value, expected: &Ranking, week_ago: &Ranking) {
    assert_eq!(answered["team"], team);
    let confidence = match expected.confidence {
        Confidence::Ok => "ok",
        Confidence::Insufficient => "insufficient",
    };
    assert_eq!(answered["confidence"], confidence, "{team}");
    let mut parameters = json!(expected.parameters);
    parameters["confidence"] = json!(CONFIDENCE);
    assert_eq!(answered["parameters"], parameters, "{team}");
    let population = &answered["population"];
    assert_eq!(population["accounts"], expected.population.accounts, "{team}");
    assert_eq!(population["used"], expected.population.used, "{team}");
    close(&population["weight"], expected.population.weight, team);
    close(&population["effective"], expected.population.effective, team);
    let expected_sensitivity = sensitivity(expected).expect("something is ranked");
    let answered_sensitivity = &answered["sensitivity"];
    assert_eq!(answered_sensitivity["first"], expected_sensitivity.first.as_str(), "{team}");
    close(&answered_sensitivity["demand_weight_low"], expected_sensitivity.low.demand_weight, team);
    close(&answered_sensitivity["demand_weight_high"], expected_sensitivity.high.demand_weight, team);
    let successors = [("first_below", &expected_sensitivity.low), ("first_above", &expected_sensitivity.high)];
    for (name, end) in successors {
        assert_eq!(answered_sensitivity[name], json!(end.successor.as_ref().map(|id| id.as_str())), "{team}");
    }
    for (list, expected, before) in
        [("items", &expected.items, &week_ago.items), ("iterate", &expected.iterate, &week_ago.iterate)]
    {
        let items = answered[list].as_array().expect("a list");
        let ids: Vec<&str> = items.iter().map(|item| text(item, "feature")).collect();
        let expected_ids: Vec<&str> = expected.iter().map(|item| item.feature.as_str()).collect();
        assert_eq!(ids, expected_ids, "{team} {list}");
        for (item, expected) in items.iter().zip(expected) {
            compare_item(&format!("{team} {}", expected.feature), item, expected);
            let change = before
                .iter()
                .find(|past| past.feature == expected.feature)
                .map(|past| past.rank as i64 - expected.rank as i64);
            assert_eq!(item["rank_change_7d"].as_i64(), change, "{team} {}", expected.feature);
        }
    }
}

fn compare_item(what: &str, item: &Value, expected: &Ranked) {
    assert_eq!(item["rank"], expected.rank, "{what}");
    assert_eq!(item["title"], expected.title, "{what}");
    let margin = &expected.margin;
    assert_eq!(item["rank_low"], margin.rank_low, "{what}");
    assert_eq!(item["rank_high"], margin.rank_high, "{what}");
    assert_eq!(item["tie_group"], margin.tie_group, "{what}");
    assert_eq!(item["surely_above_next"], json!(margin.surely_above_next), "{what}");
    assert_eq!(item["reading"], json!(expected.reading), "{what}");
    assert_eq!(item["door_decision"], json!(expected.undecided.then_some("undecided")), "{what}");
    let (demand, need) = (&item["demand"], &item["need"]);
    for (name, answered, expected) in [
        ("demand.accounts", &demand["accounts"], expected.demand.accounts),
        ("demand.requests", &demand["requests"], expected.demand.requests),
        ("demand.outside.lapsed", &demand["outside"]["lapsed"], expected.demand.lapsed),
        ("demand.outside.never_used", &demand["outside"]["never_used"], expected.demand.never_used),
        ("need.accounts", &need["accounts"], expected.need.accounts),
    ] {
        assert_eq!(*answered, expected, "{what} {name}");
    }
    assert_eq!(need["measured"], expected.need.measured, "{what}");
    assert_eq!(item["status"], json!(expected.status), "{what}");
    assert_eq!(item["door"], json!(expected.door), "{what}");
    assert_eq!(item["effort_months"].as_f64(), expected.effort_months, "{what}");
    for (answered, expected) in [
        (&item["score"], expected.score),
        (&item["contributions"]["demand"], expected.demand_contribution),
        (&item["contributions"]["need"], expected.need_contribution),
        (&demand["share"], expected.demand.share),
        (&demand["low"], expected.demand.low),
        (&demand["high"], expected.demand.high),
        (&need["share"], expected.need.share),
        (&need["low"], expected.need.low),
        (&need["high"], expected.need.high),
    ] {
        close(answered, expected, what);
    }
    match expected.score_per_effort {
        Some(score) => close(&item["score_per_effort"], score, what),
        None => assert!(item["score_per_effort"].is_null(), "{what}"),
    }
    match expected.top_account_share {
        Some(share) => close(&item["top_account_share"], share, what),
        None => assert!(item["top_account_share"].is_null(), "{what}"),
    }
}

fn close(answered: &Value, expected: f64, what: &str) {
    let answered = answered.as_f64().expect("a number");
    assert!((answered - expected).abs() <= TOLERANCE, "{what}: {answered} is not {expected}");
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} is not text in {value}"))
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    Timestamp(i64::try_from(since.as_micros()).expect("a clock before the year 294247"))
}
