//! Sums over accounts as ClickHouse answers with them.

use clickhouse::Row;
use domain::{score::PARTS, tally::Tally};
use serde::Deserialize;

/// The sums of one feature over the accounts of one tier.
#[derive(Clone, Row, Deserialize)]
pub(crate) struct SumsRow<Whose> {
    /// What else sets these accounts or this feature apart.
    pub(crate) whose: Whose,
    pub(crate) tier: i8,
    /// In parts.
    asked: i64,
    /// In parts.
    both: i64,
    needing: u64,
    top: f64,
    asking: u64,
    requests: u64,
    lapsed: u64,
    never_used: u64,
    /// Active ones.
    pub(crate) accounts: u64,
    /// Those of them that used anything.
    pub(crate) used: u64,
}

impl<Whose> SumsRow<Whose> {
    /// Adds them to a feature's sums, an account of the tier weighing so much.
    pub(crate) fn add_to(&self, tally: &mut Tally, weight: f64) {
        tally.asked += weight * of_parts(self.asked);
        tally.needed += weight * self.needing as f64;
        tally.both += weight * of_parts(self.both);
        tally.top = tally.top.max(weight * self.top);
        tally.asking += self.asking;
        tally.requests += self.requests;
        tally.lapsed += self.lapsed;
        tally.never_used += self.never_used;
        tally.needing += self.needing;
    }
}

/// A sum of shares, which ClickHouse counts in parts: an account's is a whole number of them, and those of 2²³ accounts fit.
pub(crate) fn of_parts(parts: i64) -> f64 {
    parts as f64 / PARTS
}
