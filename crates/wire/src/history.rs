//! Where a team's published rankings had a feature, over time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A series of published rankings and the feature's place in each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// The team.
    pub team: String,
    /// The feature.
    pub feature: String,
    /// The snapshots are later than this ...
    pub from: String,
    /// ... and not later than this.
    pub to: String,
    /// Of each so many seconds, counted from 1970, the last snapshot is taken.
    pub step_s: u64,
    /// In the order of time.
    pub points: Vec<Point>,
}

/// Where a snapshot had the feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// The snapshot's instant.
    pub as_of: String,
    /// Its id.
    pub snapshot: String,
    /// Active accounts.
    pub accounts: u64,
    /// The feature's place; `null` where the snapshot does not list it.
    pub place: Option<Place>,
}

/// A feature's place in a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// Whether it is among the launched features, and ranked among them.
    pub launched: bool,
    /// From 1.
    pub rank: u32,
    /// The best place that it may truly have had; `null` in old snapshots.
    pub rank_low: Option<u32>,
    /// The worst.
    pub rank_high: Option<u32>,
    /// The score, 0 to 100.
    pub score: f64,
    /// Stated demand.
    pub demand: Shown,
    /// Revealed need.
    pub need: Shown,
    /// Whether a need signal for the feature was ever received by then. If not, its need is unknown, and no share of nothing.
    pub measured: bool,
}

/// A share of the active accounts as it was published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Shown {
    /// 0 to 1.
    pub share: f64,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
    /// The accounts behind it.
    pub accounts: u64,
}
