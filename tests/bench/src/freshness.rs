//! Freshness: at a steady rate, how long from producing an event until its row is visible.
//!
//! Every so often an event is a probe: one of a team of its own, so that its row is found without reading others. It shares
//! partitions, batches and inserts with the rest. Its `time` is the instant before it is handed to the producer.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use devstack::Progress;
use flywheel_sdk::{Event, EventTime, Outcome, Record, UsageObserved};
use rdkafka::producer::Producer as _;
use serde_json::{Value, json};
use wire::topics::USAGE;

use crate::{
    arms::pipeline::Ingest,
    backlog::{ends, now_us, producer, send},
    events::{Events, id},
    meter::Reading,
    site::Site,
    spread::quantile,
};

const PROBE_TEAM: &str = "bench-probe";
const PROBES_PER_S: u64 = 100;
/// Not measured: the first seconds, in which ingest starts and takes its partitions.
const WARM_UP: Duration = Duration::from_secs(8);
/// A look costs ClickHouse some milliseconds, so more of them would slow down what is measured. Ages are too high by half of it.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LAST_ROW_MAX: Duration = Duration::from_secs(30);
/// Records are made beforehand; each gets an id of its own when it is sent.
const RECORDS: usize = 20_000;
const STEP: Duration = Duration::from_millis(5);

/// What was seen.
pub(crate) struct Freshness {
    /// What was asked for. Producer, Kafka, ingest and ClickHouse share the machine, and may not reach it together.
    wanted_per_s: f64,
    /// What was produced.
    rate_per_s: f64,
    /// Milliseconds, sorted.
    ages_ms: Vec<f64>,
    cores_used: f64,
}

impl Freshness {
    /// Two lines for people.
    pub(crate) fn text(&self) -> String {
        let Self { wanted_per_s, rate_per_s, ages_ms, cores_used } = self;
        let [p50, p99] = [0.5, 0.99].map(|share| quantile(ages_ms, share));
        format!(
            "at {rate_per_s:.0} events a second ({wanted_per_s:.0} wanted), from produce to visible row: p50 {p50:.0} ms, p99 {p99:.0} ms, \
             {} probes, {cores_used:.2} cores busy, the producer's included\n",
            ages_ms.len()
        )
    }

    /// For the file.
    pub(crate) fn json(&self) -> Value {
        let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|share| quantile(&self.ages_ms, share));
        json!({
            "events_per_s": self.rate_per_s,
            "events_per_s_wanted": self.wanted_per_s,
            "probes": self.ages_ms.len(),
            "p50_ms": p50,
            "p90_ms": p90,
            "p99_ms": p99,
            "max_ms": max,
            "cores_used": self.cores_used,
        })
    }
}

/// Produces `rate_per_s` events a second for `length` while `binary` ingests them, as a member of `group`, which has read everything
/// that is there.
///
/// # Errors
/// When a row does not come.
pub(crate) async fn measure(
    site: &Site,
    binary: &Path,
    rate_per_s: f64,
    length: Duration,
    group: &str,
    progress: &Progress,
) -> anyhow::Result<Freshness> {
    site.empty_tables().await?;
    let before: i64 = ends(site.brokers(), USAGE)?.iter().sum();
    let ingest = Ingest::start(site, binary, group)?;
    let process = ingest.process()?;
    progress.step(format_args!("producing {rate_per_s:.0} events a second for {} s", (WARM_UP + length).as_secs()));

    let stop = AtomicBool::new(false);
    let (sent, watched) = tokio::try_join!(
        async {
            let brokers = site.brokers().to_owned();
            let sent = tokio::task::spawn_blocking(move || produce(&brokers, rate_per_s, WARM_UP + length)).await?;
            stop.store(true, Ordering::Relaxed);
            sent
        },
        async {
            tokio::time::sleep(WARM_UP).await;
            let reading = Reading::take(site, Some(&process))?;
            let ages = watch(site, &stop).await?;
            Ok((ages, Reading::take(site, Some(&process))?.since(&reading)))
        },
    )?;
    let (ages, cost) = watched;
    let produced: i64 = ends(site.brokers(), USAGE)?.iter().sum::<i64>() - before;
    ensure!(produced.unsigned_abs() == sent.events, "{} events were sent, Kafka has {produced}", sent.events);
    let deadline = Instant::now() + LAST_ROW_MAX;
    while site.number("SELECT count() FROM usage").await? < sent.events {
        ensure!(Instant::now() < deadline, "rows are missing after the freshness run");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    ingest.stop().await?;
    let mut ages_ms: Vec<f64> = ages;
    ensure!(ages_ms.len() as u64 > PROBES_PER_S, "too few probes were seen: {}", ages_ms.len());
    ages_ms.sort_by(f64::total_cmp);
    let cores_used =
        (cost.process_s + cost.clickhouse_s + cost.broker_s + cost.others_s + cost.bench_s) / cost.elapsed_s;
    let reached_per_s = sent.events as f64 / sent.elapsed.as_secs_f64();
    Ok(Freshness { wanted_per_s: rate_per_s, rate_per_s: reached_per_s, ages_ms, cores_used })
}

struct Sent {
    events: u64,
    elapsed: Duration,
}

/// Sends at a steady rate, in small steps.
fn produce(brokers: &str, rate_per_s: f64, length: Duration) -> anyhow::Result<Sent> {
    let producer = producer(brokers)?;
    let mut events = Events::new(RECORDS as u64, 1, now_us());
    let mut records = (0..RECORDS).map(|_| events.next_record()).collect::<anyhow::Result<Vec<Record>>>()?;
    let probe_every = (rate_per_s / PROBES_PER_S as f64).max(1.0) as u64;
    let began = Instant::now();
    let total = (rate_per_s * length.as_secs_f64()) as u64;
    let mut sent = 0;
    while sent < total {
        let due = ((began.elapsed().as_secs_f64() * rate_per_s) as u64).min(total);
        while sent < due {
            if sent % probe_every == 0 {
                send(&producer, USAGE, &probe(sent)?)?;
            } else {
                let record = &mut records[(sent as usize) % RECORDS];
                let id = id(now_us() / 1_000, unique(sent));
                record
                    .headers
                    .iter_mut()
                    .filter(|(name, _)| name == "ce_id")
                    .for_each(|(_, value)| *value = id.clone().into_bytes());
                send(&producer, USAGE, record)?;
            }
            sent += 1;
        }
        producer.poll(Duration::ZERO);
        std::thread::sleep(STEP);
    }
    let elapsed = began.elapsed();
    producer.flush(Duration::from_secs(30)).context("Kafka did not take the last events")?;
    Ok(Sent { events: sent, elapsed })
}

fn unique(number: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// An event whose time is now.
fn probe(number: u64) -> anyhow::Result<Record> {
    let data = UsageObserved {
        team: PROBE_TEAM.to_owned(),
        feature: "probe".to_owned(),
        account: format!("probe-{}", number % 997),
        operation: "probe".to_owned(),
        count: 1,
        duration_us: None,
        outcome: Some(Outcome::Ok),
    };
    let time = EventTime::At(std::time::SystemTime::now());
    Ok(Record::of(&Event::new("//bench", time, data).with_id(id(now_us() / 1_000, unique(number))))?)
}

/// The ages of the probes' rows when they are first seen, until `stop`.
async fn watch(site: &Site, stop: &AtomicBool) -> anyhow::Result<Vec<f64>> {
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    let mut ages = Vec::new();
    // What was there before is not measured.
    let mut first = true;
    let mut from_us = 0;
    while !stop.load(Ordering::Relaxed) {
        let sql = format!(
            "SELECT toUnixTimestamp64Micro(time) FROM usage WHERE team = '{PROBE_TEAM}' AND time > fromUnixTimestamp64Micro({from_us})"
        );
        let times: Vec<i64> = site.client().query(&sql).fetch_all::<i64>().await?;
        let now = i64::try_from(now_us())?;
        for time in times {
            if seen.insert(time) && !first {
                ages.push((now - time) as f64 / 1_000.0);
            }
        }
        first = false;
        // Looking back further than any row is late.
        from_us = now - 10_000_000;
        seen = seen.split_off(&from_us);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(ages)
}
