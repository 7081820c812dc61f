//! Where a team's published rankings had a feature, over time.

use anyhow::Context as _;
use clickhouse::Row;
use domain::{
    ids::{FeatureId, TeamId},
    time::Timestamp,
};
use serde::Deserialize;

use crate::{Store, sql::evidence::HISTORY};

/// A series of snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The snapshots are later than this ...
    pub after: Timestamp,
    /// ... and not later than this.
    pub until: Timestamp,
    /// Of each so many microseconds, counted from 1970, the last snapshot is taken; above 0.
    pub step_us: i64,
    /// Of more steps the newest are taken.
    pub points_max: u32,
}

/// Where a snapshot had the feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The snapshot's instant.
    pub as_of: Timestamp,
    /// Its id.
    pub snapshot: String,
    /// How many accounts were active.
    pub accounts: u64,
    /// The feature's place; none where the snapshot does not list it.
    pub place: Option<Place>,
}

/// A feature's place in a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Whether it is among the launched features, and ranked among them.
    pub launched: bool,
    /// From 1.
    pub rank: u32,
    /// The best rank that it may truly have had; none in snapshots of versions that did not say.
    pub rank_low: Option<u32>,
    /// The worst.
    pub rank_high: Option<u32>,
    /// The score, 0 to 100.
    pub score: f64,
    /// What stated demand contributed to it.
    pub demand_contribution: f64,
    /// What revealed need contributed to it.
    pub need_contribution: f64,
    /// Stated demand.
    pub demand: Shown,
    /// How many requests that was.
    pub requests: u64,
    /// Revealed need.
    pub need: Shown,
    /// Whether a need signal for the feature was ever received by then.
    pub measured: bool,
}

/// A share of the active accounts as it was published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    /// 0 to 1.
    pub share: f64,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
    /// How many accounts are behind it.
    pub accounts: u64,
}

#[derive(Row, Deserialize)]
struct PointRow {
    instant: i64,
    snapshot: String,
    listed: bool,
    launched: bool,
    rank: u32,
    rank_low: Option<u32>,
    rank_high: Option<u32>,
    score: f64,
    demand_contribution: f64,
    need_contribution: f64,
    demand_share: f64,
    demand_low: f64,
    demand_high: f64,
    demand_accounts: u64,
    requests: u64,
    need_share: f64,
    need_low: f64,
    need_high: f64,
    need_accounts: u64,
    measured: bool,
    accounts: u64,
}

impl Store {
    /// Where the team's snapshots had a feature, in the order of time.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn history(&self, team: &TeamId, feature: &FeatureId, span: Span) -> anyhow::Result<Vec<Point>> {
        let query = self
            .query(HISTORY)
            .param("team", team.as_str())
            .param("feature", feature.as_str())
            .param("after", span.after.0)
            .param("until", span.until.0)
            .param("step_us", span.step_us.max(1))
            .param("points_max", span.points_max);
        let rows = self
            .within(async { query.fetch_all::<PointRow>().await.context("cannot read a feature's history") })
            .await?;
        Ok(rows.into_iter().map(PointRow::into_point).collect())
    }
}

impl PointRow {
    fn into_point(self) -> Point {
        let place = self.listed.then_some(Place {
            launched: self.launched,
            rank: self.rank,
            rank_low: self.rank_low,
            rank_high: self.rank_high,
            score: self.score,
            demand_contribution: self.demand_contribution,
            need_contribution: self.need_contribution,
            demand: Shown {
                share: self.demand_share,
                low: self.demand_low,
                high: self.demand_high,
                accounts: self.demand_accounts,
            },
            requests: self.requests,
            need: Shown {
                share: self.need_share,
                low: self.need_low,
                high: self.need_high,
                accounts: self.need_accounts,
            },
            measured: self.measured,
        });
        Point { as_of: Timestamp(self.instant), snapshot: self.snapshot, accounts: self.accounts, place }
    }
}
