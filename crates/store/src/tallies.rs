//! The sums over accounts that a ranking is computed from, added up by ClickHouse.
//!
//! ClickHouse sees the team's accounts, and answers with a row for each feature and tier, however many accounts there are. Shares
//! are added up as integers, so that the sums do not depend on threads or parts; what an account of each tier weighs is applied
//! here, to the sums. `domain::tally` is the definition; this is equal to it to 1 part in 10⁹.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use clickhouse::Row;
use domain::{
    assumptions::{Assumptions, TierWeights},
    catalog::Catalog,
    ids::{FeatureId, TeamId},
    ranking::{Ranking, rank_tallies},
    tally::{Tallies, Tally},
    time::{MICROS_PER_DAY, Timestamp},
};
use serde::Deserialize;

use crate::{Store, arrays::Array, rows::tier, sql::tallies::question};

/// Sums of shares are counted in parts of 2⁻⁴⁰: an account's is off by half of one at most, and 2²³ accounts fit.
const PARTS: f64 = (1_u64 << 40) as f64;

/// The sums of one feature over the accounts of one tier.
#[derive(Row, Deserialize)]
struct TallyRow {
    /// From 1, as asked; 0 where an account neither asks for nor needs anything.
    feature: u32,
    tier: i8,
    /// In parts.
    asked: i64,
    /// In parts.
    both: i64,
    needing: u64,
    top: f64,
    asking: u64,
    requests: u64,
    lapsed: u64,
    never_used: u64,
    /// The team's active accounts of each tier, and how many of all of them used anything: the same in every row.
    population: (u64, u64, u64, u64),
}

impl Store {
    /// The team's ranking at `as_of`, of all its accounts or those of one segment.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn ranking(&self, team: &TeamId, as_of: Timestamp, segment: Option<&str>) -> anyhow::Result<Ranking> {
        let (catalog, features) = tokio::try_join!(self.catalog(team, as_of), self.known(team, as_of))?;
        let assumptions = Assumptions::of(catalog.parameters());
        let tallies = self.sums(team, as_of, segment, (&catalog, &assumptions), &features).await?;
        Ok(rank_tallies(&tallies, &catalog, &assumptions.parameters))
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
        let features = self.known(team, as_of).await?;
        self.sums(team, as_of, segment, (catalog, assumptions), &features).await
    }

    /// With the features that have a need signal, and those asked for or needed.
    async fn sums(
        &self,
        team: &TeamId,
        as_of: Timestamp,
        segment: Option<&str>,
        (catalog, assumptions): (&Catalog, &Assumptions),
        (measured, known): &(BTreeSet<FeatureId>, BTreeSet<FeatureId>),
    ) -> anyhow::Result<Tallies> {
        let features = Features::of(catalog, known);
        let parameters = &assumptions.parameters;
        let query = self
            .at_with(&question(parameters.activity_window_days, segment.is_some()), team, as_of, &features.arrays())
            .param("active_after", as_of.minus_days(parameters.activity_window_days).0)
            .param("need_after", as_of.minus_days(parameters.need_window_days).0)
            .param("half_life_us", parameters.half_life_days * MICROS_PER_DAY as f64)
            .param("need_min_count", parameters.need_min_count)
            .param("demand_weight", parameters.demand_weight)
            .param("need_weight", parameters.need_weight)
            .param("segment", segment.unwrap_or_default());
        let rows = self
            .within(async { query.fetch_all::<TallyRow>().await.context("cannot read the sums over the accounts") })
            .await?;
        let mut tallies = features.tallies(rows, &assumptions.tier_weights)?;
        for feature in measured {
            if let Some(tally) = tallies.features.get_mut(&catalog.resolve(feature)) {
                tally.measured = true;
            }
        }
        Ok(tallies)
    }
}

/// What ClickHouse is told of features, as arrays for `transform`, which wants them not empty.
struct Features {
    /// The features that events may name, before merges.
    names: Vec<String>,
    /// The place, from 1, of the feature in [`Self::targets`] that each one's events count for; 0 is none.
    places: Vec<u32>,
    /// Those of them whose events count only after an instant ...
    launched: Vec<String>,
    /// ... and this instant.
    since: Vec<i64>,
    /// The features, merges followed.
    targets: Vec<FeatureId>,
}

impl Features {
    fn of(catalog: &Catalog, known: &BTreeSet<FeatureId>) -> Self {
        let mut features = Self {
            names: vec![String::new()],
            places: vec![0],
            launched: vec![String::new()],
            since: vec![i64::MIN],
            targets: Vec::new(),
        };
        let mut places: BTreeMap<FeatureId, u32> = BTreeMap::new();
        let named: BTreeSet<&FeatureId> = catalog.features.keys().chain(known).collect();
        for feature in named {
            let place = *places.entry(catalog.resolve(feature)).or_insert_with_key(|target| {
                features.targets.push(target.clone());
                u32::try_from(features.targets.len()).unwrap_or(u32::MAX)
            });
            features.names.push(feature.to_string());
            features.places.push(place);
            if let Some(since) = catalog.since(feature) {
                features.launched.push(feature.to_string());
                features.since.push(since.0);
            }
        }
        features
    }

    fn arrays(&self) -> [(&'static str, Array<'_>); 4] {
        [
            ("features", Array::Ids(&self.names)),
            ("places", Array::Places(&self.places)),
            ("launched", Array::Ids(&self.launched)),
            ("since", Array::Instants(&self.since)),
        ]
    }

    fn tallies(&self, rows: Vec<TallyRow>, weights: &TierWeights) -> anyhow::Result<Tallies> {
        let mut tallies = Tallies {
            features: self.targets.iter().map(|target| (target.clone(), Tally::default())).collect(),
            ..Tallies::default()
        };
        if let Some(TallyRow { population: (standard, growth, enterprise, used), .. }) = rows.first() {
            tallies.accounts = standard + growth + enterprise;
            tallies.used = *used;
            tallies.tiers = [*standard, *growth, *enterprise];
            for (accounts, weight) in
                [(standard, weights.standard), (growth, weights.growth), (enterprise, weights.enterprise)]
            {
                tallies.weight += weight * *accounts as f64;
                tallies.squares += weight * weight * *accounts as f64;
            }
        }
        // In the order of features and tiers, so that what the doubles add up to does not depend on the order of the rows.
        let mut rows: Vec<TallyRow> = rows.into_iter().filter(|row| row.feature > 0).collect();
        rows.sort_by_key(|row| (row.feature, row.tier));
        for row in rows {
            let weight = weights.of(tier(row.tier)?);
            let target = usize::try_from(row.feature - 1).ok().and_then(|place| self.targets.get(place));
            let Some(tally) = target.and_then(|target| tallies.features.get_mut(target)) else {
                bail!("ClickHouse answered with feature {} of {}", row.feature, self.targets.len());
            };
            tally.asked += weight * (row.asked as f64 / PARTS);
            tally.needed += weight * row.needing as f64;
            tally.both += weight * (row.both as f64 / PARTS);
            tally.top = tally.top.max(weight * row.top);
            tally.asking += row.asking;
            tally.requests += row.requests;
            tally.lapsed += row.lapsed;
            tally.never_used += row.never_used;
            tally.needing += row.needing;
        }
        Ok(tallies)
    }
}
