//! How a feature feels to those who use it: how long its operations take, and how many accounts have it worse than a bound.

use anyhow::{Context as _, bail};
use clickhouse::Row;
use domain::{
    catalog::{Catalog, Parameters},
    ids::{FeatureId, TeamId},
    share::Share,
    time::Timestamp,
};
use serde::Deserialize;

use crate::{
    Store,
    arrays::Array,
    outcome::counting_for,
    sql::evidence::{DURATIONS, JUDGED},
};

/// Of an account with fewer observations a p99 says nothing.
pub const OBSERVATIONS_MIN: u64 = 100;

/// The most operations that are told apart: those observed most often.
pub const OPERATIONS_MAX: u32 = 1_000;

/// How a feature feels to those who use it. Percentiles are exact, of nearest rank: the least duration that so many of all do
/// not exceed. An event of usage is one observation, with the duration that it gives: one that sums up several uses gives how
/// long they took altogether.
#[derive(Clone, Debug, PartialEq)]
pub struct Experience {
    /// The bound, in microseconds.
    pub bound_us: u64,
    /// By operation, the one observed most often first.
    pub operations: Vec<Operation>,
    /// The accounts, over all operations together.
    pub accounts: Judged,
}

/// How long an operation takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its name.
    pub operation: String,
    /// How many events of usage say how long it took.
    pub observations: u64,
    /// Of these the median, in microseconds.
    pub p50_us: u64,
    /// In microseconds.
    pub p99_us: u64,
    /// In microseconds.
    pub p999_us: u64,
    /// The accounts that used it.
    pub accounts: Judged,
}

/// Some accounts' own p99.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// How many have it worse than the bound, of those with at least [`OBSERVATIONS_MIN`] observations.
    pub worse: Share,
    /// How many have fewer observations.
    pub too_few: u64,
}

#[derive(Row, Deserialize)]
struct OperationRow {
    operation: String,
    observations: u64,
    percentiles: Vec<u64>,
}

#[derive(Row, Deserialize)]
struct JudgedRow {
    /// Empty for all of them together: no operation has an empty name.
    operation: String,
    judged: u64,
    worse_off: u64,
    too_few: u64,
}

impl Store {
    /// How a feature, or the one that it is merged into, felt in the activity window that ends at `as_of`. Worse than
    /// `bound_us` is longer.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn experience(
        &self,
        team: &TeamId,
        feature: &FeatureId,
        as_of: Timestamp,
        catalog: &Catalog,
        parameters: &Parameters,
        bound_us: u64,
    ) -> anyhow::Result<Experience> {
        let features = counting_for(catalog, &catalog.resolve(feature));
        let about = |sql| {
            self.at_with(sql, team, as_of, &[("features", Array::Ids(&features))])
                .param("after", as_of.minus_days(parameters.activity_window_days).0)
        };
        let operations = about(DURATIONS).param("rows_max", OPERATIONS_MAX);
        let judged = about(JUDGED).param("observations_min", OBSERVATIONS_MIN).param("bound_us", bound_us);
        let (operations, judged) = self
            .within(async {
                tokio::try_join!(operations.fetch_all::<OperationRow>(), judged.fetch_all::<JudgedRow>())
                    .context("cannot read how long operations take")
            })
            .await?;
        let judged_of = |operation: &str| {
            judged.iter().find(|row| row.operation == operation).map_or_else(Judged::nobody, JudgedRow::to_judged)
        };
        let operations = operations.into_iter().map(|row| {
            let accounts = judged_of(&row.operation);
            row.into_operation(accounts)
        });
        Ok(Experience { bound_us, operations: operations.collect::<anyhow::Result<_>>()?, accounts: judged_of("") })
    }
}

impl OperationRow {
    fn into_operation(self, accounts: Judged) -> anyhow::Result<Operation> {
        let [p50_us, p99_us, p999_us] = self.percentiles[..] else {
            bail!("ClickHouse answered with {} percentiles", self.percentiles.len());
        };
        let Self { operation, observations, .. } = self;
        Ok(Operation { operation, observations, p50_us, p99_us, p999_us, accounts })
    }
}

impl JudgedRow {
    fn to_judged(&self) -> Judged {
        Judged { worse: Share::new(self.worse_off, self.judged), too_few: self.too_few }
    }
}

impl Judged {
    fn nobody() -> Self {
        Self { worse: Share::new(0, 0), too_few: 0 }
    }
}
