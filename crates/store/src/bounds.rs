//! What one question may cost: the time until its asker gives up, and rows and memory of the server.

use std::time::{Duration, Instant};

use clickhouse::Client;
use thiserror::Error;

/// ClickHouse counts time in seconds and takes 0 for "without end", so nothing is asked with less than this.
const PATIENCE_MIN: Duration = Duration::from_millis(1);

/// What one question may cost ClickHouse. A question that would cost more is refused by the server, which says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// It reads at most so many rows, as the primary keys let it know beforehand.
    pub rows_read_max: u64,
    /// Its answer has at most so many rows.
    pub result_rows_max: u64,
    /// It takes at most so much of the server's memory.
    pub memory_bytes_max: u64,
}

impl Bounds {
    /// A client whose questions are read-only and keep within the bounds, and which the server drops when their asker leaves.
    pub(crate) fn put_on(self, client: Client) -> Client {
        client
            .with_setting("max_rows_to_read", self.rows_read_max.to_string())
            .with_setting("max_result_rows", self.result_rows_max.to_string())
            .with_setting("max_memory_usage", self.memory_bytes_max.to_string())
            .with_setting("cancel_http_readonly_queries_on_client_close", "1")
            // Only a question that is declared as one is dropped. 2, for settings come with it.
            .with_setting("readonly", "2")
    }
}

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Each one so long.
    Each(Duration),
    /// All of them until then.
    Until(Instant),
}

impl Patience {
    /// What is left of it.
    pub(crate) fn left(self) -> Duration {
        match self {
            Self::Each(patience) => patience,
            Self::Until(end) => end.saturating_duration_since(Instant::now()),
        }
        .max(PATIENCE_MIN)
    }
}

/// ClickHouse took longer than its asker had time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("ClickHouse did not answer within {} ms", .waited.as_millis())]
pub struct NoAnswer {
    /// So long was waited for this answer.
    pub waited: Duration,
}
