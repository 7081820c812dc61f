//! What counts for a ranking: which accounts, and what each of them said and showed about each feature.
//!
//! Merges are followed here. Strings become places in arrays here, so that the sums need no look-ups.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    assumptions::TierWeights,
    catalog::Tier,
    facts::{AccountFacts, Facts, Statement},
    ids::{AccountId, FeatureId},
};

/// An account's place in [`Accounts`]. Ascending places are ascending ids wherever sums run.
pub(crate) type Place = u32;

/// The accounts that can count, by place.
pub(crate) struct Accounts<'a> {
    places: HashMap<&'a AccountId, Place>,
    all: Vec<Account>,
    /// How many are active.
    pub(crate) active: u64,
    /// Those of them with usage in the activity window.
    pub(crate) used: u64,
    /// How many of the active ones are of each tier, the lightest first.
    pub(crate) tiers: [u64; 3],
    /// The sum of the weights of the active ones.
    pub(crate) weight: f64,
    /// The sum of the squares of these weights.
    pub(crate) squares: f64,
}

pub(crate) struct Account {
    pub(crate) weight: f64,
    /// In the segment asked for.
    in_segment: bool,
    /// In the population.
    pub(crate) active: bool,
    pub(crate) ever_used: bool,
}

impl<'a> Accounts<'a> {
    pub(crate) fn new(facts: &'a Facts, segment: Option<&str>, weights: &TierWeights) -> Self {
        let mut accounts = Self {
            places: HashMap::with_capacity(facts.accounts.len()),
            all: Vec::with_capacity(facts.accounts.len()),
            active: 0,
            used: 0,
            tiers: [0; 3],
            weight: 0.0,
            squares: 0.0,
        };
        for (id, account) in &facts.accounts {
            let in_segment = segment.is_none_or(|segment| account.in_segment(segment));
            let active = in_segment && account.active;
            let weight = weights.of(account.tier);
            accounts.add(id, Account { weight, in_segment, active, ever_used: account.ever_used });
            if active {
                accounts.active += 1;
                accounts.used += u64::from(account.used);
                for (count, (_, tier)) in accounts.tiers.iter_mut().zip(Tier::NAMES) {
                    *count += u64::from(account.tier == tier);
                }
                accounts.weight += weight;
                accounts.squares += weight * weight;
            }
        }

        // Accounts that only speak: never active, so that their places are in no sum.
        let unknown = AccountFacts::default();
        let in_segment = segment.is_none_or(|segment| unknown.in_segment(segment));
        for statement in &facts.statements {
            if !accounts.places.contains_key(&statement.account) {
                let weight = weights.of(unknown.tier);
                accounts.add(&statement.account, Account { weight, in_segment, active: false, ever_used: false });
            }
        }
        accounts
    }

    #[expect(clippy::cast_possible_truncation, reason = "four billion accounts do not fit into memory")]
    fn add(&mut self, id: &'a AccountId, account: Account) {
        self.places.insert(id, self.all.len() as Place);
        self.all.push(account);
    }

    pub(crate) fn at(&self, place: Place) -> &Account {
        &self.all[place as usize]
    }
}

/// What is known about one feature, merges followed: each account at most once in each list, ascending.
pub(crate) struct Evidence<'a> {
    pub(crate) feature: FeatureId,
    /// The latest statement and the number of requests.
    pub(crate) statements: Vec<(Place, &'a Statement, u64)>,
    /// The need signals counted.
    pub(crate) needs: Vec<(Place, u64)>,
    pub(crate) measured: bool,
}

/// The evidence for each feature that the team's catalog, requests or need signals know, by ascending id.
pub(crate) fn gather<'a>(facts: &'a Facts, accounts: &Accounts<'a>) -> Vec<Evidence<'a>> {
    let raw: BTreeSet<&FeatureId> = facts.catalog.features.keys().chain(&facts.known).collect();
    let targets: BTreeMap<&FeatureId, FeatureId> =
        raw.into_iter().map(|feature| (feature, facts.catalog.resolve(feature))).collect();
    let features: BTreeSet<&FeatureId> = targets.values().collect();
    let mut gathered: Vec<Evidence<'_>> = features
        .iter()
        .map(|&feature| Evidence {
            feature: feature.clone(),
            statements: Vec::new(),
            needs: Vec::new(),
            measured: false,
        })
        .collect();
    let slots: HashMap<&FeatureId, usize> = features.into_iter().zip(0..).collect();
    let slot: HashMap<&FeatureId, usize> = targets.iter().map(|(&raw, target)| (raw, slots[target])).collect();

    for statement in &facts.statements {
        // A statement about a feature that is not known contradicts itself; there is nothing to rank it under.
        if let (Some(&slot), Some(&place)) = (slot.get(&statement.feature), accounts.places.get(&statement.account))
            && accounts.at(place).in_segment
        {
            gathered[slot].statements.push((place, statement, statement.requests));
        }
    }
    for need in &facts.needs {
        if let (Some(&slot), Some(&place)) = (slot.get(&need.feature), accounts.places.get(&need.account))
            && accounts.at(place).active
        {
            gathered[slot].needs.push((place, need.count));
        }
    }
    for feature in &facts.measured {
        if let Some(&slot) = slot.get(feature) {
            gathered[slot].measured = true;
        }
    }
    for evidence in &mut gathered {
        evidence.merge();
    }
    gathered
}

impl Evidence<'_> {
    /// Joins what the same account said about features that are now one: the latest of the latest statements stands,
    /// requests and need signals add up.
    fn merge(&mut self) {
        self.statements.sort_by_key(|(place, ..)| *place);
        self.statements.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                if later.1.precedence() > first.1.precedence() {
                    first.1 = later.1;
                }
                first.2 = first.2.saturating_add(later.2);
            }
            same
        });
        self.needs.sort_by_key(|(place, _)| *place);
        self.needs.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                first.1 = first.1.saturating_add(later.1);
            }
            same
        });
    }
}
