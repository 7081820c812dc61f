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

    /// Instants and ids of up to `snapshots_max` of the team's snapshots, oldest first, beginning with those of `since`.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn snapshots_since(
        &self,
        team: &TeamId,
        since: Timestamp,
        snapshots_max: usize,
    ) -> anyhow::Result<Vec<(Timestamp, String)>> {
        // A snapshot whose insert was repeated may be there twice.
        let query = self
            .at(
                "SELECT DISTINCT toUnixTimestamp64Micro(rankings.as_of) AS instant, snapshot FROM rankings
                WHERE team = {team:String} AND rankings.as_of >= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')
                ORDER BY instant, snapshot
                LIMIT {snapshots_max:UInt64}",
                team,
                since,
            )
            .param("snapshots_max", snapshots_max as u64);
        let rows = self
            .within(async {
                query.fetch_all::<(i64, String)>().await.context("cannot read the snapshots since an instant")
            })
            .await?;
        Ok(rows.into_iter().map(|(as_of, snapshot)| (Timestamp(as_of), snapshot)).collect())
    }
}
