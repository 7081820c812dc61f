//! What the API computes from ClickHouse, and the terminal shows, is what the pure functions compute from the same events; what is
//! asked wrongly is refused by name; and the same question has the same answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use devstack::Role;
use domain::{
    assumptions::WhatIf,
    diff::{Ends, Switch, diff},
    foresight::foresight,
    history::{Logged, comparison, facts_at, facts_under, outcomes_at},
    ids::{FeatureId, TeamId},
    ranking::{Ranking, rank, rank_under},
    tally::{tally, tally_under},
    time::Timestamp,
};
use e2e::EVENT_ROWS;
use serde_json::{Value, json};
use testkit::{
    eventually::eventually,
    flywheel::{Flywheel, command},
    record::produce,
};

use wire::{Scope, outcome::Outcome};

use crate::{
    ranking::compare,
    world::{Size, World, team_id},
};

const SIZE: Size = Size { teams: 2, features: 10, accounts: 300, events: 12_000 };
const INGESTED_MAX: Duration = Duration::from_secs(180);
const PUBLISHED_MAX: Duration = Duration::from_secs(60);
/// Of fewer accounts the API shows no numbers.
const ACCOUNTS_SHOWN_MIN: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_any_instant_are_those_of_the_pure_functions() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::start(&stack).await;
    let now = now();
    let world = World::generate(11, &SIZE, now);
    produce(&stack, world.records.iter().cloned());
    let log = world.logged(now);
    let client = testkit::clickhouse(&stack, Role::Ingest);
    eventually("every event is a row or a repeat", INGESTED_MAX, async || {
        let rows = client.query(EVENT_ROWS).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if rows >= log.len() as u64 { Ok(()) } else { Err(format!("{rows} of {}", log.len())) }
    })
    .await;
    for team in (0..SIZE.teams).map(team_id) {
        eventually("the team has a ranking", PUBLISHED_MAX, async || {
            let (status, _) = flywheel.get(&format!("/v1/teams/{team}/rankings")).await;
            if status == 200 { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    }

    let team = team_id(0);
    let id = TeamId::parse(&team).unwrap();
    let (earlier, later) = (now.minus_days(60.5), now.minus_days(2.25));
    let at = |as_of: Timestamp, segment| rank(&facts_at(&log, &id, as_of), segment);

    for as_of in [earlier, later] {
        for segment in [None, Some("retail"), Some("(none)")] {
            let query = segment.map(|segment| format!("&segment={segment}")).unwrap_or_default();
            let path = format!("/v1/teams/{team}/rankings?limit=200&as_of={as_of}{query}");
            let answer = twice(&flywheel, &path).await;
            assert_eq!(answer["snapshot"], Value::Null);
            assert_eq!((&answer["segment"], &answer["as_of"]), (&json!(segment), &json!(as_of.to_rfc3339())));
            assert_eq!(answer["data_through"], answer["as_of"], "the watermark is past it");
            compare(&team, &answer, &at(as_of, segment), &at(as_of.minus_days(7.0), segment));
        }
    }
    what_if(&flywheel, &log, &id, later).await;
    assert_diff(&flywheel, &log, &id, Ends { from: earlier, to: later }).await;
    outcomes(&flywheel, &log, &id, now).await;
    evidence(&flywheel, &team, later, &at(later, None)).await;
    evidence_of_what_is_published(&flywheel, &team, &at(later, None).items[0].feature).await;
    kept(&flywheel, &team).await;

    let portfolio = twice(&flywheel, &format!("/v1/portfolio?as_of={later}")).await;
    let first: Vec<&Value> =
        portfolio["teams"].as_array().unwrap().iter().map(|team| &team["first"][0]["feature"]).collect();
    let expected: Vec<Value> = (0..SIZE.teams)
        .map(|team| {
            json!(rank(&facts_at(&log, &TeamId::parse(&team_id(team)).unwrap(), later), None).items[0].feature.as_str())
        })
        .collect();
    assert_eq!(first, expected.iter().collect::<Vec<_>>());

    refusals(&flywheel, &team, now).await;
    withheld(&flywheel, &log, &id, later).await;
    terminal(&stack, &flywheel, &team, earlier, later).await;
}

/// The JSON of a 200, which is the same when it is asked for again.
async fn twice(flywheel: &Flywheel, path: &str) -> Value {
    let (status, first) = flywheel.get(path).await;
    assert_eq!(status, 200, "{path}: {first}");
    assert_eq!(flywheel.get(path).await, (200, first.clone()), "{path}: another answer on asking again");
    first
}

async fn what_if(flywheel: &Flywheel, log: &[Logged], team: &TeamId, as_of: Timestamp) {
    let query = "need_weight=0.75&activity_window_days=20&need_min_count=2&tier_weight_growth=0";
    let answer = twice(flywheel, &format!("/v1/teams/{team}/rankings?as_of={as_of}&limit=200&{query}")).await;
    let what_if = WhatIf {
        need_weight: Some(0.75),
        activity_window_days: Some(20.0),
        need_min_count: Some(2),
        tier_weight_growth: Some(0.0),
        ..WhatIf::default()
    };
    let at = |as_of: Timestamp| -> Ranking {
        let assumptions = what_if.apply(&facts_at(log, team, as_of).catalog.parameters()).unwrap();
        rank_under(&facts_under(log, team, as_of, Some(&assumptions.parameters)), None, &assumptions)
    };
    compare(team.as_str(), &answer, &at(as_of), &at(as_of.minus_days(7.0)));
    assert_eq!(answer["tier_weights"], json!({"standard": 1.0, "growth": 0.0, "enterprise": 3.0}));
    let (_, stored) = flywheel.get(&format!("/v1/teams/{team}/rankings")).await;
    assert_ne!(stored["parameters"], answer["parameters"], "a what-if was stored");
}

async fn assert_diff(flywheel: &Flywheel, log: &[Logged], team: &TeamId, ends: Ends<Timestamp>) {
    let path = |from, to| format!("/v1/teams/{team}/rankings/diff?from={from}&to={to}");
    let answer = twice(flywheel, &path(ends.from, ends.to)).await;
    let back = twice(flywheel, &path(ends.to, ends.from)).await;
    let expected = diff(&comparison(log, team, None, ends));
    let features = answer["features"].as_array().unwrap();
    assert_eq!(features.len(), expected.features.len());
    for expected in &expected.features {
        let named = |answer: &Value| {
            let mut features = answer["features"].as_array().unwrap().iter();
            features.find(|found| found["feature"] == expected.feature.as_str()).unwrap().clone()
        };
        let (found, back) = (named(&answer), named(&back));
        // Whole half billionths.
        let whole = |value: &Value| (value.as_f64().unwrap() * 2e9).round() as i64;
        let mut sum = 0;
        for switch in Switch::ALL {
            let part = whole(&found["parts"][switch.as_str()]);
            sum += part;
            // ClickHouse's sums are those of the pure functions to 1e-9.
            assert!((part - expected.parts[switch as usize]).abs() <= 4, "{} {}", expected.feature, switch.as_str());
            assert_eq!(part, -whole(&back["parts"][switch.as_str()]), "{} {}", expected.feature, switch.as_str());
        }
        assert_eq!(sum, whole(&found["change"]), "{}", expected.feature);
        assert_eq!(sum, whole(&found["score"]["to"]) - whole(&found["score"]["from"]), "{}", expected.feature);
    }
    assert!(features.iter().any(|feature| feature["change"] != 0.0), "nothing changed");
}

async fn outcomes(flywheel: &Flywheel, log: &[Logged], team: &TeamId, now: Timestamp) {
    let expected = outcomes_at(log, team, now);
    assert!(!expected.is_empty(), "nothing was launched");
    for expected in expected {
        let path = format!("/v1/teams/{team}/features/{}/outcome?as_of={now}", expected.feature);
        let answer = twice(flywheel, &path).await;
        assert_eq!(answer["launched_at"], expected.launched_at.to_rfc3339());
        // What is hidden and why is for the document to know.
        let scope = Scope { team, segment: None, as_of: now, data_through: now };
        let shown = Outcome::computed(&scope, &expected, &foresight(&[]), ACCOUNTS_SHOWN_MIN);
        // Read as the answer was read: reading can change a number's last digit.
        let shown: Value = serde_json::from_str(&serde_json::to_string(&shown).unwrap()).unwrap();
        for name in ["asked", "needed", "asked_or_needed", "asked_or_needed_active", "neither", "active"] {
            assert_eq!(answer[name], shown[name], "{path} {name}");
        }
    }
}

async fn evidence(flywheel: &Flywheel, team: &str, as_of: Timestamp, expected: &Ranking) {
    let first = &expected.items[0];
    let answer = twice(flywheel, &format!("/v1/teams/{team}/features/{}?as_of={as_of}", first.feature)).await;
    assert_eq!((&answer["listed"], &answer["item"]["rank"]), (&json!("items"), &json!(1)));
    // Tiers add up to everybody, where none is hidden.
    let tiers = answer["tiers"].as_array().unwrap();
    let asking: u64 = tiers.iter().map(|tier| tier["numbers"]["demand"]["accounts"].as_u64().unwrap()).sum();
    assert_eq!(asking, first.demand.accounts);
    let none = answer["segments"].as_array().unwrap().iter().find(|cell| cell["segment"] == "(none)").unwrap();
    assert!(none["numbers"]["population"]["accounts"].as_u64().unwrap() >= ACCOUNTS_SHOWN_MIN);
    assert!(!answer["experience"]["operations"].as_array().unwrap().is_empty());
    assert!(!answer.to_string().contains("account-"), "an account is named");
    assert_eq!(flywheel.get(&format!("/v1/teams/{team}/features/teleport")).await.0, 404);
}

/// A snapshot that was published is there by its id, and in its features' history.
async fn kept(flywheel: &Flywheel, team: &str) {
    let (_, current) = flywheel.get(&format!("/v1/teams/{team}/rankings?limit=200")).await;
    let snapshot = current["snapshot"].as_str().unwrap();
    let again = twice(flywheel, &format!("/v1/teams/{team}/rankings/{snapshot}?limit=200")).await;
    assert_eq!(again, current);
    let feature = current["items"][0]["feature"].as_str().unwrap();
    let to = current["as_of"].as_str().unwrap();
    let history = twice(flywheel, &format!("/v1/teams/{team}/features/{feature}/history?to={to}&step_s=1")).await;
    let last = history["points"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["snapshot"], &last["place"]["rank"]), (&current["snapshot"], &json!(1)));
}

/// Without an instant, evidence is of what is published: of its instant, with the place that it has there.
async fn evidence_of_what_is_published(flywheel: &Flywheel, team: &str, feature: &FeatureId) {
    let path = format!("/v1/teams/{team}/features/{feature}");
    let (status, answer) = flywheel.get(&path).await;
    assert_eq!(status, 200, "{answer}");
    let snapshot = answer["snapshot"].as_str().unwrap();
    let (_, published) = flywheel.get(&format!("/v1/teams/{team}/rankings/{snapshot}?limit=200")).await;
    for part in ["as_of", "data_through", "parameters", "population"] {
        assert_eq!(answer[part], published[part], "{part}");
    }
    let items = published["items"].as_array().unwrap();
    assert_eq!(Some(&answer["item"]), items.iter().find(|item| item["feature"] == feature.as_str()));
    let (_, computed) = flywheel.get(&format!("{path}?as_of={}", answer["as_of"].as_str().unwrap())).await;
    assert_eq!(computed["snapshot"], Value::Null);
    for part in ["segments", "tiers", "signals", "experience", "latest_requests"] {
        assert_eq!(answer[part], computed[part], "{part}");
    }
}

async fn refusals(flywheel: &Flywheel, team: &str, now: Timestamp) {
    let before = twice(flywheel, &format!("/v1/teams/{team}/rankings?as_of=2001-02-03T04:05:06Z")).await;
    assert_eq!(
        (&before["before_first_event"], &before["items"], &before["confidence"]),
        (&json!(true), &json!([]), &json!("insufficient"))
    );
    let future = now.plus_micros(3_600_000_000);
    let named = [
        (format!("rankings?as_of={future}"), vec!["as_of"]),
        (format!("rankings/diff?from={now}&to={future}"), vec!["to"]),
        ("rankings/diff".to_owned(), vec!["from"]),
        ("rankings?demand_weight=0.5&need_weight=0.6".to_owned(), vec!["demand_weight", "need_weight"]),
        ("rankings?half_life_days=0&tier_weight_growth=101".to_owned(), vec!["half_life_days", "tier_weight_growth"]),
        (format!("features/feature-1/history?from={now}&to={now}"), vec!["from", "to"]),
    ];
    for (path, parameters) in named {
        let (status, problem) = flywheel.get(&format!("/v1/teams/{team}/{path}")).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:flywheel:problem:invalid-parameters")), "{path}");
        let errors = problem["errors"].as_array().unwrap();
        let found: Vec<&str> = errors.iter().filter_map(|error| error["parameter"].as_str()).collect();
        assert_eq!(found, parameters, "{path}");
    }
    let (status, problem) = flywheel.get(&format!("/v1/teams/{team}/rankings?segment=of-nobody")).await;
    assert_eq!((status, &problem["type"]), (403, &json!("urn:flywheel:problem:withheld")));
    let (status, problem) = flywheel.get(&format!("/v1/teams/{team}/features/teleport/outcome")).await;
    assert_eq!((status, &problem["type"]), (404, &json!("urn:flywheel:problem:not-launched")));
}

/// Neither a few accounts of a tier nor those outside a segment are told by what is said of the others.
async fn withheld(flywheel: &Flywheel, log: &[Logged], team: &TeamId, as_of: Timestamp) {
    let few = |accounts: u64| (1..ACCOUNTS_SHOWN_MIN).contains(&accounts);
    let (mut tiers, mut rest) = (0, 0);
    // The shorter the window, the fewer are active.
    for window_days in (1..60).map(|tenths| f64::from(tenths) / 10.0) {
        let window = WhatIf { activity_window_days: Some(window_days), ..WhatIf::default() };
        let assumptions = window.apply(&facts_at(log, team, as_of).catalog.parameters()).unwrap();
        let facts = facts_under(log, team, as_of, Some(&assumptions.parameters));
        let [all, retail] = [None, Some("retail")].map(|segment| tally_under(&facts, segment, &assumptions));
        let asked = async |query: &str| {
            let path = format!("/v1/teams/{team}/rankings?as_of={as_of}&activity_window_days={window_days}&{query}");
            let (status, answer) = flywheel.get(&path).await;
            assert!(status == 200 || answer["type"] == "urn:flywheel:problem:withheld", "{path}: {answer}");
            status
        };
        if all.accounts >= ACCOUNTS_SHOWN_MIN && all.tiers.into_iter().any(few) && tiers < 3 {
            assert_eq!(asked("tier_weight_enterprise=0.5").await, 403, "{:?}", all.tiers);
            assert_eq!(asked("tier_weight_enterprise=3").await, 200, "{:?}", all.tiers);
            tiers += 1;
        }
        if retail.accounts >= ACCOUNTS_SHOWN_MIN && few(all.accounts - retail.accounts) && rest < 3 {
            assert_eq!(asked("segment=retail").await, 403, "{} of {}", retail.accounts, all.accounts);
            rest += 1;
        }
    }
    assert!(tiers > 0 && rest > 0, "nothing was to be withheld: {tiers} tiers, {rest} segments");

    // Of a window that is a little longer or shorter than the team's own, the published ranking tells who was left out or taken in.
    let usual = tally(&facts_at(log, team, as_of), None).accounts;
    let (mut told, mut many) = (0, 0);
    for window_days in (1..=360).map(|halves| f64::from(halves) / 2.0) {
        let window = WhatIf { activity_window_days: Some(window_days), ..WhatIf::default() };
        let assumptions = window.apply(&facts_at(log, team, as_of).catalog.parameters()).unwrap();
        let facts = facts_under(log, team, as_of, Some(&assumptions.parameters));
        let accounts = tally_under(&facts, None, &assumptions).accounts;
        let withheld = few(accounts) || few(accounts.abs_diff(usual));
        let seen = if withheld { &mut told } else { &mut many };
        if *seen < 3 {
            let path = format!("/v1/teams/{team}/rankings?as_of={as_of}&activity_window_days={window_days}");
            assert_eq!(flywheel.get(&path).await.0, if withheld { 403 } else { 200 }, "{accounts}, else {usual}");
            *seen += 1;
        }
    }
    assert!(told > 0 && many > 0, "windows that tell of a few: {told}, of many: {many}");
}

/// The commands draw what the API answers, without colours where there is no terminal.
async fn terminal(stack: &devstack::Stack, flywheel: &Flywheel, team: &str, from: Timestamp, to: Timestamp) {
    let (from, to, api) = (from.to_rfc3339(), to.to_rfc3339(), flywheel.api_url());
    let path = format!("/v1/teams/{team}/rankings?limit=200&as_of={to}");
    let (_, ranking) = flywheel.get(&path).await;
    let first = ranking["items"][0]["feature"].as_str().unwrap();
    for (arguments, shown) in [
        (vec!["rankings", team, "--as-of", &to], first),
        (vec!["rankings", team, "--as-of", &to, "--segment", "retail", "--demand-weight", "0.5"], "segment retail"),
        (vec!["diff", team, &from, &to], first),
        (vec!["evidence", team, first, "--as-of", &to], first),
        (vec!["outcome", team, "feature-0"], "feature-0"),
        (vec!["portfolio", "--as-of", &to], first),
    ] {
        let output = command(stack, &[&arguments[..], &["--api", &api]].concat()).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains(shown) && !text.contains('\u{1b}'), "{arguments:?}:\n{text}");
    }
    let output = command(stack, &["rankings", team, "--as-of", &to, "--json", "--api", &api]).await;
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, ranking);
    let refused = command(stack, &["rankings", team, "--as-of", "tomorrow", "--api", &api]).await;
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("as_of"));
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    Timestamp(i64::try_from(since.as_micros()).expect("a clock before the year 294247"))
}
