//! The ranker role's own instruments.

use std::time::Duration;

use opentelemetry::{
    global,
    metrics::{Counter, Histogram},
};

/// The instruments.
pub(crate) struct Metrics {
    rankings: Counter<u64>,
    duration: Histogram<f64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = global::meter("flywheel.ranker");
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
        }
    }

    /// A ranking was published `took` after it was begun.
    pub(crate) fn published(&self, took: Duration) {
        self.rankings.add(1, &[]);
        self.duration.record(took.as_secs_f64(), &[]);
    }
}
