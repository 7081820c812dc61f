//! The sums over accounts that a ranking is computed from: small, whatever the number of accounts.
//!
//! This is their plain definition. Whatever adds up the same sums nearer to the rows is tested against it. Every sum
//! runs over accounts in ascending id, in doubles, so that it depends on the facts alone and not on the order in which
//! they came.

use std::collections::BTreeMap;

use crate::{
    assumptions::Assumptions,
    catalog::Tier,
    evidence::{Account, Accounts, Evidence, gather},
    facts::{Facts, Statement},
    ids::FeatureId,
    score::faded,
    time::Timestamp,
};

/// The sums over accounts that a ranking is computed from, for all accounts or those of one segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tallies {
    /// How many accounts are active: the population.
    pub accounts: u64,
    /// Those of them with usage in the activity window.
    pub used: u64,
    /// How many of them are of each tier, in the order of [`Tier::NAMES`].
    pub tiers: [u64; 3],
    /// The sum of the weights of the active accounts.
    pub weight: f64,
    /// The sum of the squares of these weights.
    pub squares: f64,
    /// Every feature that is defined, asked for or needed, merges followed.
    pub features: BTreeMap<FeatureId, Tally>,
}

/// The sums of one feature, merges followed. w is an account's weight; x what its statement counts, 0 to 1,
/// in whole parts of 2⁻⁴⁰ ([`faded`]); u is 1 where
/// it shows the need, else 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// The sum of w x over the active accounts.
    pub asked: f64,
    /// The sum of w u over the active accounts.
    pub needed: f64,
    /// The sum of w x u over the active accounts.
    pub both: f64,
    /// The largest w (`demand_weight` x + `need_weight` u) of an active account.
    pub top: f64,
    /// Active accounts whose latest statement stands.
    pub asking: u64,
    /// Distinct requests stated by those accounts.
    pub requests: u64,
    /// Accounts whose latest statement stands, not active now, that once used the product.
    pub lapsed: u64,
    /// Accounts whose latest statement stands, not active now, that never used the product.
    pub never_used: u64,
    /// Active accounts that show the need.
    pub needing: u64,
    /// Whether a need signal for the feature was ever received.
    pub measured: bool,
}

impl Tallies {
    /// Adds so many active accounts of a tier, of which each has this weight and so many used the product.
    pub fn add_accounts(&mut self, tier: Tier, weight: f64, accounts: u64, used: u64) {
        self.accounts += accounts;
        self.used += used;
        self.weight += weight * accounts as f64;
        self.squares += weight * weight * accounts as f64;
        for (count, (_, known)) in self.tiers.iter_mut().zip(Tier::NAMES) {
            *count += if known == tier { accounts } else { 0 };
        }
    }
}

/// Adds up the facts under the team's own parameters.
///
/// With a segment, the active accounts and those outside are both of that segment.
#[must_use]
pub fn tally(facts: &Facts, segment: Option<&str>) -> Tallies {
    tally_under(facts, segment, &Assumptions::of(facts.catalog.parameters()))
}

/// Adds up the facts under other assumptions. The two windows are in the facts already: they must have been made with
/// the windows assumed.
#[must_use]
pub fn tally_under(facts: &Facts, segment: Option<&str>, assumptions: &Assumptions) -> Tallies {
    let accounts = Accounts::new(facts, segment, &assumptions.tier_weights);
    let scale = Scale { as_of: facts.as_of, assumptions };
    let features = gather(facts, &accounts)
        .into_iter()
        .map(|evidence| {
            let tally = scale.tally(&accounts, &evidence);
            (evidence.feature, tally)
        })
        .collect();
    Tallies {
        accounts: accounts.active,
        used: accounts.used,
        tiers: accounts.tiers,
        weight: accounts.weight,
        squares: accounts.squares,
        features,
    }
}

/// How what an account said and showed becomes numbers.
struct Scale<'a> {
    as_of: Timestamp,
    assumptions: &'a Assumptions,
}

impl Scale<'_> {
    /// One walk over the accounts that said or showed anything, ascending.
    fn tally(&self, accounts: &Accounts<'_>, evidence: &Evidence<'_>) -> Tally {
        let parameters = &self.assumptions.parameters;
        let mut tally = Tally { measured: evidence.measured, ..Tally::default() };
        let mut statements = evidence.statements.iter().peekable();
        let mut needs = evidence.needs.iter().peekable();
        loop {
            let statement = statements.peek().map(|(place, ..)| *place);
            let need = needs.peek().map(|(place, _)| *place);
            let Some(place) = [statement, need].into_iter().flatten().min() else {
                break;
            };
            let account = accounts.at(place);
            let x = match statements.next_if(|(at, ..)| *at == place) {
                Some((_, statement, requests)) => self.demand(account, statement, *requests, &mut tally),
                None => 0.0,
            };
            let u = match needs.next_if(|(at, _)| *at == place) {
                Some((_, count)) if *count >= parameters.need_min_count => {
                    tally.needing += 1;
                    1.0
                }
                _ => 0.0,
            };
            tally.asked += account.weight * x;
            tally.needed += account.weight * u;
            tally.both += account.weight * x * u;
            let part = account.weight * (parameters.demand_weight * x + parameters.need_weight * u);
            tally.top = tally.top.max(part);
        }
        tally
    }

    /// What the account's statement counts: its importance, halved with every half-life that it is old.
    fn demand(&self, account: &Account, statement: &Statement, requests: u64, tally: &mut Tally) -> f64 {
        let Some(importance) = statement.importance else {
            return 0.0;
        };
        if account.active {
            tally.asking += 1;
            tally.requests = tally.requests.saturating_add(requests);
            faded(importance, statement.time, self.as_of, self.assumptions.parameters.half_life_days)
        } else {
            if account.ever_used {
                tally.lapsed += 1;
            } else {
                tally.never_used += 1;
            }
            0.0
        }
    }
}
