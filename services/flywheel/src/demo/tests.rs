//! The story, told to the pure score: it must come out as the behaviour says, and only through the events.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    event::{Body, Event},
    facts::Facts,
    history::{Logged, facts_at},
    ids::Partition,
    ranking::{Ranked, Ranking, rank},
    record::{InputTopic, Reason, Record as KafkaRecord, decode},
    score::{normal_quantile, wilson},
    time::{MICROS_PER_DAY, Timestamp},
};
use flywheel_sdk::Record;

use super::{customers::customers, story::TEAMS, *};

const ANCHOR: Timestamp = Timestamp(1_790_000_000_000_000);
const SEEDS: [u64; 2] = [1, 4_242];

fn record(emission: &Emission) -> Record {
    match emission {
        Emission::Event(event) | Emission::Repeat(event) => Record::of(event).unwrap(),
        Emission::Malformed(record) => record.clone(),
    }
}

fn decoded(emission: &Emission, received: Timestamp) -> Result<Event, Reason> {
    let record = record(emission);
    let topic = match record.topic.as_str() {
        wire::topics::REQUESTS => InputTopic::Requests,
        wire::topics::USAGE => InputTopic::Usage,
        wire::topics::CATALOG => InputTopic::Catalog,
        other => panic!("no input topic: {other}"),
    };
    let headers: Vec<_> = record.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice()))).collect();
    let (key, payload) = (Some(record.key.as_bytes()), record.payload.as_deref());
    decode(&KafkaRecord { topic, key, headers: &headers, payload, timestamp: received })
        .map(Event::into_owned)
        .map_err(|reject| reject.reason)
}

/// The log as ingest would read it: what does not decode is left out.
fn log(emissions: impl Iterator<Item = Emission>, received: Timestamp) -> Vec<Logged> {
    emissions
        .filter_map(|emission| decoded(&emission, received).ok())
        .map(|event| Logged { received, partition: Partition(0), event })
        .collect()
}

fn ranked(log: &[Logged], team: &str, at: Timestamp) -> Ranking {
    let facts: Facts = facts_at(log, &team.parse().unwrap(), at);
    rank(&facts, None)
}

fn of<'a>(ranking: &'a Ranking, feature: &str) -> &'a Ranked {
    ranking
        .items
        .iter()
        .find(|item| item.feature.as_str() == feature)
        .unwrap_or_else(|| panic!("{feature} is not listed"))
}

/// By how much `first` is above `second` beyond the margin of the two; the contributions' errors are taken to be fully
/// correlated, which can only make the margin wider.
fn lead(ranking: &Ranking, first: &str, second: &str) -> f64 {
    let (wd, wu) = (ranking.parameters.demand_weight, ranking.parameters.need_weight);
    let z = normal_quantile(1.0 - 0.05 / (ranking.items.len() as f64 - 1.0).max(2.0));
    let bounds = |share: f64| wilson(share, ranking.population.effective, z);
    let point = |item: &Ranked| wd * item.demand.share + wu * item.need.share;
    let below = |item: &Ranked| {
        wd * (item.demand.share - bounds(item.demand.share).0) + wu * (item.need.share - bounds(item.need.share).0)
    };
    let above = |item: &Ranked| {
        wd * (bounds(item.demand.share).1 - item.demand.share) + wu * (bounds(item.need.share).1 - item.need.share)
    };
    let (first, second) = (of(ranking, first), of(ranking, second));
    point(first) - point(second) - below(first).hypot(above(second))
}

/// The story's point, for one team: needed beats loud, beyond the margin, although the loud one is asked for more.
#[track_caller]
fn check_story(ranking: &Ranking, needed: &str, loud: &str, context: &str) {
    assert_eq!(ranking.items[0].feature.as_str(), needed, "{context}");
    assert_eq!(ranking.items[1].feature.as_str(), loud, "{context}");
    assert!(of(ranking, loud).demand.share > of(ranking, needed).demand.share * 1.2, "{context}");
    let lead = lead(ranking, needed, loud);
    assert!(lead > 0.02, "{context}: lead beyond the margin {lead}");
}

#[test]
fn what_accounts_do_puts_the_needed_feature_above_the_loud_one_whatever_the_seed() {
    for seed in SEEDS {
        let log = log(history(seed, ANCHOR), ANCHOR);
        let dynamodb = ranked(&log, "dynamodb", ANCHOR);
        check_story(&dynamodb, "secondary-indexes", "multi-region", &format!("seed {seed}"));
        assert_eq!(dynamodb.items.len(), 9);
        assert!(dynamodb.population.effective > 250.0);
        check_story(&ranked(&log, "lambda", ANCHOR), "step-workflows", "debugging-traces", &format!("seed {seed}"));
    }
}

#[test]
fn the_story_holds_even_when_every_request_is_fresh() {
    // Live traffic repeats the requests of those who ask, so in the end none of them has faded.
    let mut log = log(history(1, ANCHOR), ANCHOR);
    for logged in &mut log {
        if matches!(logged.event.body, Body::RequestStated { .. }) {
            logged.event.time = ANCHOR;
        }
    }
    check_story(&ranked(&log, "dynamodb", ANCHOR), "secondary-indexes", "multi-region", "fresh");
    check_story(&ranked(&log, "lambda", ANCHOR), "step-workflows", "debugging-traces", "fresh");
}

#[test]
fn live_traffic_is_the_same_customers_doing_the_same_things() {
    let accounts: BTreeSet<String> =
        (0..TEAMS.len()).flat_map(|team| customers(1, team)).map(|it| it.account).collect();
    let mut live = live(1, ANCHOR);
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..10_000 {
        for emission in live.next(ANCHOR) {
            let Emission::Event(event) = &emission else { continue };
            assert!(decoded(&emission, ANCHOR).is_ok(), "{emission:?}");
            assert!(accounts.contains(&event.data.key()), "{emission:?}");
            *counts.entry(event.data.event_type()).or_default() += 1;
        }
    }
    assert!((20..80).contains(&counts["io.flywheel.request.stated.v1"]), "{counts:?}");
    assert!((2_500..3_500).contains(&counts["io.flywheel.need.signaled.v1"]), "{counts:?}");
    assert!(counts["io.flywheel.usage.observed.v1"] > 6_000, "{counts:?}");
}

#[test]
fn the_story_shows_a_launch_a_merge_an_unmerge_and_a_retirement() {
    let mut log = log(history(1, ANCHOR), ANCHOR);
    let day = |day: i64| ANCHOR.plus_micros((day - i64::from(HISTORY_DAYS)) * MICROS_PER_DAY + 1);
    let used = |logged: &&Logged| matches!(&logged.event.body, Body::UsageObserved { feature, .. } if feature.as_str() == "point-in-time-restore");
    assert!(log.iter().filter(used).count() > 500);
    assert!(log.iter().filter(used).all(|logged| logged.event.time > day(50)), "used before its launch");
    // What is listed does not depend on it, and without it the test is quick.
    log.retain(|logged| !matches!(logged.event.body, Body::UsageObserved { .. }));
    let listed = |at| {
        let ranking = ranked(&log, "dynamodb", at);
        let names = |items: &[Ranked]| items.iter().map(|item| item.feature.to_string()).collect::<BTreeSet<_>>();
        (names(&ranking.items), names(&ranking.iterate))
    };
    assert!(listed(day(29)).0.contains("global-tables"));
    assert!(!listed(day(31)).0.contains("global-tables"));
    for (at, there) in [(34, true), (36, false), (49, true)] {
        assert_eq!(listed(day(at)).0.contains("sql-queries"), there, "day {at}");
    }
    assert!(listed(day(59)).0.contains("xml-import"));
    assert!(!listed(ANCHOR).0.contains("xml-import"));
    assert!(listed(day(49)).0.contains("point-in-time-restore"));
    let now = ranked(&log, "dynamodb", ANCHOR);
    let launched = now.iterate.iter().find(|item| item.feature.as_str() == "point-in-time-restore").unwrap();
    assert!(launched.demand.requests > 5 && launched.need.accounts > 5, "{launched:?}");
}

#[test]
fn the_history_is_the_same_whenever_it_is_told() {
    assert!(history(3, ANCHOR).eq(history(3, ANCHOR)));
    assert!(!history(3, ANCHOR).eq(history(4, ANCHOR)));
}

#[test]
fn the_history_is_in_time_order_and_of_the_right_size() {
    let log = log(history(1, ANCHOR), ANCHOR);
    assert!(log.is_sorted_by_key(|logged| logged.event.time));
    assert!(log.iter().all(|logged| logged.event.time < ANCHOR));
    assert!((60_000..150_000).contains(&log.len()), "{} events", log.len());
}

#[test]
fn some_events_are_sent_twice_and_a_few_are_broken() {
    let emissions: Vec<Emission> = history(1, ANCHOR).collect();
    let repeats = emissions.iter().filter(|emission| matches!(emission, Emission::Repeat(_))).count();
    let share = repeats as f64 / emissions.len() as f64;
    assert!((0.006..0.008).contains(&share), "{share}");
    let broken: Vec<_> = emissions.iter().filter(|emission| matches!(emission, Emission::Malformed(_))).collect();
    let reasons: BTreeSet<&str> = broken.iter().map(|emission| decoded(emission, ANCHOR).unwrap_err().code()).collect();
    assert!(broken.len() >= 6 && reasons.len() == 6, "{} broken, {reasons:?}", broken.len());
    for emission in emissions.iter().filter(|emission| !matches!(emission, Emission::Malformed(_))) {
        assert!(decoded(emission, ANCHOR).is_ok(), "{emission:?}");
    }
}

#[test]
fn an_id_names_one_event_in_the_history_and_in_every_live_run() {
    let mut live_runs = [live(1, ANCHOR), live(1, ANCHOR.plus_micros(1))];
    let lives = live_runs.iter_mut().flat_map(|live| (0..3_000).flat_map(|_| live.next(ANCHOR)).collect::<Vec<_>>());
    let mut contents: BTreeMap<String, Record> = BTreeMap::new();
    for emission in history(1, ANCHOR).chain(lives) {
        let record = record(&emission);
        if let Some(before) = contents.insert(record.id.clone(), record.clone()) {
            assert!(matches!(emission, Emission::Repeat(_)), "{}", record.id);
            assert_eq!(before, record);
        }
    }
}
