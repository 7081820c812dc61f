//! What is behind a feature's place, as ClickHouse answers it, is what the pure functions make of the same events.

mod experienced;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clickhouse::Row;
use devstack::Role;
use domain::{
    assumptions::Assumptions,
    catalog::{Catalog, Tier},
    event::Body,
    facts::{Facts, NO_SEGMENT},
    history::{Logged, facts_at},
    ids::{AccountId, FeatureId, TeamId},
    tally::{Tallies, Tally, tally},
    time::Timestamp,
};
use e2e::EVENT_ROWS;
use serde::Deserialize;
use serde_json::Value;
use store::{Evidence, Numbers, Signal, Span, Store, Texts};
use testkit::{eventually::eventually, flywheel::Flywheel, record::produce};

use crate::{any_instant::history::Histories, world::logged};

use self::experienced::{FEATURE, INNER, INNER_ACCOUNTS, OWN_SEGMENTS, TEAM, TEXTS, experienced};

const SEED: u64 = 20_261_124;
const HISTORIES: usize = 6;
const INGESTED_MAX: Duration = Duration::from_secs(180);
const QUERY_MAX: Duration = Duration::from_secs(60);
const TOLERANCE: f64 = 1e-9;

#[tokio::test(flavor = "multi_thread")]
async fn the_evidence_for_a_feature_is_what_its_events_say() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::start(&stack).await;
    let now = now();
    let histories = Histories::generate(SEED, HISTORIES, now);
    let experienced = experienced(now);
    produce(&stack, histories.records.iter().chain(&experienced).cloned());
    let mut log = histories.logged(now);
    log.extend(experienced.iter().map(|record| logged(record, now).expect("a valid event")));
    let client = testkit::clickhouse(&stack, Role::Ingest);
    eventually("every event is a row or a repeat", INGESTED_MAX, async || {
        let rows = client.query(EVENT_ROWS).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if rows >= log.len() as u64 { Ok(()) } else { Err(format!("{rows} of {}", log.len())) }
    })
    .await;
    let ranker = testkit::clickhouse(&stack, Role::Ranker);
    eventually("every team has several snapshots", INGESTED_MAX, async || {
        let teams = ranker.query("SELECT team, uniqExact(as_of) AS n FROM rankings GROUP BY team HAVING n > 1");
        let teams = teams.fetch_all::<(String, u64)>().await.map_err(|error| error.to_string())?;
        if teams.len() > HISTORIES { Ok(()) } else { Err(format!("{teams:?}")) }
    })
    .await;
    drop(flywheel);

    let client = testkit::clickhouse(&stack, Role::Api);
    let store = Store::new(client.clone(), QUERY_MAX);
    // Another order of work, which must not show.
    let alone = Store::new(client.with_setting("max_threads", "1").with_setting("max_block_size", "100"), QUERY_MAX);
    let mut sides = BTreeSet::new();
    for history in &histories.teams {
        let team = TeamId::parse(&history.team).expect("an id");
        for as_of in history.instants {
            assert_evidence([&store, &alone], &log, &team, as_of, &mut sides).await;
        }
    }
    assert_eq!(sides.len(), 3 + 3, "every segment and tier is asked in: {sides:?}");

    let team = TeamId::parse(TEAM).expect("an id");
    assert_own_segments_first(&store, &team, now).await;
    assert_within(&store, &team, now).await;
    experienced::assert_experience(&store, &log, &team, now).await;
    let of_ranker = Store::new(testkit::clickhouse(&stack, Role::Ranker), QUERY_MAX);
    assert_requests(&store, &of_ranker, &log, &team, now).await;
    assert_history(&store, &ranker, &team).await;
}

async fn assert_evidence(
    [store, alone]: [&Store; 2],
    log: &[Logged],
    team: &TeamId,
    as_of: Timestamp,
    sides: &mut BTreeSet<String>,
) {
    let facts = facts_at(log, team, as_of);
    let assumptions = Assumptions::of(facts.catalog.parameters());
    let features = (0..8).map(|number| FeatureId::parse(&format!("feature-{number}")).expect("an id"));
    let all = tally(&facts, None);
    let window_days = assumptions.parameters.activity_window_days;
    let inside = store.segments_within(team, as_of, window_days, 1).await.expect("segments");
    assert_eq!(inside, within(&facts), "{team} as of {as_of}");
    for feature in features {
        let what = format!("{team}/{feature} as of {as_of}");
        let found = store.evidence(team, &feature, as_of, &facts.catalog, &assumptions).await.expect("evidence");
        let again = alone.evidence(team, &feature, as_of, &facts.catalog, &assumptions).await.expect("evidence");
        assert_eq!(format!("{found:?}"), format!("{again:?}"), "{what}: other bytes on asking again");
        assert_eq!(found.feature, facts.catalog.resolve(&feature), "{what}");
        assert_eq!(found.known, all.features.contains_key(&found.feature), "{what}");
        assert_cell(&what, &found.side_by_side.all, &all, &found.feature);
        let named: BTreeSet<&str> = found.side_by_side.segments.iter().map(|cell| cell.segment.as_str()).collect();
        assert_eq!(named, segments(&facts), "{what}");
        for cell in &found.side_by_side.segments {
            let what = format!("{what}, segment {}", cell.segment);
            assert_cell(&what, &cell.tallies, &tally(&facts, Some(&cell.segment)), &found.feature);
            if cell.tallies.features[&found.feature].asking > 0 {
                sides.insert(cell.segment.clone());
            }
        }
        for cell in &found.side_by_side.tiers {
            let of_tier = tally(&only(&facts, cell.tier), None);
            assert_cell(&format!("{what}, tier {:?}", cell.tier), &cell.tallies, &of_tier, &found.feature);
            if cell.tallies.features[&found.feature].asking > 0 {
                sides.insert(format!("{:?}", cell.tier));
            }
        }
        assert_eq!(found.signals, signals(log, team, as_of, &facts.catalog, &found.feature), "{what}");
        assert_numbers(&what, store, team, as_of, &found).await;
    }
}

/// The numbers over all accounts are those of the ranking.
async fn assert_numbers(what: &str, store: &Store, team: &TeamId, as_of: Timestamp, found: &Evidence) {
    let numbers = Numbers::of(&found.side_by_side.all, &found.feature, &found.parameters).expect("of this feature");
    let ranking = store.ranking(team, as_of, None).await.expect("a ranking");
    if let Some(item) = ranking.items.iter().chain(&ranking.iterate).find(|item| item.feature == found.feature) {
        close(numbers.score, item.score, what);
        close(numbers.demand.high, item.demand.high, what);
        close(numbers.need.low, item.need.low, what);
        assert_eq!(numbers.need.measured, item.need.measured, "{what}");
        assert_eq!(numbers.population, ranking.population, "{what}");
    }
}

fn segments(facts: &Facts) -> BTreeSet<&str> {
    let accounts = facts.accounts.values();
    let mut segments: BTreeSet<&str> =
        accounts.clone().flat_map(|account| &account.segments).map(String::as_str).collect();
    if accounts.clone().any(|account| account.segments.is_empty()) {
        segments.insert(NO_SEGMENT);
    }
    segments
}

/// Each two segments of which all active accounts of the one are in the other.
fn within(facts: &Facts) -> Vec<(String, String)> {
    let mut members: BTreeMap<&str, BTreeSet<&AccountId>> = BTreeMap::new();
    for (id, account) in facts.accounts.iter().filter(|(_, account)| account.active) {
        for segment in &account.segments {
            members.entry(segment).or_default().insert(id);
        }
    }
    let mut within = Vec::new();
    for (inner, those) in &members {
        let around = members.iter().filter(|(outer, others)| outer != &inner && those.is_subset(others));
        within.extend(around.map(|(outer, _)| ((*inner).to_owned(), (*outer).to_owned())));
    }
    within
}

/// What the accounts of one tier said and did.
fn only(facts: &Facts, tier: Tier) -> Facts {
    let mut facts = facts.clone();
    facts.accounts.retain(|_, account| account.tier == tier);
    let accounts: BTreeSet<AccountId> = facts.accounts.keys().cloned().collect();
    facts.statements.retain(|statement| accounts.contains(&statement.account));
    facts.needs.retain(|need| accounts.contains(&need.account));
    facts
}

fn assert_cell(what: &str, found: &Tallies, expected: &Tallies, feature: &FeatureId) {
    assert_eq!((found.accounts, found.used), (expected.accounts, expected.used), "{what}");
    close(found.weight, expected.weight, what);
    close(found.squares, expected.squares, what);
    assert_eq!(found.features.len(), 1, "{what}");
    let found = &found.features[feature];
    let nothing = Tally::default();
    let expected = expected.features.get(feature).unwrap_or(&nothing);
    for (found, expected) in [
        (found.asked, expected.asked),
        (found.needed, expected.needed),
        (found.both, expected.both),
        (found.top, expected.top),
    ] {
        close(found, expected, what);
    }
    let Tally { asked, needed, both, top, .. } = expected;
    let counts = Tally { asked: *asked, needed: *needed, both: *both, top: *top, ..found.clone() };
    assert_eq!(counts, *expected, "{what}");
}

/// The signals in the need window and after the launch, by kind.
fn signals(log: &[Logged], team: &TeamId, as_of: Timestamp, catalog: &Catalog, feature: &FeatureId) -> Vec<Signal> {
    let after = as_of
        .minus_days(catalog.parameters().need_window_days)
        .max(catalog.since(feature).unwrap_or(Timestamp(i64::MIN)));
    let mut seen = BTreeSet::new();
    let mut kinds: BTreeMap<&str, (u64, BTreeSet<&AccountId>, i64)> = BTreeMap::new();
    for Logged { event, .. } in log {
        let Body::NeedSignaled { team: of, feature: named, account, signal, count } = &event.body else { continue };
        let counts = of == team && catalog.resolve(named) == *feature && event.time > after && event.time <= as_of;
        // Repeats are the same event once more.
        if counts && seen.insert((&event.source, &event.id)) {
            let (counted, accounts, latest) = kinds.entry(signal).or_default();
            *counted += count;
            accounts.insert(account);
            *latest = (*latest).max(event.time.0);
        }
    }
    let mut signals: Vec<Signal> = kinds
        .into_iter()
        .map(|(signal, (count, accounts, latest))| Signal {
            signal: signal.to_owned(),
            count,
            accounts: accounts.len() as u64,
            latest,
        })
        .collect();
    signals.sort_by(|a, b| (b.count, &a.signal).cmp(&(a.count, &b.signal)));
    signals
}

async fn assert_own_segments_first(store: &Store, team: &TeamId, as_of: Timestamp) {
    let catalog = store.catalog(team, as_of).await.expect("a catalog");
    let feature = FeatureId::parse(FEATURE).expect("an id");
    let assumptions = Assumptions::of(catalog.parameters());
    let found = store.evidence(team, &feature, as_of, &catalog, &assumptions).await.expect("evidence");
    let cells: Vec<(&str, bool)> =
        found.side_by_side.segments.iter().map(|cell| (cell.segment.as_str(), cell.own)).collect();
    assert_eq!(cells[..2], OWN_SEGMENTS.map(|segment| (segment, true)));
    assert!(cells[2..].iter().all(|(_, own)| !own), "{cells:?}");
    let sizes: Vec<u64> = found.side_by_side.segments[2..].iter().map(|cell| cell.tallies.accounts).collect();
    assert!(sizes.len() > 1 && sizes.is_sorted_by(|a, b| a >= b), "the largest first: {cells:?} {sizes:?}");
}

/// All accounts of the smallest segment are in another one too, which is told unless they are too few.
async fn assert_within(store: &Store, team: &TeamId, as_of: Timestamp) {
    for (accounts_min, expected) in [(1, &[INNER][..]), (INNER_ACCOUNTS, &[INNER]), (INNER_ACCOUNTS + 1, &[])] {
        let inside = store.segments_within(team, as_of, 100.0, accounts_min).await.expect("segments");
        assert_eq!(
            inside,
            expected.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect::<Vec<_>>(),
            "{accounts_min}"
        );
    }
}

/// Texts are read only when they are asked for, and only by who may.
async fn assert_requests(store: &Store, of_ranker: &Store, log: &[Logged], team: &TeamId, as_of: Timestamp) {
    let catalog = store.catalog(team, as_of).await.expect("a catalog");
    let feature = FeatureId::parse(FEATURE).expect("an id");
    let latest =
        async |store: &Store, most, texts| store.latest_requests(team, &feature, as_of, &catalog, most, texts).await;
    let left = latest(store, 100, Texts::Left).await.expect("requests");
    let mut expected: Vec<(Timestamp, &str, &str)> = log
        .iter()
        .filter(|logged| logged.event.time <= as_of && logged.event.body.team() == Some(team))
        .filter_map(|Logged { event, .. }| match &event.body {
            Body::RequestStated { account, .. } | Body::RequestWithdrawn { account, .. } => {
                Some((event.time, &*event.id, account.as_str()))
            }
            _ => None,
        })
        .collect();
    expected.sort_by(|a, b| b.cmp(a));
    let found: Vec<(Timestamp, &str, &str)> =
        left.iter().map(|said| (said.time, said.event.1.as_str(), said.account.as_str())).collect();
    assert_eq!(found, expected);
    assert!(left.iter().any(|said| said.importance.is_none()), "a withdrawal is among them");
    assert!(left.iter().all(|said| said.text.is_none()), "texts are left");
    let refused = latest(of_ranker, 100, Texts::Read).await;
    assert!(
        refused.is_err_and(|error| format!("{error:#}").contains("request_texts")),
        "the ranker may not read texts"
    );

    let read = latest(store, 3, Texts::Read).await.expect("requests with texts");
    let texts: Vec<Option<&str>> = read.iter().map(|said| said.text.as_ref().map(|text| text.text.as_str())).collect();
    assert_eq!(texts, TEXTS[..3]);
    assert_eq!(read.len(), 3);
}

#[derive(Row, Deserialize)]
struct SnapshotRow {
    as_of: i64,
    snapshot: String,
    document: String,
}

/// Every point is what the snapshot's document says; of a step there is the last.
async fn assert_history(store: &Store, ranker: &clickhouse::Client, team: &TeamId) {
    let snapshots = ranker
        .query(
            "SELECT toUnixTimestamp64Micro(rankings.as_of) AS as_of, snapshot, document FROM rankings
            WHERE team = ? ORDER BY rankings.as_of",
        )
        .bind(team.as_str())
        .fetch_all::<SnapshotRow>()
        .await
        .expect("snapshots");
    let (first, last) = (&snapshots[0], &snapshots[snapshots.len() - 1]);
    let every = Span { after: Timestamp(first.as_of - 1), until: Timestamp(last.as_of), step_us: 1, points_max: 1_000 };
    let mut listed = 0;
    for name in [FEATURE, "launched", "unheard-of"] {
        let feature = FeatureId::parse(name).expect("an id");
        let points = store.history(team, &feature, every).await.expect("a history");
        assert_eq!(points.len(), snapshots.len(), "{name}");
        for (point, snapshot) in points.iter().zip(&snapshots) {
            assert_eq!((point.as_of.0, &point.snapshot), (snapshot.as_of, &snapshot.snapshot));
            let document: Value = serde_json::from_str(&snapshot.document).expect("a document");
            assert_eq!(point.accounts, document["population"]["accounts"]);
            let item = ["items", "iterate"].into_iter().find_map(|list| {
                let items = document[list].as_array().expect("a list");
                items.iter().find(|item| item["feature"] == name).map(|item| (list, item))
            });
            assert_eq!(point.place.is_some(), item.is_some(), "{name}: {snapshot}", snapshot = snapshot.document);
            if let (Some(place), Some((list, item))) = (&point.place, item) {
                listed += 1;
                assert_eq!(place.launched, list == "iterate");
                assert_eq!(place.rank, item["rank"]);
                assert_eq!(place.rank_low.map(u64::from), item["rank_low"].as_u64());
                assert_eq!(place.rank_high.map(u64::from), item["rank_high"].as_u64());
                assert!(place.rank_low.is_some());
                close(place.score, item["score"].as_f64().expect("a score"), name);
                close(place.need.high, item["need"]["high"].as_f64().expect("a bound"), name);
                assert_eq!(place.measured, item["need"]["measured"]);
                assert_eq!(place.demand.accounts, item["demand"]["accounts"]);
            }
        }
    }
    assert!(listed > 2, "some snapshots list them");

    let feature = FeatureId::parse(FEATURE).expect("an id");
    let whole = Span { step_us: i64::MAX, ..every };
    let points = store.history(team, &feature, whole).await.expect("a history");
    assert_eq!(points.iter().map(|point| point.as_of.0).collect::<Vec<_>>(), [last.as_of]);
    let newest = Span { points_max: 1, ..every };
    assert_eq!(store.history(team, &feature, newest).await.expect("a history"), points);
    let before = Span { until: Timestamp(first.as_of - 1), after: Timestamp(0), ..every };
    assert_eq!(store.history(team, &feature, before).await.expect("a history"), []);
}

fn close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= TOLERANCE, "{what}: {found} is not {expected}");
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    Timestamp(i64::try_from(since.as_micros()).expect("a clock before the year 294247"))
}
