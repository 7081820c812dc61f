//! What became of the team's launches.
//!
//! For each launch ClickHouse answers with a row for each kind of account, however many accounts there are. Usage is read by
//! days; only where the launch and the instant asked about lie within a day are the uses themselves, of that feature.

use std::slice;

use anyhow::Context as _;
use clickhouse::Row;
use domain::{
    assumptions::Assumptions,
    catalog::{Catalog, CatalogEvent},
    foresight::Foresight,
    ids::{FeatureId, TeamId},
    launch::{Before, Launch, launches},
    outcome::{Group, Outcome, horizons, outcome},
    ranking::rank_tallies,
    time::{MICROS_PER_DAY, Timestamp},
};
use serde::Deserialize;

use crate::{
    Store, TooLarge,
    arrays::Array,
    sql::outcome::{Uses, groups},
};

/// The outcomes of at most so many launches are computed at once.
pub const OUTCOMES_MAX: u32 = 500;

#[derive(Row, Deserialize)]
struct GroupRow {
    active: bool,
    asked: bool,
    needed: bool,
    used_first: bool,
    used_second: bool,
    accounts: u64,
}

/// The team's launches up to an instant, and what its catalog said then.
pub(crate) struct Past {
    pub(crate) as_of: Timestamp,
    pub(crate) catalog: Catalog,
    pub(crate) launches: Vec<Launch>,
    definitions: Vec<CatalogEvent>,
}

impl Past {
    /// What the catalog said at an earlier instant.
    pub(crate) fn catalog_at(&self, team: &TeamId, as_of: Timestamp) -> Catalog {
        Catalog::from_events(team, as_of, self.definitions.iter().filter(|event| event.time <= as_of).cloned())
    }

    /// The features whose events count for this one. Of those that the catalog does not know, none is merged.
    pub(crate) fn counting_for(&self, feature: &FeatureId) -> Vec<String> {
        counting_for(&self.catalog, feature)
    }
}

/// The features whose events count for this one, which is no other's.
pub(crate) fn counting_for(catalog: &Catalog, feature: &FeatureId) -> Vec<String> {
    let merged = catalog.features.keys().filter(|named| *named != feature && catalog.resolve(named) == *feature);
    std::iter::once(feature).chain(merged).map(ToString::to_string).collect()
}

impl Store {
    /// The team's launches up to `as_of`, by ascending feature.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn launches(&self, team: &TeamId, as_of: Timestamp) -> anyhow::Result<Vec<Launch>> {
        Ok(self.past(team, as_of).await?.launches)
    }

    /// What became of each of the team's launches up to `as_of`, by ascending feature. Everything up to `seen_through` has
    /// been seen: `as_of`, or the watermark if that is earlier.
    ///
    /// # Errors
    /// [`TooLarge`] where there are more than [`OUTCOMES_MAX`] launches; when ClickHouse does not answer in time, or answers
    /// with something else.
    pub async fn outcomes(
        &self,
        team: &TeamId,
        as_of: Timestamp,
        seen_through: Timestamp,
    ) -> anyhow::Result<Vec<Outcome>> {
        let past = self.past(team, as_of).await?;
        if past.launches.len() > OUTCOMES_MAX as usize {
            return Err(TooLarge { what: "launches", rows_max: OUTCOMES_MAX }.into());
        }
        let mut outcomes = Vec::with_capacity(past.launches.len());
        for launch in &past.launches {
            outcomes.push(self.outcome_of(team, &past, launch, seen_through).await?);
        }
        Ok(outcomes)
    }

    /// What became of the launch of this feature up to `as_of`, and how well the team's rankings foretold what would be used of all
    /// its launches; none if it was not launched, or is merged into another.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn outcome(
        &self,
        team: &TeamId,
        feature: &FeatureId,
        as_of: Timestamp,
        seen_through: Timestamp,
    ) -> anyhow::Result<Option<(Outcome, Foresight)>> {
        let past = self.past(team, as_of).await?;
        let Some(launch) = past.launches.iter().find(|launch| launch.feature == *feature) else { return Ok(None) };
        let (outcome, foresight) = tokio::try_join!(
            self.outcome_of(team, &past, launch, seen_through),
            self.foresight_of(team, &past, seen_through)
        )?;
        Ok(Some((outcome, foresight)))
    }

    pub(crate) async fn past(&self, team: &TeamId, as_of: Timestamp) -> anyhow::Result<Past> {
        let definitions = self.definitions(slice::from_ref(team), as_of).await?.remove(team).unwrap_or_default();
        Ok(Past {
            as_of,
            launches: launches(team, as_of, &definitions),
            catalog: Catalog::from_events(team, as_of, definitions.iter().cloned()),
            definitions,
        })
    }

    pub(crate) async fn outcome_of(
        &self,
        team: &TeamId,
        past: &Past,
        launch: &Launch,
        seen_through: Timestamp,
    ) -> anyhow::Result<Outcome> {
        let (groups, before) = tokio::try_join!(self.groups(team, past, launch), self.before(team, past, launch))?;
        Ok(outcome(launch, before, &groups, seen_through))
    }

    /// Where the ranking had the feature before the team set to work.
    async fn before(&self, team: &TeamId, past: &Past, launch: &Launch) -> anyhow::Result<Before> {
        let as_of = launch.decided_on();
        let catalog = past.catalog_at(team, as_of);
        let assumptions = Assumptions::of(catalog.parameters());
        let tallies = self.tallies(team, as_of, None, &catalog, &assumptions).await?;
        Ok(Before::of(&rank_tallies(&tallies, &catalog, &assumptions.parameters), &catalog, &launch.feature))
    }

    async fn groups(&self, team: &TeamId, past: &Past, launch: &Launch) -> anyhow::Result<Vec<Group>> {
        let parameters = past.catalog.parameters();
        let launched_at = launch.launched_at;
        let [first_end, second_end] = horizons(launched_at).map(|(_, end)| end.min(past.as_of));
        let query = self
            .ask(
                &groups(parameters.activity_window_days, uses(launched_at, second_end)),
                &[("features", Array::Ids(&past.counting_for(&launch.feature)))],
            )
            .param("team", team.as_str())
            .param("launched_at", launched_at.0)
            .param("active_after", launched_at.minus_days(parameters.activity_window_days).0)
            .param("need_min_count", parameters.need_min_count)
            .param("first_end", first_end.0)
            .param("second_end", second_end.0);
        let rows = self
            .within(async { query.fetch_all::<GroupRow>().await.context("cannot read what became of a launch") })
            .await?;
        Ok(rows.into_iter().map(GroupRow::into_group).collect())
    }
}

/// How the uses after a launch are told up to an end. An end that is not the instant asked about is days after the launch.
fn uses(launched_at: Timestamp, end: Timestamp) -> Uses {
    let day = |at: Timestamp| at.0.div_euclid(MICROS_PER_DAY);
    if day(launched_at) == day(end) { Uses::Each } else { Uses::OfDays }
}

impl GroupRow {
    fn into_group(self) -> Group {
        Group {
            active: self.active,
            asked: self.asked,
            needed: self.needed,
            used: [self.used_first, self.used_second],
            accounts: self.accounts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_tell_the_uses_after_a_launch_unless_it_and_the_end_are_of_one_day() {
        let noon = Timestamp(20_000 * MICROS_PER_DAY + MICROS_PER_DAY / 2);
        let midnight = noon.plus_micros(MICROS_PER_DAY / 2);
        assert_eq!(uses(noon, noon), Uses::Each);
        assert_eq!(uses(noon, midnight.plus_micros(-1)), Uses::Each);
        assert_eq!(uses(noon, midnight), Uses::OfDays);
    }
}
