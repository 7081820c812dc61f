//! Names of the Kafka topics and of the event types they carry.

/// Requests and withdrawals, keyed by account.
pub const REQUESTS: &str = "flywheel.requests.v1";
/// Usage and need signals, keyed by account.
pub const USAGE: &str = "flywheel.usage.v1";
/// Teams, features and accounts, kept for ever.
pub const CATALOG: &str = "flywheel.catalog.v1";
/// Published rankings, compacted, keyed by team.
pub const RANKINGS: &str = "flywheel.rankings.v1";

/// The topics that ingest reads, in the order in which they are created.
pub const INPUTS: [&str; 3] = [REQUESTS, USAGE, CATALOG];

/// `ce_type` of a record on [`RANKINGS`].
pub const RANKING_PUBLISHED: &str = "io.flywheel.ranking.published.v1";
