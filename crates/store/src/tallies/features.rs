//! What ClickHouse is told of the features of several teams, and what its answer says of each.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use domain::{
    ids::FeatureId,
    tally::{Tallies, Tally},
    time::Timestamp,
};

use super::Asked;
use crate::{arrays::Array, rows::tier, sql::tallies::PLACE_BITS, sums::SumsRow};

/// Events are dated 2000 or later, so all of them come after this.
const ALWAYS: i64 = 0;

/// What ClickHouse is told of features. For each team and name there is a cell, the teams one after another.
pub(super) struct Features {
    /// The names of all teams' features, before merges; the first is no feature's, and stands for all that are not here.
    names: Vec<String>,
    /// Each one's number, from 1.
    name_numbers: Vec<u32>,
    /// Of each cell, the slot that events count for; 0 is none.
    slots: Vec<u32>,
    /// Of each cell, the instant that events count after.
    since: Vec<i64>,
    /// Of each cell, the instant that need signals count after.
    need_after: Vec<i64>,
    /// The features of each team, merges followed.
    targets: Vec<Vec<FeatureId>>,
}

impl Features {
    pub(super) fn of(asked: &[&Asked<'_>], as_of: Timestamp) -> anyhow::Result<Self> {
        let names: BTreeSet<&FeatureId> = asked.iter().flat_map(|asked| asked.names()).collect();
        let mut features = Self {
            names: [String::new()].into_iter().chain(names.iter().map(ToString::to_string)).collect(),
            name_numbers: (1..).take(names.len() + 1).collect(),
            slots: Vec::new(),
            since: Vec::new(),
            need_after: Vec::new(),
            targets: Vec::new(),
        };
        for (asked, number) in asked.iter().zip(1_usize..) {
            let window_began = as_of.minus_days(asked.assumptions.parameters.need_window_days).0;
            let mut places: BTreeMap<FeatureId, usize> = BTreeMap::new();
            let mut targets = Vec::new();
            let own = asked.names();
            features.cell(0, ALWAYS, window_began);
            for name in &names {
                if !own.contains(name) {
                    features.cell(0, ALWAYS, window_began);
                    continue;
                }
                let place = *places.entry(asked.catalog.resolve(name)).or_insert_with_key(|target| {
                    targets.push(target.clone());
                    targets.len()
                });
                let since = asked.catalog.since(name).map_or(ALWAYS, |since| since.0);
                features.cell(slot(number, place)?, since, window_began);
            }
            features.targets.push(targets);
        }
        Ok(features)
    }

    /// So many cells each team has.
    pub(super) fn names_count(&self) -> usize {
        self.names.len()
    }

    fn cell(&mut self, slot: u32, since: i64, window_began: i64) {
        self.slots.push(slot);
        self.since.push(since);
        self.need_after.push(since.max(window_began));
    }

    /// What is bound.
    pub(super) fn arrays(&self) -> [(&'static str, Array<'_>); 5] {
        [
            ("names", Array::Ids(&self.names)),
            ("name_numbers", Array::Places(&self.name_numbers)),
            ("slots", Array::Places(&self.slots)),
            ("since", Array::Integers(&self.since)),
            ("need_after", Array::Integers(&self.need_after)),
        ]
    }

    /// The sums of each team, from the rows of all.
    pub(super) fn tallies(&self, mut rows: Vec<SumsRow<u32>>, asked: &[&Asked<'_>]) -> anyhow::Result<Vec<Tallies>> {
        let mut all: Vec<Tallies> = Vec::with_capacity(asked.len());
        for targets in &self.targets {
            let features = targets.iter().map(|target| (target.clone(), Tally::default())).collect();
            all.push(Tallies { features, ..Tallies::default() });
        }
        // In the order of features and tiers, so that what the doubles add up to does not depend on the order of the rows.
        rows.sort_by_key(|row| (row.whose, row.tier));
        for row in rows {
            let (number, place) = (row.whose >> PLACE_BITS, row.whose & ((1 << PLACE_BITS) - 1));
            let team = usize::try_from(number)
                .ok()
                .and_then(|number| number.checked_sub(1))
                .and_then(|team| Some((all.get_mut(team)?, asked.get(team)?, self.targets.get(team)?)));
            let Some((tallies, asked, targets)) = team else {
                bail!("ClickHouse answered with team {number} of {}", asked.len());
            };
            let tier = tier(row.tier)?;
            let weight = asked.assumptions.tier_weights.of(tier);
            if place == 0 {
                tallies.add_accounts(tier, weight, row.accounts, row.used);
                continue;
            }
            let target = usize::try_from(place - 1).ok().and_then(|place| targets.get(place));
            let Some(tally) = target.and_then(|target| tallies.features.get_mut(target)) else {
                bail!("ClickHouse answered with feature {place} of {}", targets.len());
            };
            row.add_to(tally, weight);
        }
        for (tallies, asked) in all.iter_mut().zip(asked) {
            for feature in &asked.known.measured {
                if let Some(tally) = tallies.features.get_mut(&asked.catalog.resolve(feature)) {
                    tally.measured = true;
                }
            }
        }
        Ok(all)
    }
}

/// The number of the team and the place of the feature, both from 1, in one number.
fn slot(team: usize, place: usize) -> anyhow::Result<u32> {
    let (team, place) = (u32::try_from(team)?, u32::try_from(place)?);
    if place >> PLACE_BITS > 0 || team >> (u32::BITS - PLACE_BITS) > 0 {
        bail!("there is no slot for feature {place} of team {team}");
    }
    Ok((team << PLACE_BITS) | place)
}
