//! Published rankings, which are kept for ever.

use anyhow::Context as _;
use domain::{ids::TeamId, time::Timestamp};

use crate::Store;

impl Store {
    /// The document of the team's snapshot with this id, which is of the instant `as_of`; none if there is no such snapshot.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn snapshot(&self, team: &TeamId, as_of: Timestamp, snapshot: &str) -> anyhow::Result<Option<String>> {
        // The table is sorted by team and instant: one granule is read.
        let query = self
            .at(
                "SELECT document FROM rankings
                WHERE team = {team:String} AND as_of = fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')
                    AND snapshot = {snapshot:String}
                LIMIT 1",
                team,
                as_of,
            )
            .param("snapshot", snapshot);
        self.within(async { query.fetch_optional::<String>().await.context("cannot read a snapshot") }).await
    }
}
