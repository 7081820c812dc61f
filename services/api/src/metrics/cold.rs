//! What is measured of the answers that are computed from ClickHouse.

use std::time::Instant;

use kit::telemetry::{SECONDS_BOUNDARIES, seconds_histogram};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, UpDownCounter},
};

use super::meter;
use crate::error::Error;

/// Requests for a computed answer, by how they came to it.
const COMPUTED_REQUESTS: &str = "flywheel.api.computed.requests";
/// How long computing an answer took.
const COMPUTED_DURATION: &str = "flywheel.api.computed.duration";
/// Answers being computed.
const COMPUTED_IN_FLIGHT: &str = "flywheel.api.computed.in_flight";
/// Questions that wait for their turn.
const COMPUTED_WAITING: &str = "flywheel.api.computed.waiting";
/// How long they waited.
const COMPUTED_WAIT_DURATION: &str = "flywheel.api.computed.wait.duration";
/// Answers kept.
const COMPUTED_KEPT: &str = "flywheel.api.computed.kept";
/// What they weigh.
const COMPUTED_KEPT_SIZE: &str = "flywheel.api.computed.kept.size";
/// Which question it is.
const QUESTION: &str = "flywheel.question";
/// What became of it.
const OUTCOME: &str = "flywheel.outcome";

/// Measurements of what is computed from ClickHouse.
#[derive(Clone, Debug)]
pub(crate) struct ColdMetrics {
    requests: Counter<u64>,
    duration: Histogram<f64>,
    in_flight: UpDownCounter<i64>,
    waiting: UpDownCounter<i64>,
    wait_duration: Histogram<f64>,
}

/// How a request came to a computed answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// It was kept.
    Kept,
    /// Another request's was under way.
    Joined,
    /// It had to be computed.
    Computed,
}

impl ColdMetrics {
    pub(crate) fn new() -> Self {
        let meter = meter();
        let counted = |name, unit, description| {
            meter.i64_up_down_counter(name).with_unit(unit).with_description(description).build()
        };
        Self {
            requests: meter
                .u64_counter(COMPUTED_REQUESTS)
                .with_unit("{request}")
                .with_description("Requests for a computed answer: kept, joined while it was computed, or computed.")
                .build(),
            duration: seconds_histogram(
                &meter,
                COMPUTED_DURATION,
                "Duration of computing an answer from ClickHouse.",
                SECONDS_BOUNDARIES,
            ),
            in_flight: counted(COMPUTED_IN_FLIGHT, "{answer}", "Answers that are being computed."),
            waiting: counted(COMPUTED_WAITING, "{question}", "Questions that wait for their turn to be computed."),
            wait_duration: seconds_histogram(
                &meter,
                COMPUTED_WAIT_DURATION,
                "Duration of the waits for a turn, of those that had to wait.",
                SECONDS_BOUNDARIES,
            ),
        }
    }

    /// A request came to its answer so.
    pub(crate) fn came(&self, question: &'static str, came: Came) {
        let outcome = match came {
            Came::Kept => "kept",
            Came::Joined => "joined",
            Came::Computed => "computed",
        };
        self.requests.add(1, &[KeyValue::new(QUESTION, question), KeyValue::new(OUTCOME, outcome)]);
    }

    /// An answer is being computed until the guard goes.
    pub(crate) fn computing(&self, question: &'static str) -> Computing {
        self.in_flight.add(1, &[]);
        Computing { metrics: self.clone(), question, outcome: "abandoned", began: Instant::now() }
    }

    /// A question waits until the guard goes.
    pub(crate) fn waiting(&self) -> Waiting {
        self.waiting.add(1, &[]);
        Waiting { metrics: self.clone(), began: Instant::now() }
    }
}

/// An answer being computed; given up, unless it is done.
pub(crate) struct Computing {
    metrics: ColdMetrics,
    question: &'static str,
    outcome: &'static str,
    began: Instant,
}

impl Computing {
    /// It has come to an end.
    pub(crate) fn done(mut self, error: Option<&Error>) {
        self.outcome = match error {
            None => "answered",
            Some(error) if error.status().is_server_error() => "failed",
            Some(_) => "refused",
        };
    }
}

impl Drop for Computing {
    fn drop(&mut self) {
        self.metrics.in_flight.add(-1, &[]);
        let attributes = [KeyValue::new(QUESTION, self.question), KeyValue::new(OUTCOME, self.outcome)];
        self.metrics.duration.record(self.began.elapsed().as_secs_f64(), &attributes);
    }
}

/// A question that waits for its turn.
pub(crate) struct Waiting {
    metrics: ColdMetrics,
    began: Instant,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.metrics.waiting.add(-1, &[]);
        self.metrics.wait_duration.record(self.began.elapsed().as_secs_f64(), &[]);
    }
}

/// Reports how many computed answers are kept, and what they weigh in bytes.
pub(crate) fn observe_kept(
    answers: impl Fn() -> u64 + Send + Sync + 'static,
    bytes: impl Fn() -> u64 + Send + Sync + 'static,
) {
    let meter = meter();
    meter
        .u64_observable_gauge(COMPUTED_KEPT)
        .with_unit("{answer}")
        .with_description("Computed answers that are kept.")
        .with_callback(move |gauge| gauge.observe(answers(), &[]))
        .build();
    meter
        .u64_observable_gauge(COMPUTED_KEPT_SIZE)
        .with_unit("By")
        .with_description("What the computed answers that are kept weigh as JSON.")
        .with_callback(move |gauge| gauge.observe(bytes(), &[]))
        .build();
}
