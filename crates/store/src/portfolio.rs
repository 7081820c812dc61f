//! All teams side by side.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use clickhouse::Row;
use domain::{
    assumptions::Assumptions,
    ids::TeamId,
    portfolio::{Portfolio, TeamPortfolio, Wanted, portfolio},
    ranking::rank_tallies,
    time::Timestamp,
};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;

use crate::{
    Store, TooLarge,
    arrays::Array,
    outcome::Past,
    rows::parse,
    sql::outcome::{TEAMS, WANTED},
};

/// A portfolio is of at most so many teams.
pub const PORTFOLIO_TEAMS_MAX: u32 = 1_000;

/// So many teams are asked about at once: a question about one keeps the server's threads busy, but not all the time.
const TEAMS_AT_ONCE_MAX: usize = 4;

#[derive(Row, Deserialize)]
struct WantedRow {
    /// The launch, from 1.
    place: u32,
    asked: u64,
    needed: u64,
}

impl Store {
    /// Every team that an event up to `as_of` names, of those `among` where it names some, with at most `first_max` of its ranking's features, who had wanted what it
    /// launched, and how well its rankings foretold what would be used. Everything up to `seen_through` has been seen: `as_of`, or
    /// the watermark if that is earlier.
    ///
    /// # Errors
    /// [`TooLarge`] where there are more than [`PORTFOLIO_TEAMS_MAX`] teams; when ClickHouse does not answer in time, or
    /// answers with something else.
    pub async fn portfolio(
        &self,
        among: Option<&BTreeSet<TeamId>>,
        as_of: Timestamp,
        seen_through: Timestamp,
        first_max: usize,
    ) -> anyhow::Result<Portfolio> {
        let named: Vec<String> = among.into_iter().flatten().map(ToString::to_string).collect();
        let query = self
            .ask(TEAMS, &[("named", Array::Ids(&named))])
            .param("as_of", as_of.0)
            .param("every_team", u8::from(among.is_none()))
            .param("rows_max", PORTFOLIO_TEAMS_MAX + 1);
        let ids = self.within(async { query.fetch_all::<String>().await.context("cannot read the teams") }).await?;
        if ids.len() > PORTFOLIO_TEAMS_MAX as usize {
            return Err(TooLarge { what: "teams", rows_max: PORTFOLIO_TEAMS_MAX }.into());
        }
        let teams: Vec<TeamId> = ids.iter().map(|id| parse(id, TeamId::parse)).collect::<anyhow::Result<_>>()?;
        let teams = stream::iter(teams).map(|team| self.team_portfolio(team, as_of, seen_through, first_max));
        Ok(portfolio(teams.buffered(TEAMS_AT_ONCE_MAX).try_collect().await?))
    }

    /// Who had wanted each of the team's launches up to `as_of` before the team set to work, by ascending feature.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn wanted(&self, team: &TeamId, as_of: Timestamp) -> anyhow::Result<Vec<Wanted>> {
        self.wanted_of(team, &self.past(team, as_of).await?).await
    }

    async fn team_portfolio(
        &self,
        team: TeamId,
        as_of: Timestamp,
        seen_through: Timestamp,
        first_max: usize,
    ) -> anyhow::Result<TeamPortfolio> {
        let past = self.past(&team, as_of).await?;
        let assumptions = Assumptions::of(past.catalog.parameters());
        let (tallies, wanted, foresight) = tokio::try_join!(
            self.tallies(&team, as_of, None, &past.catalog, &assumptions),
            self.wanted_of(&team, &past),
            self.foresight_of(&team, &past, seen_through),
        )?;
        let ranking = rank_tallies(&tallies, &past.catalog, &assumptions.parameters);
        let name = past.catalog.team.as_ref().map(|team| team.name.to_string());
        Ok(TeamPortfolio::new(team, name.as_deref(), &ranking, first_max, wanted, foresight))
    }

    async fn wanted_of(&self, team: &TeamId, past: &Past) -> anyhow::Result<Vec<Wanted>> {
        if past.launches.is_empty() {
            return Ok(Vec::new());
        }
        let (mut features, mut places, mut until) = (Vec::new(), Vec::new(), Vec::new());
        for (launch, place) in past.launches.iter().zip(1_u32..) {
            for feature in past.counting_for(&launch.feature) {
                features.push(feature);
                places.push(place);
                until.push(launch.decided_on().0);
            }
        }
        let query = self
            .ask(
                WANTED,
                &[
                    ("features", Array::Ids(&features)),
                    ("places", Array::Places(&places)),
                    ("until", Array::Integers(&until)),
                ],
            )
            .param("team", team.as_str())
            .param("need_min_count", past.catalog.parameters().need_min_count);
        let rows = self
            .within(async { query.fetch_all::<WantedRow>().await.context("cannot read who wanted the launches") })
            .await?;
        let mut wanted: Vec<Wanted> =
            past.launches.iter().cloned().map(|launch| Wanted { launch, asked: 0, needed: 0 }).collect();
        for row in rows {
            let place = usize::try_from(row.place).ok().and_then(|place| place.checked_sub(1));
            let Some(wanted) = place.and_then(|place| wanted.get_mut(place)) else {
                bail!("ClickHouse answered with launch {} of {}", row.place, wanted.len());
            };
            (wanted.asked, wanted.needed) = (row.asked, row.needed);
        }
        Ok(wanted)
    }
}
