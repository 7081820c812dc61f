//! The sums over accounts that a ranking is computed from, added up by ClickHouse, of several teams at once.
//!
//! ClickHouse sees the teams' accounts, and answers with a row for each feature and tier, however many accounts there are. Shares
//! are added up as integers, so that the sums do not depend on threads or parts; what an account of each tier weighs is applied
//! here, to the sums. `domain::tally` is the definition; this is equal to it to 1 part in 10⁹.

mod features;
mod together;

use std::{collections::BTreeSet, slice};

use anyhow::Context as _;
use domain::{
    assumptions::Assumptions,
    catalog::Catalog,
    ids::{FeatureId, TeamId},
    ranking::{Ranking, rank_tallies},
    score::PARTS,
    tally::Tallies,
    time::{MICROS_PER_DAY, Timestamp},
};

use self::{features::Features, together::together};
use crate::{Store, catalogs::Known, sql::tallies::question, sums::SumsRow};

/// A team's ranking, and what it took.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The ranking.
    pub ranking: Ranking,
    /// How many requests, withdrawals and need signals it was computed from, and active accounts: what it costs to compute it
    /// grows with them. The few months of an account cost about what one of the others does.
    pub rows: u64,
}

/// A team whose sums are asked for.
struct Asked<'a> {
    team: &'a TeamId,
    catalog: &'a Catalog,
    assumptions: &'a Assumptions,
    known: &'a Known,
}

impl Store {
    /// The team's ranking at `as_of`, of all its accounts or those of one segment.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn ranking(&self, team: &TeamId, as_of: Timestamp, segment: Option<&str>) -> anyhow::Result<Ranking> {
        let standings = self.standings(slice::from_ref(team), as_of, segment).await?;
        let standing = standings.into_iter().next().context("one team has one ranking")?;
        Ok(standing.ranking)
    }

    /// The rankings of some teams at `as_of`, in their order: for a fraction of what they cost one by one, where they are small.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn rankings(&self, teams: &[TeamId], as_of: Timestamp) -> anyhow::Result<Vec<Standing>> {
        self.standings(teams, as_of, None).await
    }

    async fn standings(
        &self,
        teams: &[TeamId],
        as_of: Timestamp,
        segment: Option<&str>,
    ) -> anyhow::Result<Vec<Standing>> {
        let (catalogs, known) = tokio::try_join!(self.catalogs(teams, as_of), self.known_of(teams, as_of))?;
        let assumptions: Vec<Assumptions> =
            catalogs.iter().map(|catalog| Assumptions::of(catalog.parameters())).collect();
        let asked: Vec<Asked<'_>> = (teams.iter().zip(&catalogs).zip(&assumptions).zip(&known))
            .map(|(((team, catalog), assumptions), known)| Asked { team, catalog, assumptions, known })
            .collect();
        let tallies = self.sums(&asked, as_of, segment).await?;
        let standing = |(asked, tallies): (&Asked<'_>, Tallies)| Standing {
            rows: asked.known.rows + tallies.accounts,
            ranking: rank_tallies(&tallies, asked.catalog, &asked.assumptions.parameters),
        };
        Ok(asked.iter().zip(tallies).map(standing).collect())
    }

    /// The team's sums at `as_of`, of all its accounts or those of one segment. `catalog` is the team's at that instant.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn tallies(
        &self,
        team: &TeamId,
        as_of: Timestamp,
        segment: Option<&str>,
        catalog: &Catalog,
        assumptions: &Assumptions,
    ) -> anyhow::Result<Tallies> {
        let known = self.known_of(slice::from_ref(team), as_of).await?.into_iter().next().unwrap_or_default();
        let asked = Asked { team, catalog, assumptions, known: &known };
        let tallies = self.sums(slice::from_ref(&asked), as_of, segment).await?;
        tallies.into_iter().next().context("one team has one answer")
    }

    /// The sums of some teams, in their order.
    async fn sums(&self, asked: &[Asked<'_>], as_of: Timestamp, segment: Option<&str>) -> anyhow::Result<Vec<Tallies>> {
        let mut all: Vec<Tallies> = asked.iter().map(|_| Tallies::default()).collect();
        for together in together(asked) {
            let teams: Vec<&Asked<'_>> = together.iter().filter_map(|place| asked.get(*place)).collect();
            let tallies = self.sums_together(&teams, as_of, segment).await?;
            for (place, tallies) in together.into_iter().zip(tallies) {
                all[place] = tallies;
            }
        }
        Ok(all)
    }

    /// The sums of teams that one question is asked for.
    async fn sums_together(
        &self,
        asked: &[&Asked<'_>],
        as_of: Timestamp,
        segment: Option<&str>,
    ) -> anyhow::Result<Vec<Tallies>> {
        let features = Features::of(asked, as_of)?;
        let parameters = || asked.iter().map(|asked| &asked.assumptions.parameters);
        let active_after: Vec<i64> = parameters().map(|of| as_of.minus_days(of.activity_window_days).0).collect();
        let window_days = parameters().map(|of| of.activity_window_days).fold(f64::INFINITY, f64::min);
        let query = self
            .ask(&question(window_days, segment.is_some()), &features.arrays())
            .param("as_of", as_of.0)
            .param("teams", asked.iter().map(|asked| asked.team.as_str()).collect::<Vec<_>>())
            .param("numbers", (1..).take(asked.len()).collect::<Vec<u32>>())
            .param("rows_after", active_after.iter().min().copied().unwrap_or_default())
            .param("active_after", active_after)
            .param("half_life_us", parameters().map(|of| of.half_life_days * MICROS_PER_DAY as f64).collect::<Vec<_>>())
            .param("need_min_count", parameters().map(|of| of.need_min_count).collect::<Vec<_>>())
            .param("demand_weight", parameters().map(|of| of.demand_weight).collect::<Vec<_>>())
            .param("need_weight", parameters().map(|of| of.need_weight).collect::<Vec<_>>())
            .param("names_count", features.names_count())
            .param("parts", PARTS)
            .param("segment", segment.unwrap_or_default());
        let rows = self
            .within(async { query.fetch_all::<SumsRow<u32>>().await.context("cannot read the sums over the accounts") })
            .await?;
        features.tallies(rows, asked)
    }
}

impl<'a> Asked<'a> {
    /// The features that events may name, before merges.
    fn names(&self) -> BTreeSet<&'a FeatureId> {
        self.catalog.features.keys().chain(&self.known.features).collect()
    }
}
