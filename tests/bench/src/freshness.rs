//! Freshness: at a steady rate, how long from producing an event until its row is visible.
//!
//! Every so often an event is a probe: one of a team of its own, so that its row is found without reading others. It shares
//! partitions, batches and inserts with the rest. Its `time` is the instant before it is handed to the producer.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::ensure;
use devstack::Progress;
use serde_json::{Value, json};
use wire::topics::USAGE;

use crate::{
    arms::pipeline::Ingest,
    backlog::{ends, now_us},
    meter::{Cost, Reading},
    site::Site,
    spread::quantile,
    steady::{Load, PROBE_TEAM, PROBES_PER_S},
};

/// Not measured: the first seconds, in which ingest starts and takes its partitions.
const WARM_UP: Duration = Duration::from_secs(8);
/// A look costs ClickHouse some milliseconds, so more of them would slow down what is measured. Ages are too high by half of it.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LAST_ROW_MAX: Duration = Duration::from_secs(30);

/// What was seen.
pub(crate) struct Freshness {
    /// What was asked for. Producer, Kafka, ingest and ClickHouse share the machine, and may not reach it together.
    wanted_per_s: f64,
    /// What was produced.
    rate_per_s: f64,
    /// Milliseconds, sorted.
    ages_ms: Vec<f64>,
    /// The greatest of the probes that were sent in a second. A backlog that grows is told from a moment's trouble by it.
    greatest_ms: Vec<f64>,
    /// Milliseconds by which requests left later than their time, sorted.
    late_ms: Vec<f64>,
    /// While events were produced.
    cost: Cost,
}

impl Freshness {
    /// Three lines for people.
    pub(crate) fn text(&self) -> String {
        let Self { wanted_per_s, rate_per_s, ages_ms, late_ms, cost, .. } = self;
        let [p50, p99] = [0.5, 0.99].map(|share| quantile(ages_ms, share));
        let [process, clickhouse, broker, bench] =
            [cost.process_s, cost.clickhouse_s, cost.broker_s, cost.bench_s].map(|cpu| self.per_million(cpu));
        format!(
            "at {rate_per_s:.0} events a second ({wanted_per_s:.0} wanted), from produce to visible row: p50 {p50:.0} ms, p99 {p99:.0} ms, \
             {} probes\n{:.2} cores busy, {:.2} of them with others; seconds of processor time for a million events: process {process:.2}, clickhouse \
             {clickhouse:.2}, broker {broker:.2}, producer and looks {bench:.2}\nrequests left {:.0} ms late (p99)\n",
            ages_ms.len(),
            self.cores_used(),
            cost.others_s / cost.elapsed_s,
            quantile(late_ms, 0.99),
        )
    }

    /// For the file.
    pub(crate) fn json(&self) -> Value {
        let cost = &self.cost;
        let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|share| quantile(&self.ages_ms, share));
        json!({
            "events_per_s": self.rate_per_s,
            "events_per_s_wanted": self.wanted_per_s,
            "probes": self.ages_ms.len(),
            "p50_ms": p50,
            "p90_ms": p90,
            "p99_ms": p99,
            "max_ms": max,
            "max_ms_by_second": self.greatest_ms,
            "late_p99_ms": quantile(&self.late_ms, 0.99),
            "cores_used": self.cores_used(),
            "others_cores_used": cost.others_s / cost.elapsed_s,
            "cpu_s_per_million_events": {
                "process": self.per_million(cost.process_s),
                "clickhouse": self.per_million(cost.clickhouse_s),
                "broker": self.per_million(cost.broker_s),
                "producer": self.per_million(cost.bench_s),
            },
        })
    }

    fn cores_used(&self) -> f64 {
        let Cost { process_s, clickhouse_s, broker_s, others_s, bench_s, elapsed_s } = self.cost;
        (process_s + clickhouse_s + broker_s + others_s + bench_s) / elapsed_s
    }

    /// `seconds` for a million events.
    fn per_million(&self, seconds: f64) -> f64 {
        seconds * 1e6 / (self.rate_per_s * self.cost.elapsed_s)
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
    let before = ends(site.brokers(), USAGE)?;
    let load = Load::new(before.len(), rate_per_s)?;
    let ingest = Ingest::start(site, binary, group)?;
    let process = ingest.process()?;
    progress.step(format_args!("producing {rate_per_s:.0} events a second for {} s", (WARM_UP + length).as_secs()));

    let stop = AtomicBool::new(false);
    let ((sent, last), (first, ages)) = tokio::try_join!(
        async {
            let brokers = site.brokers().to_owned();
            let sent = tokio::task::spawn_blocking(move || load.send(&brokers, WARM_UP, WARM_UP + length)).await??;
            let reading = Reading::take(site, Some(&process))?;
            all_visible(site, sent.events).await?;
            stop.store(true, Ordering::Relaxed);
            Ok((sent, reading))
        },
        async {
            tokio::time::sleep(WARM_UP).await;
            let reading = Reading::take(site, Some(&process))?;
            Ok::<_, anyhow::Error>((reading, watch(site, &stop).await?))
        },
    )?;
    let produced = ends(site.brokers(), USAGE)?.iter().sum::<i64>() - before.iter().sum::<i64>();
    ensure!(produced.unsigned_abs() == sent.events, "{} events were sent, Kafka has {produced}", sent.events);
    ingest.stop().await?;
    // Each request after the warm-up carries a probe; those of its last instants may have been visible at the first look.
    let probes = sent.late_ms.len();
    let seen = ages.len();
    ensure!(seen + PROBES_PER_S >= probes && seen > 0, "{seen} probes were seen of {probes}");
    let mut greatest: BTreeMap<i64, f64> = BTreeMap::new();
    for (sent_us, age_ms) in &ages {
        let of_second = greatest.entry(sent_us.div_euclid(1_000_000)).or_default();
        *of_second = of_second.max(*age_ms);
    }
    let mut ages_ms: Vec<f64> = ages.into_iter().map(|(_, age_ms)| age_ms).collect();
    ages_ms.sort_by(f64::total_cmp);
    Ok(Freshness {
        wanted_per_s: rate_per_s,
        rate_per_s: sent.events as f64 / sent.elapsed.as_secs_f64(),
        ages_ms,
        greatest_ms: greatest.into_values().collect(),
        late_ms: sent.late_ms,
        cost: last.since(&first),
    })
}

/// Waits until there are so many rows.
async fn all_visible(site: &Site, rows: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + LAST_ROW_MAX;
    while site.number("SELECT count() FROM usage").await? < rows {
        ensure!(Instant::now() < deadline, "rows are missing after the freshness run");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// When probes were sent, Unix time in microseconds, and how many milliseconds old their rows are when first seen; until `stop`.
///
/// Parts never change, so none is read twice: looking costs ClickHouse little, however many there are.
async fn watch(site: &Site, stop: &AtomicBool) -> anyhow::Result<Vec<(i64, f64)>> {
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    let mut read: BTreeSet<String> = BTreeSet::new();
    let mut ages = Vec::new();
    // What was there before is not measured.
    let mut first = true;
    loop {
        let last = stop.load(Ordering::Relaxed);
        let known: Vec<&String> = read.iter().collect();
        let sql =
            "SELECT toString(_part), toUnixTimestamp64Micro(time) FROM usage WHERE team = ? AND NOT has(?, _part)";
        let rows = site.client().query(sql).bind(PROBE_TEAM).bind(known).fetch_all::<(String, i64)>().await?;
        let now = i64::try_from(now_us())?;
        for (part, time) in rows {
            if seen.insert(time) && !first {
                ages.push((time, (now - time) as f64 / 1_000.0));
            }
            read.insert(part);
        }
        if last {
            return Ok(ages);
        }
        first = false;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
