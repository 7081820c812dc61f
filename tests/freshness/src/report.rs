//! The figures.

use std::{io::Write as _, path::Path, time::Duration};

use anyhow::Context as _;
use serde::Serialize;

use crate::Options;

/// What a round has measured; times in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Round {
    teams: usize,
    features: usize,
    accounts: usize,
    events_per_s: f64,
    probes: usize,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Round {
    /// `latencies` in ascending order.
    pub(crate) fn new(teams: usize, options: &Options, flowed: u64, latencies: Vec<Duration>) -> Self {
        let at = |share: f64| {
            let place = ((latencies.len() as f64 * share).ceil() as usize).clamp(1, latencies.len().max(1));
            latencies.get(place - 1).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
        };
        Self {
            teams,
            features: options.features,
            accounts: options.accounts,
            events_per_s: flowed as f64 / options.measure_s as f64,
            probes: latencies.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            max_ms: at(1.0),
        }
    }

    pub(crate) fn line(&self) -> String {
        format!(
            "{:>3} teams, {:>6.0} events/s: {:>5} probes, p50 {:>5.0} ms, p90 {:>5.0} ms, p99 {:>5.0} ms, at most {:>5.0} ms",
            self.teams, self.events_per_s, self.probes, self.p50_ms, self.p90_ms, self.p99_ms, self.max_ms
        )
    }
}

/// Writes what was measured so far.
pub(crate) fn write(path: &Path, rounds: &[Round]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let json = serde_json::to_string_pretty(&serde_json::json!({ "rounds": rounds }))?;
    std::fs::write(path, json + "\n").with_context(|| format!("cannot write {}", path.display()))
}

/// To whoever looks on.
pub(crate) fn say(line: &str) {
    // Nobody is told that nobody listens.
    let _ = writeln!(std::io::stderr(), "{line}");
}
