//! Which teams there are, and when one's next event happens.

use std::collections::HashMap;

use anyhow::Context as _;
use domain::{ids::TeamId, time::Timestamp};

use crate::{Store, sql::UPCOMING};

/// So many teams are sized up at once: as many ids of the greatest length fit into a form's field.
pub const SIZED_MAX: usize = 1_000;

impl Store {
    /// Every team that any event names.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn teams(&self) -> anyhow::Result<Vec<TeamId>> {
        let query = self.query(
            "SELECT DISTINCT toString(team) FROM
                (
                    SELECT team FROM teams
                    UNION ALL SELECT DISTINCT team FROM features
                    UNION ALL SELECT DISTINCT team FROM active_months
                )",
        );
        let teams = self.within(async { query.fetch_all::<String>().await.context("cannot read the teams") }).await?;
        teams.iter().map(|team| TeamId::parse(team).with_context(|| format!("stored team {team:?}"))).collect()
    }

    /// How many requests and need signals there are of each of these teams, in their order: about what its ranking is computed from.
    /// At most [`SIZED_MAX`] teams.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn sizes(&self, teams: &[TeamId]) -> anyhow::Result<Vec<u64>> {
        let ids: Vec<&str> = teams.iter().map(TeamId::as_str).collect();
        let query = self
            .query(
                "SELECT toString(team), sum(rows) FROM
                    (
                        SELECT team, count() AS rows FROM requests WHERE team IN ({teams: Array(String)}) GROUP BY team
                        UNION ALL
                        SELECT team, count() AS rows FROM needs WHERE team IN ({teams: Array(String)}) GROUP BY team
                    )
                GROUP BY team",
            )
            .param("teams", ids);
        let rows = self
            .within(async { query.fetch_all::<(String, u64)>().await.context("cannot read how large teams are") })
            .await?;
        let rows: HashMap<String, u64> = rows.into_iter().collect();
        Ok(teams.iter().map(|team| rows.get(team.as_str()).copied().unwrap_or_default()).collect())
    }

    /// When the first event of each team happens that is dated after `as_of`; none if there is none. In the order of `teams`.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn upcoming(&self, teams: &[TeamId], as_of: Timestamp) -> anyhow::Result<Vec<Option<Timestamp>>> {
        let query = self.of_teams(UPCOMING, teams, as_of);
        let rows = self
            .within(async { query.fetch_all::<(String, i64)>().await.context("cannot read what is dated ahead") })
            .await?;
        let first = |team: &str| rows.iter().find(|(of, _)| of == team).map(|(_, time)| Timestamp(*time));
        let everybody = first("");
        Ok(teams.iter().map(|team| [first(team.as_str()), everybody].into_iter().flatten().min()).collect())
    }
}
