//! Options of the ingest role.

use clap::{ArgAction, Args, value_parser};

/// Options of the ingest role; every bound is named with its unit.
#[derive(Clone, Debug, Args)]
pub struct IngestConfig {
    /// Kafka consumer group.
    #[arg(long = "ingest-group", env = "FLYWHEEL_INGEST_GROUP", default_value = "flywheel-ingest")]
    pub group: String,
    /// Makes this a static member of the group: a process that returns under its id within the session takes its partitions
    /// back without a rebalance. Unique for each process.
    #[arg(long = "ingest-instance", env = "FLYWHEEL_INGEST_INSTANCE")]
    pub instance: Option<String>,
    /// To be raised by one after rows were deleted or commits moved by hand, and never lowered: what is inserted then meets no
    /// token from before. The same for every process.
    #[arg(long = "ingest-epoch", env = "FLYWHEEL_INGEST_EPOCH", default_value_t = 0)]
    pub epoch: u32,
    /// An insert is made when a topic's records are so many ...
    #[arg(long = "ingest-batch-rows-max", env = "FLYWHEEL_INGEST_BATCH_ROWS_MAX", default_value_t = 393_216, value_parser = value_parser!(u64).range(1..=1_000_000))]
    pub batch_rows_max: u64,
    /// ... or add up to so many bytes ...
    #[arg(long = "ingest-batch-bytes-max", env = "FLYWHEEL_INGEST_BATCH_BYTES_MAX", default_value_t = 160 << 20, value_parser = value_parser!(u64).range(1..))]
    pub batch_bytes_max: u64,
    /// ... or the oldest of them has waited so many milliseconds, or ten times as many while ingest is a second behind.
    #[arg(long = "ingest-flush-age-ms-max", env = "FLYWHEEL_INGEST_FLUSH_AGE_MS_MAX", default_value_t = 150, value_parser = value_parser!(u64).range(1..))]
    pub flush_age_ms_max: u64,
    /// Memory for what was read and is not durable yet, in bytes; a part of it is the Kafka client's.
    #[arg(long = "ingest-buffer-bytes-max", env = "FLYWHEEL_INGEST_BUFFER_BYTES_MAX", default_value_t = 256 << 20, value_parser = value_parser!(u64).range(16 << 20..))]
    pub buffer_bytes_max: u64,
    /// One insert may take so many milliseconds before it is looked for.
    #[arg(long = "ingest-insert-ms-max", env = "FLYWHEEL_INGEST_INSERT_MS_MAX", default_value_t = 60_000, value_parser = value_parser!(u64).range(1..))]
    pub insert_ms_max: u64,
    /// Send rows to ClickHouse in LZ4. Costs more than it saves where ClickHouse is on the same machine.
    #[arg(long = "ingest-compress", env = "FLYWHEEL_INGEST_COMPRESS", default_value_t = false, action = ArgAction::Set)]
    pub compress: bool,
    /// One commit may take so many milliseconds; an answer that comes later is not believed, and the group joined anew.
    #[arg(long = "ingest-commit-ms-max", env = "FLYWHEEL_INGEST_COMMIT_MS_MAX", default_value_t = 4_000, value_parser = value_parser!(u64).range(100..=60_000))]
    pub commit_ms_max: u64,
    /// The pause before anything that failed is tried again, in milliseconds.
    #[arg(long = "ingest-retry-pause-ms", env = "FLYWHEEL_INGEST_RETRY_PAUSE_MS", default_value_t = 500, value_parser = value_parser!(u64).range(1..))]
    pub retry_pause_ms: u64,
    /// What was written is audited every so many seconds.
    #[arg(long = "ingest-audit-s", env = "FLYWHEEL_INGEST_AUDIT_S", default_value_t = 60, value_parser = value_parser!(u64).range(1..))]
    pub audit_s: u64,
    /// The watermark is observed and published every so many milliseconds.
    #[arg(long = "ingest-watermark-ms", env = "FLYWHEEL_INGEST_WATERMARK_MS", default_value_t = 500, value_parser = value_parser!(u64).range(1..))]
    pub watermark_ms: u64,
    /// A member of the group that is silent for so many milliseconds loses its partitions.
    #[arg(long = "ingest-session-ms-max", env = "FLYWHEEL_INGEST_SESSION_MS_MAX", default_value_t = 10_000, value_parser = value_parser!(u64).range(1..))]
    pub session_ms_max: u64,
}

/// Groups that a partition may have in flight: one is inserted while the next is declared.
const RANGES_IN_FLIGHT_MAX: usize = 2;

/// A revoked partition is given so long to finish what is in flight.
const RELEASE_WAIT_MS_MAX: u64 = 5_000;

/// Without anything new, what is durable is committed after so long.
const IDLE_COMMIT_MS: u64 = 1_000;

/// Far more than the protocol ever needs; then something is wrong that it does not know.
const TOKEN_NUMBER_MAX: u32 = 8;

impl IngestConfig {
    /// The protocol's limits.
    pub(crate) fn protocol(&self) -> protocol::Config {
        protocol::Config {
            epoch: self.epoch,
            ranges_in_flight_max: RANGES_IN_FLIGHT_MAX,
            group_records_max: self.batch_rows_max,
            group_bytes_max: self.batch_bytes_max,
            fence_age_ms_max: self.session_ms_max / 2,
            release_wait_ms_max: RELEASE_WAIT_MS_MAX,
            idle_commit_ms: IDLE_COMMIT_MS,
            retry_pause_ms: self.retry_pause_ms,
            token_number_max: TOKEN_NUMBER_MAX,
        }
    }

    /// The client's pause before it repeats a commit, in milliseconds: its jitter takes up to a fifth off, so a repeat never
    /// comes before the commit's time is over.
    pub(crate) fn commit_repeat_ms_min(&self) -> u64 {
        self.commit_ms_max * 10 / 7
    }

    /// No new record is taken while the rows in memory take more than this, in bytes. While they are sent, some columns are
    /// there twice; where some rows are there already, what is left of a table is.
    pub(crate) fn rows_bytes_max(&self) -> usize {
        usize::try_from(self.buffer_bytes_max / 32 * 11).unwrap_or(usize::MAX)
    }

    /// What the Kafka client may hold for one partition, in KiB: with 64 partitions half of the budget.
    pub(crate) fn queue_kib_max(&self) -> u64 {
        (self.buffer_bytes_max / 128 / 1_024).max(1)
    }
}
