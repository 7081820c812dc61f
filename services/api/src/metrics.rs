//! What the role measures.

pub(crate) mod cold;
pub(crate) mod http;

use std::{
    sync::{Arc, Weak},
    time::{SystemTime, UNIX_EPOCH},
};

use domain::time::MICROS_PER_SECOND;
use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Meter, UpDownCounter},
};
use opentelemetry_semantic_conventions::attribute;
use wire::topics::RANKINGS;

use crate::store::Store;

/// Records read from the rankings topic, by what became of them.
const RANKINGS_READ: &str = "flywheel.api.rankings.read";
/// Teams whose ranking is held.
const TEAMS: &str = "flywheel.api.teams";
/// Open connections.
const CONNECTIONS: &str = "flywheel.api.connections";
/// Connections that are open no longer, by why.
const CONNECTIONS_CLOSED: &str = "flywheel.api.connections.closed";
/// Circles of merged features.
const MERGE_CYCLES: &str = "flywheel.api.merge_cycles";
/// Age of the oldest current ranking.
const OLDEST_RANKING_AGE: &str = "flywheel.api.oldest_ranking.age";
/// Open streams.
const STREAMS: &str = "flywheel.api.streams";
/// Readers of streams that may have missed something.
const STREAM_RESETS: &str = "flywheel.api.stream.resets";

fn meter() -> Meter {
    global::meter("flywheel.api")
}

/// Measurements of the streams.
#[derive(Debug)]
pub(crate) struct StreamMetrics {
    open: UpDownCounter<i64>,
    resets: Counter<u64>,
}

impl StreamMetrics {
    pub(crate) fn new() -> Self {
        let meter = meter();
        Self {
            open: meter
                .i64_up_down_counter(STREAMS)
                .with_unit("{stream}")
                .with_description("Streams of rankings that are open.")
                .build(),
            resets: meter
                .u64_counter(STREAM_RESETS)
                .with_unit("{event}")
                .with_description("Readers of streams that started again with the current ranking.")
                .build(),
        }
    }

    /// Counts a stream as open until the guard goes.
    pub(crate) fn open(&self) -> OpenStream {
        self.open.add(1, &[]);
        OpenStream { open: self.open.clone(), resets: self.resets.clone() }
    }
}

/// An open stream.
pub(crate) struct OpenStream {
    open: UpDownCounter<i64>,
    resets: Counter<u64>,
}

impl OpenStream {
    /// Its reader started again.
    pub(crate) fn reset(&self) {
        self.resets.add(1, &[]);
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.open.add(-1, &[]);
    }
}

/// Measurements of connections.
#[derive(Debug)]
pub(crate) struct ConnectionMetrics {
    open: UpDownCounter<i64>,
    closed: Counter<u64>,
}

impl ConnectionMetrics {
    pub(crate) fn new() -> Self {
        let meter = meter();
        Self {
            open: meter
                .i64_up_down_counter(CONNECTIONS)
                .with_unit("{connection}")
                .with_description("Connections to the API that are open.")
                .build(),
            closed: meter
                .u64_counter(CONNECTIONS_CLOSED)
                .with_unit("{connection}")
                .with_description("Connections to the API that were closed, by why.")
                .build(),
        }
    }

    /// A connection was accepted.
    pub(crate) fn opened(&self) {
        self.open.add(1, &[]);
    }

    /// One has ended; `why` is one of a few fixed words.
    pub(crate) fn closed(&self, why: &'static str) {
        self.open.add(-1, &[]);
        self.closed.add(1, &[KeyValue::new("flywheel.reason", why)]);
    }
}

/// Measurements of the follower.
#[derive(Debug)]
pub(crate) struct FollowerMetrics {
    consumed: Counter<u64>,
    read: Counter<u64>,
}

impl FollowerMetrics {
    pub(crate) fn new() -> Self {
        let meter = meter();
        Self {
            consumed: kit::metrics::messaging_client_consumed_messages(&meter),
            read: meter
                .u64_counter(RANKINGS_READ)
                .with_unit("{record}")
                .with_description("Records read from the rankings topic, by outcome.")
                .build(),
        }
    }

    /// One record was read; `outcome` is one of a few fixed words.
    pub(crate) fn read(&self, outcome: &'static str) {
        self.consumed.add(
            1,
            &[
                KeyValue::new(attribute::MESSAGING_SYSTEM, "kafka"),
                KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "poll"),
                KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, RANKINGS),
            ],
        );
        self.read.add(1, &[KeyValue::new("flywheel.outcome", outcome)]);
    }
}

/// Reports what the store holds for as long as it lives.
pub(crate) fn observe(store: &Arc<Store>) {
    let meter = meter();
    let held: Weak<Store> = Arc::downgrade(store);
    meter
        .u64_observable_gauge(TEAMS)
        .with_unit("{team}")
        .with_description("Teams whose ranking the API holds.")
        .with_callback(move |gauge| {
            if let Some(store) = held.upgrade() {
                gauge.observe(store.len() as u64, &[]);
            }
        })
        .build();
    let held: Weak<Store> = Arc::downgrade(store);
    meter
        .u64_observable_gauge(MERGE_CYCLES)
        .with_unit("{cycle}")
        .with_description("Circles of features that the catalog merges into each other, over all current rankings.")
        .with_callback(move |gauge| {
            if let Some(store) = held.upgrade() {
                gauge.observe(store.merge_cycles() as u64, &[]);
            }
        })
        .build();
    let held: Weak<Store> = Arc::downgrade(store);
    meter
        .f64_observable_gauge(OLDEST_RANKING_AGE)
        .with_unit("s")
        .with_description("Seconds since the instant that the oldest current ranking was computed for.")
        .with_callback(move |gauge| {
            if let Some(oldest) = held.upgrade().and_then(|store| store.oldest_as_of()) {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
                gauge.observe(now - oldest.0 as f64 / MICROS_PER_SECOND as f64, &[]);
            }
        })
        .build();
}
