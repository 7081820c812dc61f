//! One round of one arm.

use crate::meter::Cost;

/// What was measured. Seconds of processor time where nothing else is said.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) rows: u64,
    /// From the first record read to the last row visible.
    pub(crate) elapsed_s: f64,
    pub(crate) cost: Cost,
    /// ClickHouse's merges of the arm's parts after the last row was visible.
    pub(crate) merges_after_s: f64,
    pub(crate) peak_mib: f64,
    pub(crate) clickhouse_peak_mib: f64,
    /// Why the round does not count; empty when it does.
    pub(crate) void: Vec<String>,
}

/// The processors of others may take so much of the machine before a round does not count.
pub(crate) const OTHERS_SHARE_MAX: f64 = 0.10;

impl Sample {
    /// Rows per second.
    pub(crate) fn rows_per_s(&self) -> f64 {
        self.rows as f64 / self.elapsed_s
    }

    /// `seconds` for a million rows.
    pub(crate) fn per_million(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.rows as f64
    }

    /// The part of the machine's time that went to processes that are not the arm's.
    pub(crate) fn others_share(&self) -> f64 {
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        self.cost.others_s / (self.cost.elapsed_s * cores)
    }
}
