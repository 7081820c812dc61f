//! Which teams there are, and when one's next event happens.

use anyhow::Context as _;
use domain::{ids::TeamId, time::Timestamp};

use crate::{Store, sql::UPCOMING};

impl Store {
    /// Every team that any event names.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn teams(&self) -> anyhow::Result<Vec<TeamId>> {
        let query = self.client.query(
            "SELECT DISTINCT toString(team) FROM
                (
                    SELECT team FROM teams
                    UNION ALL SELECT DISTINCT team FROM features
                    UNION ALL SELECT DISTINCT team FROM requests
                    UNION ALL SELECT DISTINCT team FROM usage_months
                    UNION ALL SELECT DISTINCT team FROM needs
                )",
        );
        let teams = self.within(async { query.fetch_all::<String>().await.context("cannot read the teams") }).await?;
        teams.iter().map(|team| TeamId::parse(team).with_context(|| format!("stored team {team:?}"))).collect()
    }

    /// When the first event of the team happens that is dated after `as_of`; none if there is none.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn upcoming(&self, team: &TeamId, as_of: Timestamp) -> anyhow::Result<Option<Timestamp>> {
        let query = self.at(UPCOMING, team, as_of);
        let (upcoming, events) = self
            .within(async { query.fetch_one::<(i64, u64)>().await.context("cannot read what is dated ahead") })
            .await?;
        Ok((events > 0).then_some(Timestamp(upcoming)))
    }
}
