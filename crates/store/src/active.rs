//! How many accounts are active.

use anyhow::Context as _;
use domain::{ids::TeamId, time::Timestamp};

use crate::{Store, sql::activity::active};

impl Store {
    /// How many accounts had any event of the team in the `activity_window_days` days up to `as_of`: the population of its
    /// ranking, without the ranking.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn active(&self, team: &TeamId, as_of: Timestamp, activity_window_days: f64) -> anyhow::Result<u64> {
        let query = self
            .at(&active(activity_window_days), team, as_of)
            .param("active_after", as_of.minus_days(activity_window_days).0);
        self.within(async { query.fetch_one::<u64>().await.context("cannot count the active accounts") }).await
    }
}
