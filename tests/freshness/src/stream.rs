//! What flows. It must cost little: payloads are made beforehand, times once a tick.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, anyhow};
use devstack::Stack;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use testkit::record::{Described, produce};
use wire::topics::{CATALOG, REQUESTS, USAGE};

const TICK: Duration = Duration::from_millis(10);
/// Different payloads that flow, again and again; each event has an id of its own.
const PAYLOADS: usize = 200_000;
const FLUSH_MAX: Duration = Duration::from_secs(60);
/// A team's probes come so long after one another, times the teams: not a divisor of a second, so that they fall anywhere in it.
const PROBE_EVERY: Duration = Duration::from_millis(27);
/// The feature that only probes ask for.
pub(crate) const PROBED: &str = "probed";
const SOURCE: &str = "//flywheel/bench/freshness";

/// What flows.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) teams: usize,
    pub(crate) features: usize,
    pub(crate) accounts: usize,
    pub(crate) events_per_s: usize,
}

/// When the probes of each team were produced, in order.
#[derive(Default)]
pub(crate) struct Probes(Mutex<Vec<Vec<Instant>>>);

impl Probes {
    /// When the team's probe of that number was produced, if it was.
    pub(crate) fn produced(&self, team: usize, number: usize) -> Option<Instant> {
        self.0.lock().ok()?.get(team)?.get(number).copied()
    }

    /// How many probes the team has had.
    pub(crate) fn count(&self, team: usize) -> usize {
        self.0.lock().map_or(0, |probes| probes.get(team).map_or(0, Vec::len))
    }

    fn add(&self, team: usize) {
        if let Ok(mut probes) = self.0.lock() {
            if probes.len() <= team {
                probes.resize(team + 1, Vec::new());
            }
            probes[team].push(Instant::now());
        }
    }
}

/// The id of a team.
pub(crate) fn team_id(team: usize) -> String {
    format!("team-{team}")
}

/// Defines the teams' features.
pub(crate) fn define(stack: &Stack, size: &Size) {
    let time = time();
    let features = (0..size.features).map(|feature| format!("feature-{feature}")).chain([PROBED.to_owned()]);
    let features: Vec<String> = features.collect();
    let records = (0..size.teams).flat_map(|team| {
        let time = &time;
        features.iter().map(move |feature| {
            let team = team_id(team);
            let headers = [
                ("ce_specversion", "1.0"),
                ("ce_id", &format!("{team}/{feature}")),
                ("ce_source", SOURCE),
                ("ce_type", "io.flywheel.feature.defined.v1"),
                ("ce_time", time),
            ];
            Described {
                topic: CATALOG.to_owned(),
                partition: None,
                key: Some(format!("feature:{team}/{feature}")),
                headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
                payload: Some(
                    format!(r#"{{"team":"{team}","feature":"{feature}","title":"{feature}","status":"proposed"}}"#)
                        .into_bytes(),
                ),
            }
        })
    });
    produce(stack, records);
}

/// Events at a steady rate, until it is stopped.
pub(crate) struct Stream {
    stop: Arc<AtomicBool>,
    produced: Arc<AtomicU64>,
    thread: JoinHandle<anyhow::Result<()>>,
}

struct Payload {
    topic: &'static str,
    kind: &'static str,
    key: String,
    data: String,
}

impl Stream {
    pub(crate) fn start(stack: &Stack, size: Size) -> anyhow::Result<Self> {
        let (stop, produced) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&produced));
        let producer = producer(stack)?;
        let thread = thread::spawn(move || {
            let payloads = payloads(&size);
            let begun = Instant::now();
            let mut sent = 0_u64;
            while !stopped.load(Ordering::Relaxed) {
                let due = (begun.elapsed().as_secs_f64() * size.events_per_s as f64) as u64;
                let time = time();
                while sent < due {
                    let payload = &payloads[sent as usize % payloads.len()];
                    send(
                        &producer,
                        payload.topic,
                        None,
                        &payload.key,
                        payload.kind,
                        &format!("e{sent}"),
                        &time,
                        &payload.data,
                    )?;
                    sent += 1;
                }
                count.store(sent, Ordering::Relaxed);
                producer.poll(Duration::ZERO);
                thread::sleep(TICK);
            }
            producer.flush(FLUSH_MAX).context("Kafka did not take every event")
        });
        Ok(Self { stop, produced, thread })
    }

    /// How many events were produced so far.
    pub(crate) fn produced(&self) -> u64 {
        self.produced.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the stream failed"))?
    }
}

/// Of a hundred, 96 tell of usage, three of a need, one is a request.
fn payloads(size: &Size) -> Vec<Payload> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    (0..PAYLOADS)
        .map(|number| {
            let team = team_id(random.random_range(0..size.teams));
            let feature = random.random_range(0..size.features);
            let account = random.random_range(0..size.accounts);
            let head = format!(r#""team":"{team}","feature":"feature-{feature}","account":"account-{account}""#);
            let (topic, kind, rest) = match number % 100 {
                0 => (REQUESTS, "io.flywheel.request.stated.v1", r#""importance":"important""#),
                1..=3 => (USAGE, "io.flywheel.need.signaled.v1", r#""signal":"full_scan","count":1"#),
                _ => (
                    USAGE,
                    "io.flywheel.usage.observed.v1",
                    r#""operation":"query","count":1,"duration_us":1200,"outcome":"ok""#,
                ),
            };
            Payload { topic, kind, key: format!("account-{account}"), data: format!("{{{head},{rest}}}") }
        })
        .collect()
}

/// Probes every team in turn for so long. A team's probes lie in one partition, so that they count in their order.
pub(crate) fn probe(
    stack: &Stack,
    teams: usize,
    during: Duration,
    probes: Arc<Probes>,
) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    let producer = producer(stack)?;
    Ok(thread::spawn(move || {
        let begun = Instant::now();
        let mut number = 0;
        while begun.elapsed() < during {
            let team = number % teams;
            let data = format!(
                r#"{{"team":"{}","feature":"{PROBED}","account":"probe-{number}","importance":"critical"}}"#,
                team_id(team)
            );
            let (key, id) = (format!("probe-{number}"), format!("p{number}"));
            // It is under way from here on.
            probes.add(team);
            send(&producer, REQUESTS, Some(0), &key, "io.flywheel.request.stated.v1", &id, &time(), &data)?;
            producer.poll(Duration::ZERO);
            number += 1;
            thread::sleep(PROBE_EVERY);
        }
        producer.flush(FLUSH_MAX).context("Kafka did not take every probe")
    }))
}

fn producer(stack: &Stack) -> anyhow::Result<BaseProducer> {
    ClientConfig::new()
        .set("bootstrap.servers", stack.kafka_brokers())
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .set("compression.type", "lz4")
        .create()
        .context("cannot make a producer")
}

#[expect(clippy::too_many_arguments, reason = "a record has so many parts")]
fn send(
    producer: &BaseProducer,
    topic: &str,
    partition: Option<i32>,
    key: &str,
    kind: &str,
    id: &str,
    time: &str,
    data: &str,
) -> anyhow::Result<()> {
    let headers =
        [("ce_specversion", "1.0"), ("ce_id", id), ("ce_source", SOURCE), ("ce_type", kind), ("ce_time", time)];
    let headers = headers.into_iter().fold(OwnedHeaders::new_with_capacity(5), |headers, (key, value)| {
        headers.insert(Header { key, value: Some(value) })
    });
    let mut record = BaseRecord::to(topic).key(key).payload(data).headers(headers);
    record.partition = partition;
    while let Err((error, returned)) = producer.send(record) {
        if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
            return Err(error).context("cannot produce");
        }
        producer.poll(Duration::from_millis(1));
        record = returned;
    }
    Ok(())
}

/// Now, as RFC 3339 has it, to the microsecond.
fn time() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    domain::time::Timestamp(micros).to_rfc3339()
}
