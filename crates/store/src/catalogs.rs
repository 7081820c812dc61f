//! What the catalog says of teams, and which of their features anybody asked for or needed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use domain::{
    catalog::{Catalog, CatalogEvent},
    ids::{FeatureId, TeamId},
    time::Timestamp,
};

use crate::{
    Store,
    rows::{FeatureRow, TeamRow, parse},
    sql::{FEATURE_EVENTS, KNOWN, TEAM_EVENTS},
};

/// The features of a team that events name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// Those with a need signal.
    pub(crate) measured: BTreeSet<FeatureId>,
    /// Those asked for or needed.
    pub(crate) features: BTreeSet<FeatureId>,
    /// How many requests, withdrawals and need signals there are.
    pub(crate) rows: u64,
}

impl Store {
    /// The team's catalog at `as_of`.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn catalog(&self, team: &TeamId, as_of: Timestamp) -> anyhow::Result<Catalog> {
        let catalogs = self.catalogs(std::slice::from_ref(team), as_of).await?;
        Ok(catalogs.into_iter().next().unwrap_or_default())
    }

    /// Each team's catalog at `as_of`, in the order of `teams`.
    pub(crate) async fn catalogs(&self, teams: &[TeamId], as_of: Timestamp) -> anyhow::Result<Vec<Catalog>> {
        let mut definitions = self.definitions(teams, as_of).await?;
        let of = |team: &TeamId| Catalog::from_events(team, as_of, definitions.remove(team).unwrap_or_default());
        Ok(teams.iter().map(of).collect())
    }

    /// All that the catalog ever said of each team and its features up to `as_of`, in any order.
    pub(crate) async fn definitions(
        &self,
        teams: &[TeamId],
        as_of: Timestamp,
    ) -> anyhow::Result<BTreeMap<TeamId, Vec<CatalogEvent>>> {
        let of_teams = self.of_teams(TEAM_EVENTS, teams, as_of).fetch_all::<TeamRow>();
        let of_features = self.of_teams(FEATURE_EVENTS, teams, as_of).fetch_all::<FeatureRow>();
        let (of_teams, of_features) =
            self.within(async { tokio::try_join!(of_teams, of_features).context("cannot read the catalog") }).await?;
        let mut definitions: BTreeMap<TeamId, Vec<CatalogEvent>> = BTreeMap::new();
        for row in of_teams {
            let team = parse(&row.of, TeamId::parse)?;
            let event = row.into_event(&team);
            definitions.entry(team).or_default().push(event);
        }
        for row in of_features {
            let team = parse(&row.of, TeamId::parse)?;
            let event = row.into_event(&team)?;
            definitions.entry(team).or_default().push(event);
        }
        Ok(definitions)
    }

    /// The features with a need signal, and those asked for or needed.
    pub(crate) async fn known(
        &self,
        team: &TeamId,
        as_of: Timestamp,
    ) -> anyhow::Result<(BTreeSet<FeatureId>, BTreeSet<FeatureId>)> {
        let known = self.known_of(std::slice::from_ref(team), as_of).await?.into_iter().next().unwrap_or_default();
        Ok((known.measured, known.features))
    }

    /// The features that events of each team name, in the order of `teams`.
    pub(crate) async fn known_of(&self, teams: &[TeamId], as_of: Timestamp) -> anyhow::Result<Vec<Known>> {
        let query = self.of_teams(KNOWN, teams, as_of);
        let rows = self
            .within(async {
                query.fetch_all::<(String, String, bool, u64)>().await.context("cannot read the features")
            })
            .await?;
        let mut by_team: BTreeMap<String, Known> = BTreeMap::new();
        for (team, feature, needed, rows) in rows {
            let feature = parse(&feature, FeatureId::parse)?;
            let known = by_team.entry(team).or_default();
            known.rows += rows;
            if needed {
                known.measured.insert(feature.clone());
            }
            known.features.insert(feature);
        }
        Ok(teams.iter().map(|team| by_team.remove(team.as_str()).unwrap_or_default()).collect())
    }
}
