//! What is measured of access.

use std::sync::{Arc, Weak};

use opentelemetry::{KeyValue, global, metrics::Counter};

use super::ring::Ring;

/// Requests turned away before a handler saw them, by reason.
const REFUSALS: &str = "flywheel.api.access.refusals";
/// Keys held.
const KEYS: &str = "flywheel.api.keys";
/// How long ago the keys were as they are held.
const KEYS_AGE: &str = "flywheel.api.keys.age";

/// Why somebody was turned away.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    NoKey,
    WrongKey,
    WrongToken,
    Barred,
    Limited,
    KeysAway,
    IssuerAway,
}

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::WrongKey => "wrong_key",
            Self::WrongToken => "wrong_token",
            Self::Barred => "too_many_wrong_keys",
            Self::Limited => "too_many_requests",
            Self::KeysAway => "keys_away",
            Self::IssuerAway => "issuer_away",
        }
    }
}

#[derive(Debug)]
pub(crate) struct AccessMetrics {
    refusals: Counter<u64>,
}

impl AccessMetrics {
    pub(crate) fn new() -> Self {
        Self {
            refusals: global::meter("flywheel.api")
                .u64_counter(REFUSALS)
                .with_unit("{request}")
                .with_description("Requests turned away for their key or token, or for want of one, by reason.")
                .build(),
        }
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        self.refusals.add(1, &[KeyValue::new("flywheel.reason", refusal.reason())]);
    }
}

/// Reports what the ring holds for as long as it lives.
pub(crate) fn observe(ring: &Arc<Ring>) {
    let meter = global::meter("flywheel.api");
    let held: Weak<Ring> = Arc::downgrade(ring);
    meter
        .u64_observable_gauge(KEYS)
        .with_unit("{key}")
        .with_description("API keys held.")
        .with_callback(move |gauge| {
            if let Some(ring) = held.upgrade().filter(|ring| ring.age().is_some()) {
                gauge.observe(ring.len() as u64, &[]);
            }
        })
        .build();
    let held: Weak<Ring> = Arc::downgrade(ring);
    meter
        .f64_observable_gauge(KEYS_AGE)
        .with_unit("s")
        .with_description("Seconds since the API keys were read from ClickHouse.")
        .with_callback(move |gauge| {
            if let Some(age) = held.upgrade().and_then(|ring| ring.age()) {
                gauge.observe(age.as_secs_f64(), &[]);
            }
        })
        .build();
}
