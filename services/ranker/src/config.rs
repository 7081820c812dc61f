//! Options of the ranker role.

use clap::{Args, value_parser};

/// Options of the ranker role; every bound is named with its unit.
#[derive(Clone, Debug, Args)]
pub struct RankerConfig {
    /// Changes are looked for every so many milliseconds.
    #[arg(long = "ranker-poll-ms", env = "FLYWHEEL_RANKER_POLL_MS", default_value_t = 200, value_parser = value_parser!(u64).range(1..))]
    pub poll_ms: u64,
    /// A team's ranking is published at least every so many seconds, although only time moves it.
    #[arg(long = "ranker-refresh-s", env = "FLYWHEEL_RANKER_REFRESH_S", default_value_t = 60, value_parser = value_parser!(i64).range(1..))]
    pub refresh_s: i64,
    /// So many teams are ranked; further ones are passed over.
    #[arg(long = "ranker-teams-max", env = "FLYWHEEL_RANKER_TEAMS_MAX", default_value_t = 10_000)]
    pub teams_max: usize,
    /// One query may take so many milliseconds.
    #[arg(long = "ranker-query-ms-max", env = "FLYWHEEL_RANKER_QUERY_MS_MAX", default_value_t = 30_000, value_parser = value_parser!(u64).range(1..))]
    pub query_ms_max: u64,
    /// Kafka must take a ranking within so many milliseconds, retries included.
    #[arg(long = "ranker-send-ms-max", env = "FLYWHEEL_RANKER_SEND_MS_MAX", default_value_t = 30_000, value_parser = value_parser!(u64).range(1..))]
    pub send_ms_max: u64,
}
