//! Options of the ranker role.

use clap::{Args, value_parser};

/// Rankings that are being computed or are computed and not published yet may be so many.
pub(crate) const READY_MAX: usize = 64;

/// Options of the ranker role; every bound is named with its unit.
#[derive(Clone, Debug, Args)]
pub struct RankerConfig {
    /// Rankers of one group share the teams among themselves.
    #[arg(long = "ranker-group", env = "FLYWHEEL_RANKER_GROUP", default_value = "flywheel-ranker")]
    pub ranker_group: String,
    /// A ranker that Kafka has not heard of for so many milliseconds is taken for dead, and others rank its teams. Kafka
    /// itself takes nothing below 6000 unless its `group.min.session.timeout.ms` says so.
    #[arg(long = "ranker-session-ms-max", env = "FLYWHEEL_RANKER_SESSION_MS_MAX", default_value_t = 6_000, value_parser = value_parser!(u64).range(1_000..=300_000))]
    pub ranker_session_ms_max: u64,
    /// Changes are looked for every so many milliseconds.
    #[arg(long = "ranker-poll-ms", env = "FLYWHEEL_RANKER_POLL_MS", default_value_t = 200, value_parser = value_parser!(u64).range(1..))]
    pub poll_ms: u64,
    /// A team's ranking is published at least every so many seconds, although only time moves it. The ranks of a week ago are
    /// computed as seldom.
    #[arg(long = "ranker-refresh-s", env = "FLYWHEEL_RANKER_REFRESH_S", default_value_t = 60, value_parser = value_parser!(i64).range(1..))]
    pub refresh_s: i64,
    /// So many teams are ranked; further ones are passed over.
    #[arg(long = "ranker-teams-max", env = "FLYWHEEL_RANKER_TEAMS_MAX", default_value_t = 10_000)]
    pub teams_max: usize,
    /// So many batches of teams are ranked at once: one alone is a question that ClickHouse answers with as many threads as it has, several share them.
    #[arg(long = "ranker-batches-at-once-max", env = "FLYWHEEL_RANKER_BATCHES_AT_ONCE_MAX", default_value_t = 2, value_parser = value_parser!(u64).range(1..=64))]
    pub ranker_batches_at_once_max: u64,
    /// A batch has so many teams, and no more than rankings may be on their way to the topic, 64.
    #[arg(long = "ranker-batch-teams-max", env = "FLYWHEEL_RANKER_BATCH_TEAMS_MAX", default_value_t = 50, value_parser = value_parser!(u64).range(1..=READY_MAX as u64))]
    pub ranker_batch_teams_max: u64,
    /// The teams of a batch have so many requests and need signals together; one that has more is ranked alone.
    #[arg(long = "ranker-batch-rows-max", env = "FLYWHEEL_RANKER_BATCH_ROWS_MAX", default_value_t = 500_000)]
    pub ranker_batch_rows_max: u64,
    /// An account's tier or segments may be every team's: so many teams a second are ranked again because of that.
    #[arg(long = "ranker-account-teams-per-s-max", env = "FLYWHEEL_RANKER_ACCOUNT_TEAMS_PER_S_MAX", default_value_t = 20, value_parser = value_parser!(i64).range(1..))]
    pub account_teams_per_s_max: i64,
    /// One query may take so many milliseconds.
    #[arg(long = "ranker-query-ms-max", env = "FLYWHEEL_RANKER_QUERY_MS_MAX", default_value_t = 30_000, value_parser = value_parser!(u64).range(1..))]
    pub query_ms_max: u64,
    /// Kafka must take a ranking within so many milliseconds, retries included.
    #[arg(long = "ranker-send-ms-max", env = "FLYWHEEL_RANKER_SEND_MS_MAX", default_value_t = 10_000, value_parser = value_parser!(u64).range(1_000..=600_000))]
    pub send_ms_max: u64,
}
