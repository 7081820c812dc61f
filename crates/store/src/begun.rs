//! Whether a team's history had begun.

use anyhow::Context as _;
use domain::{ids::TeamId, time::Timestamp};

use crate::{Store, sql::BEGUN};

impl Store {
    /// Whether any event of the team is dated `as_of` or earlier.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn begun(&self, team: &TeamId, as_of: Timestamp) -> anyhow::Result<bool> {
        let query = self.at(BEGUN, team, as_of);
        self.within(async { query.fetch_one::<bool>().await.context("cannot read whether there was any event") }).await
    }
}
