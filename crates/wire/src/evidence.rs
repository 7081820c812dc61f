//! What is behind a feature's place.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ranking::{Confidence, Contributions, Demand, Item, Need, Parameters, Population},
    share::Share,
};

/// A feature's place in its team's ranking, and what put it there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// The team.
    pub team: String,
    /// The feature; the one that it is merged into, where it is.
    pub feature: String,
    /// The features whose events count for it, itself first.
    pub merged: Vec<String>,
    /// The instant T the numbers are computed for.
    pub as_of: String,
    /// Every event with a time up to this instant is in the numbers.
    pub data_through: String,
    /// Name of the formula.
    pub formula: String,
    /// Id of the published snapshot that `item` is of; `null` where it was computed for the question.
    pub snapshot: Option<String>,
    /// Whether the population is large enough to rank.
    pub confidence: Confidence,
    /// The parameters of the formula.
    pub parameters: Parameters,
    /// The accounts that the shares are shares of.
    pub population: Population,
    /// The list of the ranking in which it stands: its rank counts among those. `null` if it stands in neither.
    pub listed: Option<Listed>,
    /// The feature as the ranking has it; `null` if it is not listed.
    pub item: Option<Item>,
    /// Its numbers in each segment, the team's own segments first. An account counts in each of its segments, so they need not
    /// add up.
    pub segments: Vec<SegmentCell>,
    /// Its numbers in each tier, the lightest first. They add up.
    pub tiers: Vec<TierCell>,
    /// Its need signals in the need window by kind, the most frequent first.
    pub signals: Vec<Signal>,
    /// How it feels to those who use it, in the activity window.
    pub experience: Experience,
    /// What was last said about it, the newest first. Whose it is, and in which words, is there if `texts=true` asks for it.
    pub latest_requests: Vec<Said>,
}

/// The list of a ranking in which a feature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Listed {
    /// Among those to choose from.
    Items,
    /// Launched: what is asked and needed of it since.
    Iterate,
}

/// A feature's numbers among the accounts of one segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SegmentCell {
    /// The segment; `(none)` is that of accounts without any.
    pub segment: String,
    /// Whether the team says that it serves it.
    pub own: bool,
    /// The numbers; without the scope `evidence:read`, `null` if fewer than 5 accounts are active in it, or if they would tell those of
    /// a few others.
    pub numbers: Option<Numbers>,
}

/// A feature's numbers among the accounts of one tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TierCell {
    /// The tier.
    pub tier: String,
    /// The numbers; without the scope `evidence:read`, `null` if fewer than 5 accounts are active in it, or if they would tell those of
    /// another such tier.
    pub numbers: Option<Numbers>,
}

/// A feature's numbers among some accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Numbers {
    /// The accounts that the shares are shares of.
    pub population: Population,
    /// The score, 0 to 100.
    pub score: f64,
    /// The score's two parts; they add up to it.
    pub contributions: Contributions,
    /// What accounts asked for.
    pub demand: Demand,
    /// What their usage shows they need.
    pub need: Need,
}

/// A kind of need signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Signal {
    /// Its name.
    pub signal: String,
    /// The sum of the counts; without the scope `evidence:read`, `null` if fewer than 5 accounts sent it.
    pub count: Option<u64>,
    /// How many accounts sent it; without the scope `evidence:read`, `null` if fewer than 5.
    pub accounts: Option<u64>,
    /// When the latest happened; without the scope `evidence:read`, `null` if fewer than 5 accounts sent it.
    pub latest: Option<String>,
}

/// How a feature feels to those who use it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Experience {
    /// An account is worse off if its own p99 is above so many microseconds.
    pub bound_us: u64,
    /// An account with fewer observations is not judged.
    pub observations_min: u64,
    /// All operations together; without the scope `evidence:read`, `null` if fewer than 5 accounts use any.
    pub accounts: Option<Judged>,
    /// By operation, the one observed most often first.
    pub operations: Vec<Operation>,
}

/// How long an operation takes. Percentiles are exact, of nearest rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Operation {
    /// Its name.
    pub operation: String,
    /// The numbers; without the scope `evidence:read`, `null` if fewer than 5 accounts use it.
    pub durations: Option<Durations>,
}

/// Durations of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Durations {
    /// How many uses say how long they took.
    pub observations: u64,
    /// Their median, in microseconds.
    pub p50_us: u64,
    /// In microseconds.
    pub p99_us: u64,
    /// In microseconds.
    pub p999_us: u64,
    /// The accounts that use it.
    pub accounts: Judged,
}

/// Some accounts' own p99.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Judged {
    /// Those whose own p99 is above the bound, of those with enough observations.
    pub worse: Share,
    /// Those with too few observations to judge.
    pub too_few: u64,
}

/// A statement about a feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Said {
    /// When.
    pub time: String,
    /// What about, before merges.
    pub feature: String,
    /// How much it matters; `null` where a request is withdrawn.
    pub importance: Option<String>,
    /// Where it was said; `null` if nobody wrote that down.
    pub channel: Option<String>,
    /// Whose it is, and in which words; `null` unless `texts=true` asks for it.
    pub words: Option<Words>,
}

/// Whose a statement is, and in which words: personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Words {
    /// The account.
    pub account: String,
    /// The person who made it for the account; `null` if nobody wrote that down.
    pub requester: Option<String>,
    /// What the person wrote, its first 10,000 characters; `null` if nothing.
    pub text: Option<String>,
    /// What it refers to elsewhere, such as a ticket; `null` if nothing.
    pub r#ref: Option<String>,
}
