//! The sums over accounts that a ranking is computed from, added up by ClickHouse, of several teams at once.
//!
//! ClickHouse sees the teams' accounts, and answers with a row for each feature and tier, however many accounts there are. Shares
//! are added up as integers, so that the sums do not depend on threads or parts; what an account of each tier weighs is applied
//! here, to the sums. `domain::tally` is the definition; this is equal to it to 1 part in 10⁹.

use std::{
    collections::{BTreeMap, BTreeSet},
    slice,
};

use anyhow::{Context as _, bail};
use clickhouse::Row;
use domain::{
    assumptions::Assumptions,
    catalog::Catalog,
    ids::{FeatureId, TeamId},
    ranking::{Ranking, rank_tallies},
    tally::{Tallies, Tally},
    time::{MICROS_PER_DAY, Timestamp},
};
use serde::Deserialize;

use crate::{
    Store,
    arrays::Array,
    catalogs::Known,
    rows::tier,
    sql::{
        activity::Grain,
        tallies::{PLACE_BITS, question},
    },
};

/// Sums of shares are counted in parts of 2⁻⁴⁰: an account's is off by half of one at most, and 2²³ accounts fit.
pub(crate) const PARTS: f64 = (1_u64 << 40) as f64;
/// A question for several teams has so many cells for their features at most, each some 30 bytes of it.
const CELLS_MAX: usize = 10_000;
/// Events are dated 2000 or later, so all of them come after this.
const ALWAYS: i64 = 0;

/// The sums of one feature over the accounts of one tier; or, where the slot's place is 0, how many accounts of it a team has.
#[derive(Row, Deserialize)]
struct TallyRow {
    /// The team's number, from 1, and the feature's place, from 1.
    slot: u32,
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
    /// Active ones.
    accounts: u64,
    /// Those of them that used anything.
    used: u64,
}

/// A team's ranking, and what it took.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The ranking.
    pub ranking: Ranking,
    /// How many requests, withdrawals and need signals it was computed from, and active accounts: what it costs to compute it
    /// grows with them. The few months of usage of an account cost about what one of the others does.
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
            .param("names_count", features.names.len())
            .param("segment", segment.unwrap_or_default());
        let rows = self
            .within(async { query.fetch_all::<TallyRow>().await.context("cannot read the sums over the accounts") })
            .await?;
        features.tallies(rows, asked)
    }
}

/// Which teams are asked for in one question: those whose usage is read from the same table, as long as what they call their
/// features fits.
fn together(asked: &[Asked<'_>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<(Grain, BTreeSet<&FeatureId>, Vec<usize>)> = Vec::new();
    for (place, asked) in asked.iter().enumerate() {
        let grain = Grain::of(asked.assumptions.parameters.activity_window_days);
        let names = asked.names();
        let fits = |group: &&mut (Grain, BTreeSet<&FeatureId>, Vec<usize>)| {
            group.0 == grain && (group.2.len() + 1) * (group.1.union(&names).count() + 1) <= CELLS_MAX
        };
        match groups.iter_mut().find(fits) {
            Some((_, of_group, places)) => {
                of_group.extend(names);
                places.push(place);
            }
            None => groups.push((grain, names, vec![place])),
        }
    }
    groups.into_iter().map(|(_, _, places)| places).collect()
}

impl<'a> Asked<'a> {
    /// The features that events may name, before merges.
    fn names(&self) -> BTreeSet<&'a FeatureId> {
        self.catalog.features.keys().chain(&self.known.features).collect()
    }
}

/// What ClickHouse is told of features. For each team and name there is a cell, the teams one after another.
struct Features {
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
    fn of(asked: &[&Asked<'_>], as_of: Timestamp) -> anyhow::Result<Self> {
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

    fn cell(&mut self, slot: u32, since: i64, window_began: i64) {
        self.slots.push(slot);
        self.since.push(since);
        self.need_after.push(since.max(window_began));
    }

    fn arrays(&self) -> [(&'static str, Array<'_>); 5] {
        [
            ("names", Array::Ids(&self.names)),
            ("name_numbers", Array::Places(&self.name_numbers)),
            ("slots", Array::Places(&self.slots)),
            ("since", Array::Integers(&self.since)),
            ("need_after", Array::Integers(&self.need_after)),
        ]
    }

    /// The sums of each team, from the rows of all.
    fn tallies(&self, mut rows: Vec<TallyRow>, asked: &[&Asked<'_>]) -> anyhow::Result<Vec<Tallies>> {
        let mut all: Vec<Tallies> = Vec::with_capacity(asked.len());
        for targets in &self.targets {
            let features = targets.iter().map(|target| (target.clone(), Tally::default())).collect();
            all.push(Tallies { features, ..Tallies::default() });
        }
        // In the order of features and tiers, so that what the doubles add up to does not depend on the order of the rows.
        rows.sort_by_key(|row| (row.slot, row.tier));
        for row in rows {
            let (number, place) = (row.slot >> PLACE_BITS, row.slot & ((1 << PLACE_BITS) - 1));
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
            row.add(tally, weight);
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

impl TallyRow {
    fn add(&self, tally: &mut Tally, weight: f64) {
        tally.asked += weight * (self.asked as f64 / PARTS);
        tally.needed += weight * self.needing as f64;
        tally.both += weight * (self.both as f64 / PARTS);
        tally.top = tally.top.max(weight * self.top);
        tally.asking += self.asking;
        tally.requests += self.requests;
        tally.lapsed += self.lapsed;
        tally.never_used += self.never_used;
        tally.needing += self.needing;
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
