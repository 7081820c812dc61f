//! Measurements of HTTP.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::Relaxed},
};

use axum::http::Method;
use kit::telemetry::{SECONDS_BOUNDARIES, seconds_histogram};
use opentelemetry::{KeyValue, metrics::Histogram};
use opentelemetry_semantic_conventions::{attribute, metric};

use super::meter;

/// The methods that are told apart, the commonest first; the last stands for all others.
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "_OTHER"];

/// Measurements of HTTP.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    pub(crate) duration: Histogram<f64>,
    /// Requests under way by method. Numbers of our own, which are looked at when they are wanted: to count one up and down
    /// again costs a request ten times as much in a map of attributes.
    active: Arc<[AtomicI64; METHODS.len()]>,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
}

impl HttpMetrics {
    /// Measurements of a server of this scheme.
    pub(crate) fn new(scheme: &'static str) -> Self {
        let meter = meter();
        let active: Arc<[AtomicI64; METHODS.len()]> = Arc::default();
        let counted = Arc::downgrade(&active);
        meter
            .i64_observable_up_down_counter(metric::HTTP_SERVER_ACTIVE_REQUESTS)
            .with_unit("{request}")
            .with_description("Number of active HTTP server requests.")
            .with_callback(move |counter| {
                let Some(counted) = counted.upgrade() else { return };
                for (method, active) in METHODS.into_iter().zip(counted.iter()) {
                    let active = active.load(Relaxed);
                    if active != 0 || method == METHODS[0] {
                        counter.observe(active, &attributes(method, scheme));
                    }
                }
            })
            .build();
        let duration = seconds_histogram(
            &meter,
            metric::HTTP_SERVER_REQUEST_DURATION,
            "Duration of HTTP server requests.",
            SECONDS_BOUNDARIES,
        );
        Self { duration, active, scheme }
    }

    /// Counts a request as active until the guard goes, also when the client leaves first.
    pub(crate) fn active(&self, method: &'static str) -> Active<'_> {
        let place = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1);
        let active = &self.active[place];
        active.fetch_add(1, Relaxed);
        Active(active)
    }
}

/// A method as measurements and traces name it (RFC 9110 and RFC 5789): what a client made up is `_OTHER`.
pub(crate) fn named(method: &Method) -> &'static str {
    METHODS.into_iter().find(|known| *known == method.as_str()).unwrap_or(METHODS[METHODS.len() - 1])
}

/// A request under way.
pub(crate) struct Active<'a>(&'a AtomicI64);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn attributes(method: &'static str, scheme: &'static str) -> [KeyValue; 2] {
    [KeyValue::new(attribute::HTTP_REQUEST_METHOD, method), KeyValue::new(attribute::URL_SCHEME, scheme)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_under_way_are_counted_by_method_until_they_go() {
        let metrics = HttpMetrics::new("http");
        let counts = || metrics.active.iter().map(|active| active.load(Relaxed)).collect::<Vec<_>>();
        let (get, other) = (metrics.active("GET"), metrics.active(named(&"BREW".parse().unwrap())));
        assert_eq!(counts(), [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        drop((get, other));
        assert_eq!(counts(), [0; 10]);
    }
}
