//! What ingest says it wrote.

use anyhow::Context as _;
use clickhouse::Row;
use serde::Deserialize;

use crate::Store;

/// A batch of rows that ingest wrote for a team.
#[derive(Clone, Debug, Row, Deserialize)]
pub struct Change {
    /// Identifies it.
    pub id: String,
    /// Empty where every team is touched.
    pub team: String,
    /// Unix time in microseconds, by ClickHouse's clock.
    pub changed_at: i64,
    /// The span that wrote it, as W3C's header has it.
    pub traceparent: String,
}

impl Store {
    /// The moment of the newest change, in Unix microseconds; 0 if there is none.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn newest_change(&self) -> anyhow::Result<i64> {
        let query = self.query("SELECT toUnixTimestamp64Micro(max(changed_at)) FROM team_changes");
        self.within(async { query.fetch_one::<i64>().await.context("cannot read the newest change") }).await
    }

    /// At most `changes_max` changes after the one at `since`, in Unix microseconds, with the id `after`, in the order of both.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn changes(&self, since: i64, after: &str, changes_max: u32) -> anyhow::Result<Vec<Change>> {
        let query = self.query(
                "SELECT toString(team_changes.id) AS id, team, toUnixTimestamp64Micro(team_changes.changed_at) AS changed_at,
                    traceparent
                FROM team_changes
                WHERE team_changes.changed_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
                    AND (team_changes.changed_at, team_changes.id)
                        > (fromUnixTimestamp64Micro({since:Int64}, 'UTC'), toUUID({after:String}))
                ORDER BY team_changes.changed_at, team_changes.id
                LIMIT {changes_max:UInt32}",
            )
            .param("since", since)
            .param("after", after)
            .param("changes_max", changes_max);
        self.within(async { query.fetch_all::<Change>().await.context("cannot read the changes") }).await
    }

    /// How many changes each team has after `since`, in Unix microseconds; of `teams_max` teams at most. Whatever becomes visible
    /// late is counted late, but it is counted: two equal answers are of the same changes.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn changes_of_teams(&self, since: i64, teams_max: u32) -> anyhow::Result<Vec<(String, u64)>> {
        let query = self
            .query(
                "SELECT toString(team), count() FROM team_changes
                WHERE changed_at > fromUnixTimestamp64Micro({since:Int64}, 'UTC')
                GROUP BY team
                LIMIT {teams_max:UInt32}",
            )
            .param("since", since)
            .param("teams_max", teams_max);
        self.within(async { query.fetch_all::<(String, u64)>().await.context("cannot count the changes") }).await
    }
}
