//! The backlog's events: usage of a few teams, as the SDK writes it.
//!
//! Who does what is skewed as it is in life: an account uses 8 of its team's features, and the busiest tenth of the accounts
//! makes a third of the events. Days follow each other. The same seed gives the same events; ids are their own.

use std::time::{Duration, UNIX_EPOCH};

use flywheel_sdk::{Event, EventTime, Outcome, Record, UsageObserved};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use uuid::Builder;

const TEAMS: [&str; 4] = ["dynamodb", "lambda", "object-store", "search"];
const SOURCES: [&str; 3] = ["//telemetry/eu-west", "//telemetry/us-east", "//telemetry/ap-south"];
const FEATURES: u32 = 28;
const FEATURES_OF_AN_ACCOUNT: u32 = 8;
const ACCOUNTS_OF_A_TEAM: u32 = 2_000;
const OPERATIONS: [&str; 6] = ["get", "put", "query", "scan", "batch_write", "delete"];
const SEED: u64 = 20_261_121;

/// The events of a backlog, spread evenly over the days before its end.
pub(crate) struct Events {
    rng: ChaCha8Rng,
    /// Of the next event, Unix time in microseconds.
    time_us: u64,
    step_us: u64,
}

impl Events {
    /// `count` events whose times fill `days` days and end at `end_us`, Unix time in microseconds.
    pub(crate) fn new(count: u64, days: u64, end_us: u64) -> Self {
        let span_us = days * 86_400_000_000;
        Self {
            rng: ChaCha8Rng::seed_from_u64(SEED),
            time_us: end_us.saturating_sub(span_us),
            step_us: span_us / count.max(1),
        }
    }

    /// The next event's record.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(crate) fn next_record(&mut self) -> anyhow::Result<Record> {
        let rng = &mut self.rng;
        let team = rng.random_range(0..TEAMS.len());
        let account = skewed(rng, ACCOUNTS_OF_A_TEAM);
        let feature = (account * 7 + skewed(rng, FEATURES_OF_AN_ACCOUNT)) % FEATURES;
        let data = UsageObserved {
            team: TEAMS[team].to_owned(),
            feature: format!("feature-{feature:02}"),
            account: format!("customer-{:05}", team as u32 * ACCOUNTS_OF_A_TEAM + account),
            operation: OPERATIONS[rng.random_range(0..OPERATIONS.len())].to_owned(),
            count: rng.random_range(1..50),
            duration_us: rng.random_bool(0.9).then(|| rng.random_range(200..90_000)),
            outcome: match rng.random_range(0..100_u32) {
                0..5 => None,
                5..97 => Some(Outcome::Ok),
                97..99 => Some(Outcome::Error),
                _ => Some(Outcome::Denied),
            },
        };
        let time = UNIX_EPOCH + Duration::from_micros(self.time_us);
        let id = id(self.time_us / 1_000, rng.random());
        let source = SOURCES[rng.random_range(0..SOURCES.len())];
        self.time_us += self.step_us;
        Ok(Record::of(&Event::new(source, EventTime::At(time), data).with_id(id))?)
    }
}

/// A UUIDv7, such as the SDK gives to an event without an id.
pub(crate) fn id(time_ms: u64, random: [u8; 10]) -> String {
    Builder::from_unix_timestamp_millis(time_ms, &random).into_uuid().to_string()
}

/// A number below `end`; the first tenth of them comes up in a third of the draws.
fn skewed(rng: &mut ChaCha8Rng, end: u32) -> u32 {
    let unit: f64 = rng.random();
    ((unit * unit * f64::from(end)) as u32).min(end - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(record: &Record) -> usize {
        let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        record.key.len() + headers + record.payload.as_ref().map_or(0, Vec::len)
    }

    #[test]
    fn an_event_has_about_300_bytes_on_the_wire() {
        let mut events = Events::new(1_000, 3, 1_800_000_000_000_000);
        let total: usize = (0..1_000).map(|_| bytes(&events.next_record().unwrap())).sum();
        assert!((290..=350).contains(&(total / 1_000)), "{}", total / 1_000);
    }

    #[test]
    fn the_busiest_tenth_of_the_accounts_makes_a_third_of_the_events() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let busy = (0..100_000).filter(|_| skewed(&mut rng, ACCOUNTS_OF_A_TEAM) < ACCOUNTS_OF_A_TEAM / 10).count();
        assert!((30_000..33_500).contains(&busy), "{busy}");
    }
}
