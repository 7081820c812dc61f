//! Of any two instants, ClickHouse's answers give the diffs that the pure functions compute from the same events; so do its
//! launches, what became of them and who had wanted them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use devstack::Role;
use domain::{
    diff::{Comparison, Diff, Ends, diff},
    facts::NO_SEGMENT,
    foresight::foresight,
    history::{self, Logged, facts_at},
    ids::TeamId,
    launch::{Before, Place},
    outcome::Outcome,
    portfolio::{TeamPortfolio, portfolio},
    ranking::rank,
    time::{MICROS_PER_DAY, Timestamp},
};
use e2e::EVENT_ROWS;
use serde_json::{Value, json};
use store::Store;
use testkit::{
    eventually::eventually,
    flywheel::Flywheel,
    record::{Described, produce},
};
use wire::topics::{CATALOG, USAGE};

use crate::{
    any_instant::history::{Histories, SEGMENT, Team},
    world::logged,
};

const SEED: u64 = 20_261_123;
const HISTORIES: usize = 12;
const INGESTED_MAX: Duration = Duration::from_secs(180);
const QUERY_MAX: Duration = Duration::from_secs(60);
const FIRST_MAX: usize = 3;
const TOLERANCE: f64 = 1e-9;

#[tokio::test(flavor = "multi_thread")]
async fn diffs_and_outcomes_of_any_instants_are_those_of_the_pure_functions() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::start(&stack).await;
    let now = now();
    let histories = Histories::generate(SEED, HISTORIES, now);
    produce(&stack, histories.records.iter().cloned());
    let log = histories.logged(now);
    let client = testkit::clickhouse(&stack, Role::Ingest);
    eventually("every event is a row or a repeat", INGESTED_MAX, async || {
        let rows = client.query(EVENT_ROWS).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if rows >= log.len() as u64 { Ok(()) } else { Err(format!("{rows} of {}", log.len())) }
    })
    .await;
    drop(flywheel);

    let store = Store::new(testkit::clickhouse(&stack, Role::Ranker), QUERY_MAX);
    let mut parts = [0_usize; 8];
    for team in &histories.teams {
        let [a, b, c] = team.instants;
        let team = TeamId::parse(&team.team).expect("an id");
        for (from, to) in [(a, b), (b, a), (b, c), (c, a), (a, a)] {
            for segment in [None, Some(SEGMENT), Some(NO_SEGMENT)] {
                let found = assert_diff(&store, &log, &team, segment, Ends { from, to }).await;
                for feature in &found.features {
                    for (count, part) in parts.iter_mut().zip(feature.parts) {
                        *count += usize::from(part != 0);
                    }
                }
            }
        }
    }
    assert!(parts.iter().all(|count| *count > 0), "a part is 0 in every diff: {parts:?}");

    let mut seen = Seen::default();
    for Team { team, instants } in &histories.teams {
        let team = TeamId::parse(team).expect("an id");
        for as_of in instants.iter().copied().chain(after_launches(&log, &team, now)) {
            assert_outcomes(&store, &log, &team, as_of, &mut seen).await;
        }
    }
    assert!(seen.every(), "the histories leave something out: {seen:?}");
    for as_of in [now, now.minus_days(100.0), now.minus_days(300.0)] {
        assert_portfolio(&store, &log, &histories, as_of).await;
    }
}

/// A day's first and last use say nothing of what lies between: an account that used the feature before its launch and long after
/// has not used it yet an hour after the launch.
#[tokio::test(flavor = "multi_thread")]
async fn uses_on_the_day_of_a_launch_count_from_the_launch_to_the_instant_asked_about() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::start(&stack).await;
    let noon = Timestamp((now().0.div_euclid(MICROS_PER_DAY) - 3) * MICROS_PER_DAY + MICROS_PER_DAY / 2);
    let hours = |hours: i64| noon.plus_micros(hours * MICROS_PER_DAY / 24);
    let feature = json!({"team": "a", "feature": "f", "title": "F", "status": "launched"});
    let usage = json!({"team": "a", "feature": "f", "account": "x", "operation": "query", "count": 1});
    let records = [
        record(CATALOG, "feature.defined", "feature:a/f", noon, &feature),
        record(USAGE, "usage.observed", "x", hours(-1), &usage),
        record(USAGE, "usage.observed", "x", hours(4), &usage),
    ];
    produce(&stack, records.iter().cloned());
    let log: Vec<Logged> = records.iter().map(|record| logged(record, now()).expect("a valid event")).collect();
    let client = testkit::clickhouse(&stack, Role::Ingest);
    eventually("every event is a row", INGESTED_MAX, async || {
        let rows = client.query(EVENT_ROWS).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if rows == log.len() as u64 { Ok(()) } else { Err(format!("{rows}")) }
    })
    .await;
    drop(flywheel);

    let store = Store::new(testkit::clickhouse(&stack, Role::Ranker), QUERY_MAX);
    let team = TeamId::parse("a").expect("an id");
    for (as_of, used) in [(noon, 0), (hours(1), 0), (hours(4), 1), (hours(20), 1)] {
        let found = store.outcomes(&team, as_of, as_of).await.expect("outcomes");
        assert_eq!(found, history::outcomes_at(&log, &team, as_of), "as of {as_of}");
        assert_eq!(found[0].active.used.map(|share| share.count), [used; 2], "as of {as_of}");
    }
}

fn record(topic: &str, kind: &str, key: &str, time: Timestamp, data: &Value) -> Described {
    let headers = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", format!("{kind} at {time}")),
        ("ce_source", "//launch".to_owned()),
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

async fn assert_diff(
    store: &Store,
    log: &[Logged],
    team: &TeamId,
    segment: Option<&str>,
    instants: Ends<Timestamp>,
) -> Diff {
    let what = format!("{team} from {} to {}, segment {segment:?}", instants.from, instants.to);
    let comparison = store.comparison(team, segment, instants).await.expect("a comparison");
    let expected = history::comparison(log, team, segment, instants);
    assert_eq!(comparison.team, expected.team, "{what}");
    let found = diff(&comparison);
    assert_eq!(found, diff(&expected), "{what}");
    for feature in &found.features {
        let change = feature.score.to - feature.score.from;
        assert_eq!(feature.parts.iter().sum::<i64>(), 2 * change, "{what}: {feature:?}");
    }
    let back = diff(&reversed(store, team, segment, instants).await);
    assert_eq!(back.features.len(), found.features.len(), "{what}");
    for (there, back) in found.features.iter().zip(&back.features) {
        assert_eq!(there.parts.map(|part| -part), back.parts, "{what}: {there:?}");
    }
    found
}

async fn reversed(store: &Store, team: &TeamId, segment: Option<&str>, instants: Ends<Timestamp>) -> Comparison {
    let instants = Ends { from: instants.to, to: instants.from };
    store.comparison(team, segment, instants).await.expect("a comparison")
}

/// What the outcomes had in them: a test of nothing proves nothing.
#[derive(Debug, Default)]
struct Seen {
    asked: bool,
    needed: bool,
    both: bool,
    neither: bool,
    inactive: bool,
    used_first: bool,
    used_second: bool,
    wanted: bool,
    listed: bool,
    off_offer: bool,
}

impl Seen {
    fn count(&mut self, outcome: &Outcome) {
        let Outcome { asked, needed, asked_or_needed, asked_or_needed_active, neither, active, .. } = outcome;
        self.asked |= asked.accounts > 0;
        self.needed |= needed.accounts > 0;
        self.both |= asked.accounts + needed.accounts > asked_or_needed.accounts;
        self.neither |= neither.accounts > 0;
        self.inactive |= asked_or_needed.accounts > asked_or_needed_active.accounts;
        self.used_first |= active.used[0].count > 0;
        self.used_second |= active.used[1].count > active.used[0].count;
        self.listed |= matches!(outcome.before, Before::Listed(_));
        self.off_offer |= outcome.before == Before::NotOnOffer;
    }

    fn every(&self) -> bool {
        let launched = self.asked && self.needed && self.both && self.neither && self.inactive && self.wanted;
        launched && self.used_first && self.used_second && self.listed && self.off_offer
    }
}

/// Instants at which the last launch is hours old, and at which its 14 days have just ended: on the day of the launch the uses
/// themselves decide.
fn after_launches(log: &[Logged], team: &TeamId, now: Timestamp) -> Vec<Timestamp> {
    let launches = history::wanted_at(log, team, now).into_iter().map(|wanted| wanted.launch.launched_at);
    let Some(last) = launches.max() else { return Vec::new() };
    vec![last, last.plus_micros(MICROS_PER_DAY / 8), last.plus_micros(14 * MICROS_PER_DAY), now]
}

async fn assert_outcomes(store: &Store, log: &[Logged], team: &TeamId, as_of: Timestamp, seen: &mut Seen) {
    let what = format!("{team} as of {as_of}");
    let found = store.outcomes(team, as_of, as_of).await.expect("outcomes");
    let expected = history::outcomes_at(log, team, as_of);
    assert_eq!(found.len(), expected.len(), "{what}");
    let judged = store.foresight(team, as_of, as_of).await.expect("a foresight");
    assert_eq!(judged, foresight(&found), "{what}");
    for (found, expected) in found.iter().zip(&expected) {
        assert_before(&what, &found.before, &expected.before);
        assert_eq!(*found, Outcome { before: found.before.clone(), ..expected.clone() }, "{what}");
        seen.count(found);
        let alone = store.outcome(team, &found.feature, as_of, as_of).await.expect("an outcome");
        assert_eq!(alone, Some((found.clone(), judged)), "{what}");
    }
    let launches = store.launches(team, as_of).await.expect("launches");
    assert_eq!(
        launches.iter().map(|launch| &launch.feature).collect::<Vec<_>>(),
        expected.iter().map(|outcome| &outcome.feature).collect::<Vec<_>>(),
        "{what}"
    );
    let wanted = store.wanted(team, as_of).await.expect("who wanted the launches");
    assert_eq!(wanted, history::wanted_at(log, team, as_of), "{what}");
    seen.wanted |= wanted.iter().any(|wanted| wanted.asked > 0 && wanted.needed > 0);
}

/// Sums that ClickHouse makes are the doubles' to 1 part in 10⁹; everything else is the same.
fn assert_before(what: &str, found: &Before, expected: &Before) {
    if let (Before::Listed(found), Before::Listed(expected)) = (found, expected) {
        assert!((found.score - expected.score).abs() <= TOLERANCE, "{what}: {found:?} is not {expected:?}");
        assert_eq!(*found, Place { score: found.score, ..*expected }, "{what}");
    } else {
        assert_eq!(found, expected, "{what}");
    }
}

async fn assert_portfolio(store: &Store, log: &[Logged], histories: &Histories, as_of: Timestamp) {
    let found = store.portfolio(None, as_of, as_of, FIRST_MAX).await.expect("a portfolio");
    let of_one: Vec<_> = found.teams.last().cloned().into_iter().collect();
    let ids = of_one.iter().map(|team| team.team.clone()).collect();
    let among = store.portfolio(Some(&ids), as_of, as_of, FIRST_MAX).await.expect("a portfolio");
    assert_eq!(among, portfolio(of_one), "of one team alone as of {as_of}");
    let teams = histories.teams.iter().map(|team| TeamId::parse(&team.team).expect("an id"));
    let teams = teams
        .filter(|team| log.iter().any(|logged| logged.event.body.team() == Some(team) && logged.event.time <= as_of));
    let teams = teams.map(|team| {
        let facts = facts_at(log, &team, as_of);
        let name = facts.catalog.team.as_ref().map(|team| team.name.to_string());
        let wanted = history::wanted_at(log, &team, as_of);
        let judged = foresight(&history::outcomes_at(log, &team, as_of));
        TeamPortfolio::new(team, name.as_deref(), &rank(&facts, None), FIRST_MAX, wanted, judged)
    });
    let expected = portfolio(teams.collect());
    assert_eq!(found.wanted, expected.wanted, "as of {as_of}");
    assert_eq!(found.teams.len(), expected.teams.len(), "as of {as_of}");
    for (found, expected) in found.teams.iter().zip(expected.teams) {
        assert_eq!(found.first.len(), expected.first.len(), "{} as of {as_of}", expected.team);
        for (found, expected) in found.first.iter().zip(&expected.first) {
            assert!((found.score - expected.score).abs() <= TOLERANCE, "{found:?} is not {expected:?}");
        }
        assert_eq!(*found, TeamPortfolio { first: found.first.clone(), ..expected }, "as of {as_of}");
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    Timestamp(i64::try_from(since.as_micros()).expect("a clock before the year 294247"))
}
