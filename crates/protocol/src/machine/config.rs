//! The machine's limits.

use crate::metadata::RANGES_MAX;

/// Limits, each with its unit. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Raised by hand after rows were deleted or commits were moved: what is inserted from then on meets no older token.
    pub epoch: u32,
    /// How many ranges a partition may have in flight, 1 to 4; beyond these values the nearest counts.
    pub ranges_in_flight_max: usize,
    /// A topic's open ranges are declared once they hold this many records ...
    pub group_records_max: u64,
    /// ... or this many bytes.
    pub group_bytes_max: u64,
    /// An insert goes out only if the last successful commit was sent at most this long ago. Well below the session timeout.
    pub fence_age_ms_max: u64,
    /// How long a revoked partition is kept for what is in flight. Below the rebalance timeout.
    pub release_wait_ms_max: u64,
    /// With nothing to declare, the low-water mark is committed after this long.
    pub idle_commit_ms: u64,
    /// The pause before anything that failed is tried again.
    pub retry_pause_ms: u64,
    /// The greatest number a token may get before the machine stops and says so.
    pub token_number_max: u32,
}

impl Config {
    pub(super) fn ranges_in_flight(&self) -> usize {
        self.ranges_in_flight_max.clamp(1, RANGES_MAX)
    }
}
