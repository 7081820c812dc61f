//! Every feature's score in any state of the switches.
//!
//! Sixteen states are asked for, but few sums differ between them: each kind of sum is kept by the switches that it
//! depends on. All of them run over accounts in ascending id, in doubles, as a ranking's own do, so that the scores at
//! the two ends are the rankings' to the last bit.

use std::collections::{BTreeSet, HashMap};

use crate::{
    catalog::Status,
    diff::{Comparison, End, Ends, Said, Switch, TeamAt, switch::State},
    ids::FeatureId,
    score::{CONFIDENCE, faded, kish, two_sided_z, wilson},
};

/// So many units of an integer score are one point of a score.
pub(super) const UNITS_PER_POINT: f64 = 1e9;

const POPULATION: [Switch; 2] = [Switch::Parameters, Switch::Population];
const ASKED: [Switch; 6] = [
    Switch::Parameters,
    Switch::Merges,
    Switch::Population,
    Switch::RequestsNew,
    Switch::RequestsWithdrawn,
    Switch::Fading,
];
const NEEDED: [Switch; 4] = [Switch::Parameters, Switch::Merges, Switch::Population, Switch::Need];

/// The scores in any state, with the sums made so far.
pub(super) struct States<'a> {
    table: Table<'a>,
    z: f64,
    populations: HashMap<State, Population>,
    asked: HashMap<State, Vec<f64>>,
    needed: HashMap<State, Vec<f64>>,
}

impl<'a> States<'a> {
    pub(super) fn new(comparison: &'a Comparison) -> Self {
        Self {
            table: Table::new(comparison),
            z: two_sided_z(CONFIDENCE),
            populations: HashMap::new(),
            asked: HashMap::new(),
            needed: HashMap::new(),
        }
    }

    /// Every feature known at either end, defined, named as a merge's target, asked for or needed, ascending.
    pub(super) fn features(&self) -> &[FeatureId] {
        &self.table.features
    }

    /// Whether the ranking at this end lists each feature.
    pub(super) fn listed(&self, end: End) -> Vec<bool> {
        let known = self.table.known(end);
        (0..self.table.features.len()).map(|slot| known[slot] && self.table.can_be_listed(slot, end, end)).collect()
    }

    /// Every feature's score in this state in billionths of a point; 0 where it is not listed.
    ///
    /// A feature that nobody has heard of has no statement and no signal, so its score is 0 without a rule of its own.
    pub(super) fn scores(&mut self, state: State) -> Vec<i64> {
        let table = &self.table;
        let state = state.only(&table.effective);
        let population = self.populations.entry(state.only(&POPULATION)).or_insert_with(|| table.population(state));
        let asked = self.asked.entry(state.only(&ASKED)).or_insert_with(|| table.asked(state, population));
        let needed = self.needed.entry(state.only(&NEEDED)).or_insert_with(|| table.needed(state, population));

        let parameters = &table.team(state, Switch::Parameters).assumptions.parameters;
        let (merges, status) = (state.end(Switch::Merges), state.end(Switch::Status));
        (0..table.features.len())
            .map(|slot| {
                if !table.can_be_listed(slot, merges, status) {
                    return 0;
                }
                let demand = 100.0 * parameters.demand_weight * population.low(asked[slot], self.z);
                let need = 100.0 * parameters.need_weight * population.low(needed[slot], self.z);
                in_units(demand + need)
            })
            .collect()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a score is at most 100 points")]
fn in_units(score: f64) -> i64 {
    (UNITS_PER_POINT * score).round_ties_even() as i64
}

/// The comparison with places instead of ids.
struct Table<'a> {
    team: &'a Ends<TeamAt>,
    accounts: &'a [super::AccountAt],
    /// Ascending. A feature's slot is its place here.
    features: Vec<FeatureId>,
    /// The slot that each slot's events count for.
    targets: Ends<Vec<u32>>,
    /// Whether the status of each slot's feature lets it be listed.
    choosable: Ends<Vec<bool>>,
    /// Known without the catalog, by slot.
    heard_of: Ends<Vec<bool>>,
    /// By ascending account.
    statements: Vec<Statement>,
    /// By ascending account.
    needs: Vec<Need>,
    /// The switches that can make a difference.
    effective: Vec<Switch>,
}

struct Statement {
    account: u32,
    slot: u32,
    /// The one that puts this statement at one of its ends, where they differ.
    switch: Switch,
    said: Ends<Option<Said>>,
}

struct Need {
    account: u32,
    slot: u32,
    count: Ends<Ends<u64>>,
}

/// The accounts that count in a state.
struct Population {
    /// By the account's place; 0 outside.
    weights: Vec<f64>,
    weight: f64,
    effective: f64,
}

impl Population {
    /// Wilson's lower bound of the share that these weights are.
    fn low(&self, part: f64, z: f64) -> f64 {
        let share = if self.weight > 0.0 { part / self.weight } else { 0.0 };
        wilson(share, self.effective, z).0
    }
}

impl<'a> Table<'a> {
    fn new(comparison: &'a Comparison) -> Self {
        let Comparison { team, accounts, .. } = comparison;
        let features = all_features(comparison);
        let slots: HashMap<&FeatureId, u32> = features.iter().zip(0..).collect();
        let slot_of: Vec<u32> = comparison.features.iter().map(|known| slots[&known.feature]).collect();
        let targets = Ends::of(|end| {
            let catalog = &team.at(end).catalog;
            features.iter().map(|feature| slots[&catalog.resolve(feature)]).collect::<Vec<u32>>()
        });
        let choosable = Ends::of(|end| {
            let catalog = &team.at(end).catalog;
            let unlisted = [Some(Status::Launched), Some(Status::Retired)];
            features.iter().map(|feature| !unlisted.contains(&catalog.status(feature))).collect()
        });
        let heard_of = Ends::of(|end| {
            let mut heard_of = vec![false; features.len()];
            for (known, slot) in comparison.features.iter().zip(&slot_of) {
                heard_of[*slot as usize] |= *known.known.at(end);
            }
            heard_of
        });

        let is_account = |account: u32| (account as usize) < accounts.len();
        let later = if team.to.as_of >= team.from.as_of { End::To } else { End::From };
        let mut statements: Vec<Statement> = comparison
            .statements
            .iter()
            .filter(|statement| is_account(statement.account))
            .filter_map(|statement| {
                let slot = *slot_of.get(statement.feature as usize)?;
                let stands = statement.said.at(later).is_some_and(|said| said.importance.is_some());
                let switch = if stands { Switch::RequestsNew } else { Switch::RequestsWithdrawn };
                Some(Statement { account: statement.account, slot, switch, said: statement.said })
            })
            .collect();
        statements.sort_by_key(|statement| statement.account);
        let mut needs: Vec<Need> = comparison
            .needs
            .iter()
            .filter(|need| is_account(need.account))
            .filter_map(|need| {
                let slot = *slot_of.get(need.feature as usize)?;
                Some(Need { account: need.account, slot, count: need.count })
            })
            .collect();
        needs.sort_by_key(|need| need.account);

        let mut effective = Switch::ALL.to_vec();
        effective.retain(|switch| match switch {
            Switch::Parameters => team.from.assumptions != team.to.assumptions,
            Switch::Merges => targets.differ(),
            Switch::Fading => team.from.as_of != team.to.as_of,
            _ => true,
        });
        Self { team, accounts, features, targets, choosable, heard_of, statements, needs, effective }
    }

    fn team(&self, state: State, switch: Switch) -> &TeamAt {
        self.team.at(state.end(switch))
    }

    fn can_be_listed(&self, slot: usize, merges: End, status: End) -> bool {
        self.targets.at(merges)[slot] as usize == slot && self.choosable.at(status)[slot]
    }

    /// Whether each slot is defined, asked for or needed, or has become the target of such a one.
    fn known(&self, end: End) -> Vec<bool> {
        let catalog = &self.team.at(end).catalog;
        let mut known = vec![false; self.features.len()];
        for (slot, feature) in self.features.iter().enumerate() {
            if self.heard_of.at(end)[slot] || catalog.features.contains_key(feature) {
                known[self.targets.at(end)[slot] as usize] = true;
            }
        }
        known
    }

    fn population(&self, state: State) -> Population {
        let (population, parameters) = (state.end(Switch::Population), state.end(Switch::Parameters));
        let tier_weights = &self.team.at(parameters).assumptions.tier_weights;
        let (mut weight, mut squares) = (0.0, 0.0);
        let weights = self
            .accounts
            .iter()
            .map(|account| {
                if !account.active.at(population).at(parameters) {
                    return 0.0;
                }
                let own = tier_weights.of(*account.tier.at(population));
                weight += own;
                squares += own * own;
                own
            })
            .collect();
        Population { weights, weight, effective: kish(weight, squares) }
    }

    /// By slot: the sum of what the latest statements count, times the account's weight.
    fn asked(&self, state: State, population: &Population) -> Vec<f64> {
        let targets = self.targets.at(state.end(Switch::Merges));
        let as_of = self.team(state, Switch::Fading).as_of;
        let half_life_days = self.team(state, Switch::Parameters).assumptions.parameters.half_life_days;
        let mut sums = vec![0.0; self.features.len()];
        // One account's latest statement about each slot, and the slots with any: empty between accounts.
        let mut latest: Vec<Option<Said>> = vec![None; self.features.len()];
        let mut spoken_of: Vec<usize> = Vec::new();
        for statements in self.statements.chunk_by(|a, b| a.account == b.account) {
            let weight = population.weights[statements[0].account as usize];
            if weight == 0.0 {
                continue;
            }
            for statement in statements {
                let said = *statement.said.at(state.end(statement.switch));
                let slot = targets[statement.slot as usize] as usize;
                if said.is_some() && latest[slot].is_none() {
                    spoken_of.push(slot);
                }
                latest[slot] = latest[slot].max(said);
            }
            for slot in spoken_of.drain(..) {
                if let Some(Said { time, importance: Some(importance) }) = latest[slot].take() {
                    sums[slot] += weight * faded(importance, time, as_of, half_life_days);
                }
            }
        }
        sums
    }

    /// By slot: the sum of the weights of the accounts that show the need.
    fn needed(&self, state: State, population: &Population) -> Vec<f64> {
        let targets = self.targets.at(state.end(Switch::Merges));
        let (window, end) = (state.end(Switch::Parameters), state.end(Switch::Need));
        let need_min_count = self.team.at(window).assumptions.parameters.need_min_count;
        let mut sums = vec![0.0; self.features.len()];
        // One account's signals for each slot, and the slots with any: empty between accounts.
        let mut counts: Vec<u64> = vec![0; self.features.len()];
        let mut needed: Vec<usize> = Vec::new();
        for needs in self.needs.chunk_by(|a, b| a.account == b.account) {
            let weight = population.weights[needs[0].account as usize];
            if weight == 0.0 {
                continue;
            }
            for need in needs {
                let count = *need.count.at(end).at(window);
                let slot = targets[need.slot as usize] as usize;
                if count > 0 && counts[slot] == 0 {
                    needed.push(slot);
                }
                counts[slot] = counts[slot].saturating_add(count);
            }
            for slot in needed.drain(..) {
                if std::mem::take(&mut counts[slot]) >= need_min_count {
                    sums[slot] += weight;
                }
            }
        }
        sums
    }
}

fn all_features(comparison: &Comparison) -> Vec<FeatureId> {
    let catalogs = [&comparison.team.from.catalog, &comparison.team.to.catalog];
    let mut features: BTreeSet<FeatureId> = comparison.features.iter().map(|known| known.feature.clone()).collect();
    features.extend(catalogs.iter().flat_map(|catalog| catalog.features.keys().cloned()));
    let targets: Vec<FeatureId> =
        catalogs.iter().flat_map(|catalog| features.iter().map(|feature| catalog.resolve(feature))).collect();
    features.extend(targets);
    features.into_iter().collect()
}
