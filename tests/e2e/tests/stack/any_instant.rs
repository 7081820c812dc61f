//! Of any instant, ClickHouse's sums are those that the pure functions compute from the same events, and the same every time.

pub(crate) mod history;

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use devstack::Role;
use domain::{
    assumptions::{Assumptions, TierWeights},
    facts::{Facts, NO_SEGMENT},
    history::{Logged, facts_at},
    ids::TeamId,
    ranking::{Confidence, Ranked, Ranking, rank, rank_tallies},
    reading::Reading,
    tally::{Tallies, tally_under},
    time::{MICROS_PER_DAY, Timestamp},
};
use e2e::EVENT_ROWS;
use store::Store;
use testkit::{eventually::eventually, flywheel::Flywheel, record::produce};

use self::history::{Histories, SEGMENT};

const SEED: u64 = 20_261_122;
const HISTORIES: usize = 16;
const INGESTED_MAX: Duration = Duration::from_secs(180);
const QUERY_MAX: Duration = Duration::from_secs(60);
const TOLERANCE: f64 = 1e-9;
/// Of so many instants all teams are asked about at once.
const TOGETHER: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn sums_rankings_and_facts_of_any_instant_are_those_of_the_pure_functions() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::start(&stack).await;
    let now = now();
    let histories = Histories::generate(SEED, HISTORIES, now);
    produce(&stack, histories.records.iter().cloned());
    let log = histories.logged(now);
    assert_eq!(log.len(), histories.records.len(), "only valid events are generated");
    let client = testkit::clickhouse(&stack, Role::Ingest);
    eventually("every event is a row or a repeat", INGESTED_MAX, async || {
        let rows = client.query(EVENT_ROWS).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if rows >= log.len() as u64 { Ok(()) } else { Err(format!("{rows} of {}", log.len())) }
    })
    .await;
    drop(flywheel);

    let client = testkit::clickhouse(&stack, Role::Ranker);
    let store = Store::new(client.clone(), QUERY_MAX);
    // Another order of work, which must not show.
    let alone = Store::new(client.with_setting("max_threads", "1").with_setting("max_block_size", "100"), QUERY_MAX);
    let mut seen = Seen::default();
    for history in &histories.teams {
        let team = TeamId::parse(&history.team).expect("an id");
        for as_of in history.instants {
            let facts = facts_at(&log, &team, as_of);
            let what = format!("{team} as of {as_of}");
            assert_facts(&what, store.facts(&team, as_of).await.expect("facts"), &facts);
            for segment in [None, Some(SEGMENT), Some(NO_SEGMENT)] {
                let what = format!("{what}, segment {segment:?}");
                let catalog = store.catalog(&team, as_of).await.expect("a catalog");
                assert_eq!(catalog, facts.catalog, "{what}");
                for tier_weights in
                    [TierWeights::default(), TierWeights { standard: 0.5, growth: 4.25, enterprise: 0.0 }]
                {
                    let assumptions = Assumptions { tier_weights, ..Assumptions::of(catalog.parameters()) };
                    let found = store.tallies(&team, as_of, segment, &catalog, &assumptions).await.expect("tallies");
                    assert_tallies(&what, &found, &tally_under(&facts, segment, &assumptions));
                    let again = alone.tallies(&team, as_of, segment, &catalog, &assumptions).await.expect("tallies");
                    assert_eq!(bytes(&found), bytes(&again), "{what}: other bytes on asking again");
                    seen.count(&found);
                    let ranking = rank_tallies(&found, &catalog, &assumptions.parameters);
                    if tier_weights == TierWeights::default() {
                        let asked = store.ranking(&team, as_of, segment).await.expect("a ranking");
                        assert_eq!(format!("{asked:?}"), format!("{ranking:?}"), "{what}");
                        seen.places(&ranking);
                        assert_ranking(&what, ranking, &rank(&facts, segment));
                    }
                }
            }
        }
    }
    assert!(seen.every(), "the histories leave something out: {seen:?}");
    let instants: Vec<Timestamp> = histories.teams.iter().map(|history| history.instants[0]).collect();
    for as_of in instants.iter().step_by(HISTORIES.div_ceil(TOGETHER)) {
        assert_together(&store, &log, &histories, *as_of).await;
    }
}

/// The rankings of all teams at once, whose windows differ and whose features have the same names, are those of each alone to the last
/// bit, whatever the order.
async fn assert_together(store: &Store, log: &[Logged], histories: &Histories, as_of: Timestamp) {
    let mut teams: Vec<TeamId> =
        histories.teams.iter().map(|history| TeamId::parse(&history.team).expect("an id")).collect();
    teams.push(TeamId::parse("nobody-knows-it").expect("an id"));
    let found = store.rankings(&teams, as_of).await.expect("rankings");
    assert_eq!(found.len(), teams.len());
    for (team, together) in teams.iter().zip(&found) {
        let what = format!("{team} among others as of {as_of}");
        let alone = store.rankings(std::slice::from_ref(team), as_of).await.expect("a ranking");
        assert_eq!(format!("{together:?}"), format!("{:?}", alone[0]), "{what}");
        assert_ranking(&what, together.ranking.clone(), &rank(&facts_at(log, team, as_of), None));
    }
    // When everything has happened, a ranking is of all that there is.
    let sizes = store.sizes(&teams).await.expect("sizes");
    let all = store.rankings(&teams, now().plus_micros(2 * MICROS_PER_DAY)).await.expect("rankings");
    let read: Vec<u64> = all.iter().map(|one| one.rows - one.ranking.population.accounts).collect();
    assert_eq!(sizes, read);
    assert!(sizes.iter().any(|size| *size > 0) && sizes.last() == Some(&0), "nobody knows the last");
    teams.reverse();
    let reversed = store.rankings(&teams, as_of).await.expect("rankings");
    assert!(reversed.iter().rev().map(|one| format!("{one:?}")).eq(found.iter().map(|one| format!("{one:?}"))));
}

/// What the answers had in them: a test of nothing proves nothing.
#[derive(Debug, Default)]
struct Seen {
    empty: bool,
    asked: bool,
    both: bool,
    lapsed: bool,
    never_used: bool,
    unused: bool,
    features: bool,
    unsure: bool,
    narrow: bool,
    groups: bool,
    undecided: bool,
    iterate: bool,
    readings: BTreeSet<&'static str>,
}

impl Seen {
    fn count(&mut self, tallies: &Tallies) {
        self.empty |= tallies.accounts == 0;
        self.unused |= tallies.used < tallies.accounts;
        self.features |= tallies.features.len() > 3;
        for tally in tallies.features.values() {
            self.asked |= tally.asked > 0.0;
            self.both |= tally.both > 0.0;
            self.lapsed |= tally.lapsed > 0;
            self.never_used |= tally.never_used > 0;
        }
    }

    fn places(&mut self, ranking: &Ranking) {
        self.unsure |= ranking.confidence == Confidence::Insufficient && !ranking.items.is_empty();
        let listed = ranking.items.len() as u32;
        self.narrow |= ranking.items.iter().any(|item| item.margin.rank_low > 1 || item.margin.rank_high < listed);
        self.groups |= ranking.items.iter().any(|item| item.margin.tie_group > 1);
        self.undecided |= ranking.items.iter().any(|item| item.undecided);
        self.iterate |= !ranking.iterate.is_empty();
        self.readings.extend(ranking.items.iter().filter_map(|item| item.reading).map(Reading::as_str));
    }

    fn every(&self) -> bool {
        let sums = self.empty && self.asked && self.both && self.lapsed && self.never_used && self.unused;
        let places = self.unsure && self.narrow && self.groups && self.undecided && self.iterate;
        sums && self.features && places && self.readings.len() >= 4
    }
}

/// Every bit of every number.
fn bytes(tallies: &Tallies) -> String {
    format!("{tallies:?}")
}

fn assert_facts(what: &str, mut found: Facts, expected: &Facts) {
    let mut expected = expected.clone();
    for facts in [&mut found, &mut expected] {
        facts.statements.sort_by(|a, b| (&a.account, &a.feature).cmp(&(&b.account, &b.feature)));
        facts.needs.sort_by(|a, b| (&a.account, &a.feature).cmp(&(&b.account, &b.feature)));
        facts.accounts.values_mut().for_each(|account| account.segments.sort());
    }
    assert_eq!(found, expected, "{what}");
}

fn assert_tallies(what: &str, found: &Tallies, expected: &Tallies) {
    let people = |tallies: &Tallies| (tallies.accounts, tallies.used, tallies.tiers);
    assert_eq!(people(found), people(expected), "{what}");
    close(found.weight, expected.weight, what);
    close(found.squares, expected.squares, what);
    assert_eq!(found.features.keys().collect::<Vec<_>>(), expected.features.keys().collect::<Vec<_>>(), "{what}");
    for ((feature, found), expected) in found.features.iter().zip(expected.features.values()) {
        let what = format!("{what}, feature {feature}: {found:?} is not {expected:?}");
        for (found, expected) in [
            (found.asked, expected.asked),
            (found.needed, expected.needed),
            (found.both, expected.both),
            (found.top, expected.top),
        ] {
            close(found, expected, &what);
        }
        assert_eq!(
            (found.asking, found.requests, found.lapsed, found.never_used, found.needing, found.measured),
            (
                expected.asking,
                expected.requests,
                expected.lapsed,
                expected.never_used,
                expected.needing,
                expected.measured
            ),
            "{what}"
        );
    }
}

/// Everything but sums of doubles is the same: order, ranks, intervals, groups, readings. Numbers are so to 1e-9.
fn assert_ranking(what: &str, mut found: Ranking, expected: &Ranking) {
    settle(&mut found.population.weight, expected.population.weight, what);
    settle(&mut found.population.effective, expected.population.effective, what);
    for (found, expected) in [(&mut found.items, &expected.items), (&mut found.iterate, &expected.iterate)] {
        let order = |list: &[Ranked]| list.iter().map(|item| item.feature.clone()).collect::<Vec<_>>();
        assert_eq!(order(found), order(expected), "{what}");
        for (found, expected) in found.iter_mut().zip(expected) {
            let what = format!("{what}, feature {}", expected.feature);
            for (found, expected) in [
                (&mut found.score, expected.score),
                (&mut found.demand_contribution, expected.demand_contribution),
                (&mut found.need_contribution, expected.need_contribution),
                (&mut found.demand.share, expected.demand.share),
                (&mut found.demand.low, expected.demand.low),
                (&mut found.demand.high, expected.demand.high),
                (&mut found.need.share, expected.need.share),
                (&mut found.need.low, expected.need.low),
                (&mut found.need.high, expected.need.high),
            ] {
                settle(found, expected, &what);
            }
            for (found, expected) in [
                (&mut found.score_per_effort, expected.score_per_effort),
                (&mut found.top_account_share, expected.top_account_share),
            ] {
                if let (Some(found), Some(expected)) = (found, expected) {
                    settle(found, expected, &what);
                }
            }
        }
    }
    assert_eq!(found, *expected, "{what}");
}

/// A number that is close enough counts as the one expected.
fn settle(found: &mut f64, expected: f64, what: &str) {
    close(*found, expected, what);
    *found = expected;
}

fn close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= TOLERANCE, "{what}: {found} is not {expected}");
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    Timestamp(i64::try_from(since.as_micros()).expect("a clock before the year 294247"))
}
