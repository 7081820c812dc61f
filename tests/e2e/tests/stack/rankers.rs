//! Several rankers share the teams. One is killed, one is added, others are paused and wake or cut off for a while, all under
//! load: every team is ranked on, by one of them at a time, and nobody reads a ranking that is older than the one before it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use devstack::{Role, Stack, StackConfig};
use domain::{history::facts_at, ids::TeamId, ranking::rank, time::Timestamp};
use serde_json::Value;
use testkit::{
    eventually::eventually,
    flywheel::Flywheel,
    proxy::{Line, Proxy},
    record::{Described, Sender},
};

use crate::{
    ranking::{compare, now},
    topic::{TICK, Topic, text},
    world::{Size, World},
};

const SIZE: Size = Size { teams: 8, features: 6, accounts: 300, events: 30_000 };
/// As `migrate` makes the rankings' partitions.
const SHARDS: i64 = 6;
/// What is promised of a ranker that is killed: every team of its has a new ranking within this.
const TAKEN_OVER_MAX: Duration = Duration::from_secs(10);
/// Set, it grants the machine nothing.
const TO_THE_LETTER: &str = "FLYWHEEL_TEST_TAKEOVER_TO_THE_LETTER";
const SETTLED_MAX: Duration = Duration::from_secs(90);
const PAUSES: usize = 3;
/// The load: so many records a tick.
const RECORDS_PER_TICK: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn rankers_that_die_come_and_pause_leave_no_wrong_stale_or_missing_ranking() {
    let (door, listener) = Proxy::listener().await.expect("a port");
    let mut config = StackConfig::test().expect("a configuration");
    config.kafka_proxies.push(door);
    let stack = Stack::start(config).await.expect("a stack");
    testkit::flywheel::migrate(&stack).await;
    let line = Proxy::start(listener, stack.kafka_behind_proxy(0));
    let began = now();
    let world = World::generate(11, &SIZE, began);
    let log = world.logged(began);
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    let topic = Topic::follow(&stack);
    let load = Load::start(&stack, world.records);

    let first = Flywheel::spawn(&stack, "rank", &[]);
    let second = Flywheel::spawn(&stack, "rank", &[("FLYWHEEL_KAFKA_BROKERS", &door.to_string())]);
    for flywheel in [&ingest, &first, &second] {
        flywheel.ready().await;
    }
    shared(&[&first, &second]).await;
    topic.every_team_anew(SETTLED_MAX).await;

    // One is killed.
    let taken_over_max = topic.taken_over_max().await;
    first.kill().await;
    topic.every_team_anew(taken_over_max).await;
    let taken_over = metric(&second, "flywheel_ranker_takeovers_total").await;

    // One is added: it gets its part, and nothing else moves.
    let third = Flywheel::spawn(&stack, "rank", &[]);
    shared(&[&second, &third]).await;
    assert_eq!(metric(&second, "flywheel_ranker_takeovers_total").await, taken_over, "what stays does not move");
    assert_eq!(metric(&third, "flywheel_ranker_takeovers_total").await, SHARDS / 2);

    // One after the other is paused for longer than its session, and wakes.
    for pause in 0..PAUSES {
        let (paused, other) = if pause % 2 == 0 { (&second, &third) } else { (&third, &second) };
        let taken_over_max = topic.taken_over_max().await;
        paused.pause();
        topic.every_team_anew(taken_over_max).await;
        eventually("the other ranks for both", SETTLED_MAX, async || shards(other, SHARDS).await).await;
        paused.resume();
        shared(&[paused, other]).await;
    }

    // One is cut off while it publishes. What it has sent by then arrives after the other has taken over.
    let taken_over_max = topic.taken_over_max().await;
    line.set(Line::Silent);
    topic.every_team_anew(taken_over_max).await;
    line.set(Line::Up);
    shared(&[&second, &third]).await;
    topic.every_team_anew(SETTLED_MAX).await;
    topic.never_went_back();

    // One stops in order: the other takes over at once.
    let taken_over_max = topic.taken_over_max().await;
    let (status, said) = third.terminate().await;
    assert!(status.success(), "{said}");
    topic.every_team_anew(taken_over_max).await;

    load.finish().await;
    let records = topic.last_of_every_team(now().plus_micros(5_000_000)).await;
    for (team, document) in &records {
        let (id, as_of) = (TeamId::parse(team).unwrap(), as_of(document));
        let expected = rank(&facts_at(&log, &id, as_of), None);
        let week_ago = rank(&facts_at(&log, &id, as_of.minus_days(7.0)), None);
        compare(team, document, &expected, &week_ago);
    }
    topic.never_went_back();
    topic.every_record_is_a_snapshot(&stack).await;
}

/// Waits until these share the shards evenly.
async fn shared(rankers: &[&Flywheel]) {
    for ranker in rankers {
        let part = SHARDS / i64::try_from(rankers.len()).unwrap();
        eventually("the shards are shared", SETTLED_MAX, async || shards(ranker, part).await).await;
    }
}

async fn shards(ranker: &Flywheel, expected: i64) -> Result<(), String> {
    match metric(ranker, "flywheel_ranker_shards").await {
        shards if shards == expected => Ok(()),
        shards => Err(format!("{shards} shards, not {expected}; log:\n{}", ranker.log())),
    }
}

/// A metric without labels of its own; 0 while it was never recorded.
async fn metric(ranker: &Flywheel, name: &str) -> i64 {
    let text = ranker.metrics().await;
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |value| value.parse::<f64>().expect("a number") as i64)
}

impl Topic {
    /// Waits until every team has a ranking of a later second than this. How long it took.
    async fn every_team_anew(&self, at_most: Duration) -> Duration {
        let (asked, since) = (Instant::now(), now());
        eventually("every team is published anew", at_most, async || {
            self.with(|records| {
                let anew = records.iter().filter(|record| record.read > asked && as_of(&record.document) > since);
                let teams: BTreeSet<&str> = anew.map(|record| team(&record.document)).collect();
                if teams.len() == SIZE.teams { Ok(()) } else { Err(format!("only {teams:?}")) }
            })
        })
        .await;
        asked.elapsed()
    }

    /// How long a takeover may take: as promised, and twice what this machine needs for a round when nothing happens, because
    /// tests share it with others, and who is left has twice as much to do. On a machine of its own the promise alone can be
    /// asked for.
    async fn taken_over_max(&self) -> Duration {
        let round = self.every_team_anew(SETTLED_MAX).await;
        if std::env::var_os(TO_THE_LETTER).is_some() { TAKEN_OVER_MAX } else { TAKEN_OVER_MAX + 2 * round }
    }

    /// Waits until every team has a ranking that has everything up to `through`; then every team's last.
    async fn last_of_every_team(&self, through: Timestamp) -> BTreeMap<String, Value> {
        eventually("the last rankings have everything", SETTLED_MAX, async || {
            self.with(|records| {
                let last: BTreeMap<String, Value> = records
                    .iter()
                    .map(|record| (team(&record.document).to_owned(), record.document.clone()))
                    .filter(|(_, document)| time(document, "data_through") >= through)
                    .collect();
                if last.len() == SIZE.teams { Ok(last) } else { Err(format!("{} teams have", last.len())) }
            })
        })
        .await
    }

    /// A team's records lie in one partition, and each is of a later second than the one before it.
    fn never_went_back(&self) {
        self.with(|records| {
            let mut last: BTreeMap<&str, (i32, Timestamp)> = BTreeMap::new();
            for record in records {
                let (team, as_of) = (team(&record.document), as_of(&record.document));
                if let Some((partition, before)) = last.insert(team, (record.partition, as_of)) {
                    assert_eq!(partition, record.partition, "{team} has moved");
                    assert!(as_of > before, "{team} went from {} to {}", before.to_rfc3339(), as_of.to_rfc3339());
                }
            }
        });
    }

    /// What was published is kept. The other way round, a killed or fenced ranker leaves snapshots that were not published.
    async fn every_record_is_a_snapshot(&self, stack: &Stack) {
        let client = testkit::clickhouse(stack, Role::Ranker);
        let stored = client
            .query("SELECT toString(team), snapshot FROM rankings")
            .fetch_all::<(String, String)>()
            .await
            .expect("the snapshots");
        let stored: BTreeSet<(String, String)> = stored.into_iter().collect();
        self.with(|records| {
            let published: BTreeSet<(String, String)> = records
                .iter()
                .map(|record| (team(&record.document).to_owned(), text(&record.document, "snapshot").to_owned()))
                .collect();
            let missing: Vec<_> = published.difference(&stored).collect();
            assert!(missing.is_empty(), "published, and no snapshot: {missing:?}");
        });
    }
}

/// Records without pause, at a steady rate.
struct Load {
    finish: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Load {
    fn start(stack: &Stack, records: Vec<Described>) -> Self {
        let finish = Arc::new(AtomicBool::new(false));
        let (asked, brokers) = (Arc::clone(&finish), stack.kafka_brokers().to_owned());
        let thread = thread::spawn(move || {
            let sender = Sender::to(&brokers);
            let mut ticks = records.chunks(RECORDS_PER_TICK);
            while !asked.load(Ordering::Relaxed) {
                let tick = ticks.next().expect("the world outlasts the test");
                tick.iter().for_each(|record| sender.send(record));
                sender.flush();
                // The rate itself.
                thread::sleep(TICK);
            }
            ticks.flatten().for_each(|record| sender.send(record));
            sender.flush();
        });
        Self { finish, thread }
    }

    /// Produces the rest at once.
    async fn finish(self) {
        self.finish.store(true, Ordering::Relaxed);
        tokio::task::spawn_blocking(move || self.thread.join().expect("the load ends")).await.expect("the load");
    }
}

fn team(document: &Value) -> &str {
    text(document, "team")
}

fn as_of(document: &Value) -> Timestamp {
    time(document, "as_of")
}

fn time(document: &Value, field: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text(document, field)).expect("a time")
}
