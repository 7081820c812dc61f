//! The teams that have a ranking, each in brief.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ranking::Confidence;

/// Teams, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Teams {
    /// The teams of this page.
    pub items: Vec<TeamSummary>,
    /// Where the next page starts; `null` on the last page.
    pub next_cursor: Option<String>,
}

/// A team and its current ranking in brief.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TeamSummary {
    /// The team's id.
    pub team: String,
    /// The instant T its current ranking is computed for.
    pub as_of: String,
    /// Every event with a time up to this instant is in the numbers.
    pub data_through: String,
    /// Name of the formula.
    pub formula: String,
    /// Id of the published snapshot.
    pub snapshot: String,
    /// Whether the population is large enough to rank.
    pub confidence: Confidence,
    /// Active accounts.
    pub accounts: u64,
    /// Features to choose from.
    pub items: usize,
    /// Launched features.
    pub iterate: usize,
    /// The feature in the first place; `null` when there are none to choose from.
    pub first: Option<String>,
}
