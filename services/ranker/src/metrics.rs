//! The ranker role's own instruments.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use opentelemetry::{
    global,
    metrics::{Counter, Gauge, Histogram, ObservableGauge},
};

use crate::clock;

/// Where no team is led.
const NOBODY: i64 = i64::MAX;

/// The instruments.
pub(crate) struct Metrics {
    rankings: Counter<u64>,
    duration: Histogram<f64>,
    shards: Gauge<u64>,
    takeovers: Counter<u64>,
    fenced: Counter<u64>,
    merge_cycles: Gauge<u64>,
    oldest_s: Arc<AtomicI64>,
    _oldest: ObservableGauge<f64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = global::meter("flywheel.ranker");
        let oldest_s = Arc::new(AtomicI64::new(NOBODY));
        let observed = Arc::clone(&oldest_s);
        Self {
            rankings: meter
                .u64_counter("flywheel.ranker.rankings")
                .with_unit("{ranking}")
                .with_description("Rankings published.")
                .build(),
            duration: kit::telemetry::seconds_histogram(
                &meter,
                "flywheel.ranker.duration",
                "From the beginning of a ranking to its publication.",
                kit::telemetry::SECONDS_BOUNDARIES,
            ),
            shards: meter
                .u64_gauge("flywheel.ranker.shards")
                .with_unit("{shard}")
                .with_description("Shards held by this process: partitions of the rankings topic.")
                .build(),
            takeovers: meter
                .u64_counter("flywheel.ranker.takeovers")
                .with_unit("{shard}")
                .with_description("Shards that this process was given.")
                .build(),
            fenced: meter
                .u64_counter("flywheel.ranker.fenced")
                .with_unit("{ranking}")
                .with_description("Rankings that were not published because their shard had moved, or may have.")
                .build(),
            merge_cycles: meter
                .u64_gauge("flywheel.ranker.merge_cycles")
                .with_unit("{cycle}")
                .with_description("Circles of merged features in the rankings that this process published last.")
                .build(),
            _oldest: meter
                .f64_observable_gauge("flywheel.ranker.oldest_publication")
                .with_unit("s")
                .with_description("Time since the last publication of the team that has waited longest.")
                .with_callback(move |observer| {
                    let oldest_s = observed.load(Ordering::Relaxed);
                    if let (true, Ok(now_s)) = (oldest_s != NOBODY, clock::now_s()) {
                        observer.observe((now_s - oldest_s).max(0) as f64, &[]);
                    }
                })
                .build(),
            oldest_s,
        }
    }

    /// A ranking was published `took` after it was begun.
    pub(crate) fn published(&self, took: Duration) {
        self.rankings.add(1, &[]);
        self.duration.record(took.as_secs_f64(), &[]);
    }

    /// So many shards are held.
    pub(crate) fn leads(&self, shards: usize) {
        self.shards.record(shards as u64, &[]);
    }

    /// A shard was given to us.
    pub(crate) fn taken_over(&self) {
        self.takeovers.add(1, &[]);
    }

    /// So many rankings were not published, because their shard had moved or may have.
    pub(crate) fn fenced(&self, rankings: usize) {
        self.fenced.add(rankings as u64, &[]);
    }

    /// So many circles of merged features are in the rankings published last.
    pub(crate) fn merge_cycles(&self, cycles: usize) {
        self.merge_cycles.record(cycles as u64, &[]);
    }

    /// When the team that has waited longest was last published; none if no team is led.
    pub(crate) fn oldest(&self, oldest_s: Option<i64>) {
        self.oldest_s.store(oldest_s.unwrap_or(NOBODY), Ordering::Relaxed);
    }
}
