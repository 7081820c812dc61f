//! Options of the ingest role.

use clap::{Args, builder::RangedU64ValueParser, value_parser};

/// Options of the ingest role; every bound is named with its unit.
#[derive(Clone, Debug, Args)]
pub struct IngestConfig {
    /// Kafka consumer group.
    #[arg(long = "ingest-group", env = "FLYWHEEL_INGEST_GROUP", default_value = "flywheel-ingest")]
    pub group: String,
    /// A batch is written when it has so many rows.
    #[arg(long = "ingest-batch-rows-max", env = "FLYWHEEL_INGEST_BATCH_ROWS_MAX", default_value_t = 50_000, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub batch_rows_max: usize,
    /// A batch is written when its records add up to so many bytes.
    #[arg(long = "ingest-batch-bytes-max", env = "FLYWHEEL_INGEST_BATCH_BYTES_MAX", default_value_t = 16 << 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub batch_bytes_max: usize,
    /// A batch is written when its oldest record has waited so many milliseconds.
    #[arg(long = "ingest-flush-age-ms-max", env = "FLYWHEEL_INGEST_FLUSH_AGE_MS_MAX", default_value_t = 200, value_parser = value_parser!(u64).range(1..))]
    pub flush_age_ms_max: u64,
    /// One insert may take so many milliseconds before it is tried again.
    #[arg(long = "ingest-insert-ms-max", env = "FLYWHEEL_INGEST_INSERT_MS_MAX", default_value_t = 60_000, value_parser = value_parser!(u64).range(1..))]
    pub insert_ms_max: u64,
    /// The longest pause between two tries of an insert, in milliseconds.
    #[arg(long = "ingest-retry-pause-ms-max", env = "FLYWHEEL_INGEST_RETRY_PAUSE_MS_MAX", default_value_t = 2_000, value_parser = value_parser!(u64).range(1..))]
    pub retry_pause_ms_max: u64,
    /// The watermark is observed and published every so many milliseconds.
    #[arg(long = "ingest-watermark-ms", env = "FLYWHEEL_INGEST_WATERMARK_MS", default_value_t = 500, value_parser = value_parser!(u64).range(1..))]
    pub watermark_ms: u64,
    /// A member of the group that is silent for so many milliseconds loses its partitions.
    #[arg(long = "ingest-session-ms-max", env = "FLYWHEEL_INGEST_SESSION_MS_MAX", default_value_t = 10_000, value_parser = value_parser!(u64).range(1..))]
    pub session_ms_max: u64,
}
