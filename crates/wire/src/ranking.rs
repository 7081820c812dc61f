//! The ranking document: what the ranker publishes and the API answers.
//!
//! Numbers are full doubles, times RFC 3339 in UTC. What an older version of Flywheel did not compute yet is `null` in
//! the snapshots that it published.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One team's ranked roadmap at an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Ranking {
    /// The team whose roadmap this is.
    pub team: String,
    /// The segment the population is restricted to; `null` for all accounts.
    pub segment: Option<String>,
    /// The instant T the ranking is computed for.
    pub as_of: String,
    /// Every event with a time up to this instant is in the numbers.
    pub data_through: String,
    /// Name of the formula.
    pub formula: String,
    /// Id of the published snapshot, which never changes; `null` where the ranking was computed for the question.
    pub snapshot: Option<String>,
    /// Whether the team had no event yet at T: there was nothing to rank.
    #[serde(default)]
    pub before_first_event: bool,
    /// Whether the population is large enough to rank.
    pub confidence: Confidence,
    /// The parameters of the formula that were in force at T, or that were asked for instead.
    pub parameters: Parameters,
    /// What an account of each tier weighs.
    #[serde(default)]
    pub tier_weights: TierWeights,
    /// The accounts that the shares are shares of.
    pub population: Population,
    /// The features to choose from, best first.
    pub items: Vec<Item>,
    /// Launched features and what is asked and needed of them since, best first. Their ranks count among themselves.
    pub iterate: Vec<Item>,
    /// How far the weight of stated demand can move before another feature takes the first place; `null` if nothing is
    /// listed.
    pub sensitivity: Option<Sensitivity>,
    /// Features that the catalog merges in a circle: they stay unmerged until somebody breaks it. One list for each circle.
    #[serde(default)]
    pub merge_cycles: Vec<Vec<String>>,
    /// Where the next page starts; `null` on the last page.
    pub next_cursor: Option<String>,
}

/// Whether the population is large enough for the ranks to mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// At least 30 effective accounts.
    Ok,
    /// Fewer than 30 effective accounts.
    Insufficient,
}

/// The parameters of the score; windows and half-life in days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Parameters {
    /// An account is active if it has an event in the last so many days.
    pub activity_window_days: f64,
    /// After so many days a request counts half.
    pub half_life_days: f64,
    /// Need signals count for so many days.
    pub need_window_days: f64,
    /// So many signals in the window make an account needy.
    pub need_min_count: u64,
    /// Weight of stated demand.
    pub demand_weight: f64,
    /// Weight of revealed need.
    pub need_weight: f64,
    /// Confidence level of the intervals.
    pub confidence: f64,
}

/// What an account of each tier weighs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TierWeights {
    /// An account of tier standard.
    pub standard: f64,
    /// An account of tier growth.
    pub growth: f64,
    /// An account of tier enterprise.
    pub enterprise: f64,
}

impl Default for TierWeights {
    /// The usual ones: those of every published ranking.
    fn default() -> Self {
        Self { standard: 1.0, growth: 2.0, enterprise: 3.0 }
    }
}

/// The team's active accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Population {
    /// Active accounts: any event of the team in the activity window.
    pub accounts: u64,
    /// Those of them with usage.
    pub used: u64,
    /// Sum of their tier weights.
    pub weight: f64,
    /// Kish's effective number of accounts.
    pub effective: f64,
}

/// The interval of `demand_weight` (`need_weight` is its complement) around the present one in which the first place stays
/// first. At an end that is neither 0 nor 1 the first place and its successor have the same score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sensitivity {
    /// The feature in the first place.
    pub first: String,
    /// Where the interval begins.
    pub demand_weight_low: f64,
    /// Which feature comes first below that (at 0: at that weight itself); `null` if none does.
    pub first_below: Option<String>,
    /// Where the interval ends.
    pub demand_weight_high: f64,
    /// Which feature comes first above that (at 1: at that weight itself); `null` if none does.
    pub first_above: Option<String>,
}

/// One feature's place and the evidence for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Item {
    /// Place in the list, from 1.
    pub rank: u32,
    /// Best place that the data allow; 1 if the population is too small.
    pub rank_low: Option<u32>,
    /// Worst place that the data allow; the last if the population is too small.
    pub rank_high: Option<u32>,
    /// Which group, from 1 down the list, it is in: a group's features cannot be told apart from its first.
    pub tie_group: Option<u32>,
    /// Whether this feature is surely above the next one; `null` for the last.
    pub surely_above_next: Option<bool>,
    /// The feature's id.
    pub feature: String,
    /// The feature's title; its id where the catalog gives none.
    pub title: String,
    /// The feature's status; `null` where the catalog does not know it.
    pub status: Option<Status>,
    /// Whether the decision can be taken back.
    pub door: Option<String>,
    /// `undecided` if the decision cannot be taken back and the ranking does not make it: a one-way door in a group of
    /// several features that cannot be told apart. `null` otherwise.
    pub door_decision: Option<DoorDecision>,
    /// Estimated effort in person-months.
    pub effort_months: Option<f64>,
    /// Score divided by effort, where an effort is given.
    pub score_per_effort: Option<f64>,
    /// The score, 0 to 100.
    pub score: f64,
    /// The score's two parts; they add up to it.
    pub contributions: Contributions,
    /// What accounts asked for.
    pub demand: Demand,
    /// What their usage shows they need.
    pub need: Need,
    /// What asked and needed say together; `null` if the population is too small.
    pub reading: Option<Reading>,
    /// The largest account's part of the evidence, 0 to 1; `null` without evidence.
    pub top_account_share: Option<f64>,
    /// Rank seven days earlier minus rank now; `null` if it was not listed then.
    pub rank_change_7d: Option<i64>,
}

/// What the ranking says of a decision that cannot be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DoorDecision {
    /// Several features cannot be told apart: the numbers do not decide it.
    Undecided,
}

/// How stated demand and revealed need compare with those of the average feature of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Asked for and needed at least as much as the average feature.
    AskedAndNeeded,
    /// Asked for; usage shows no such need.
    AskedNotNeeded,
    /// Asked for; no need signal for it was ever received, so that nobody knows.
    AskedUnmeasured,
    /// Needed more than asked for.
    NeededNotAsked,
    /// Neither.
    Quiet,
}

/// A feature's place in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// An idea.
    Proposed,
    /// Decided, not begun.
    Planned,
    /// Being built.
    Building,
    /// Live.
    Launched,
    /// No longer offered.
    Retired,
}

/// The score's two parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Contributions {
    /// From stated demand.
    pub demand: f64,
    /// From revealed need.
    pub need: f64,
}

/// Stated demand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Demand {
    /// Weighted, faded share of the active accounts, 0 to 1.
    pub share: f64,
    /// Lower Wilson bound of the share.
    pub low: f64,
    /// Upper Wilson bound of the share.
    pub high: f64,
    /// Active accounts whose latest statement stands.
    pub accounts: u64,
    /// Distinct requests of those accounts.
    pub requests: u64,
    /// Accounts outside the population whose latest statement stands.
    pub outside: Outside,
}

/// Accounts that ask but are not active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outside {
    /// They used the product once, but not within the activity window.
    pub lapsed: u64,
    /// They never used it.
    pub never_used: u64,
}

/// Revealed need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Need {
    /// Weighted share of the active accounts that show the need, 0 to 1.
    pub share: f64,
    /// Lower Wilson bound of the share.
    pub low: f64,
    /// Upper Wilson bound of the share.
    pub high: f64,
    /// Active accounts that show the need.
    pub accounts: u64,
    /// Whether a need signal for this feature was ever received.
    pub measured: bool,
}
