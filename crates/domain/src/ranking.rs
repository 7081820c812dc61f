//! The ranked roadmap of one team at one instant: the score, v1.
//!
//! Every sum that reaches an answer runs over accounts in ascending id, in doubles, so that the answer depends on the
//! facts alone and not on the order in which they came.

use crate::{
    catalog::{Door, Parameters, Status},
    evidence::{Account, Accounts, Evidence, gather},
    facts::{Facts, Statement},
    ids::FeatureId,
    score::{CONFIDENCE, EFFECTIVE_MIN, two_sided_z, wilson},
    time::{MICROS_PER_DAY, Timestamp},
};

/// One team's ranked roadmap.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// The parameters that it was computed with.
    pub parameters: Parameters,
    /// Whether the population is large enough.
    pub confidence: Confidence,
    /// The accounts that the shares are shares of.
    pub population: Population,
    /// The features to choose from, best first.
    pub items: Vec<Ranked>,
    /// The launched features, best first, ranked among themselves.
    pub iterate: Vec<Ranked>,
    /// Features that the catalog merges in a circle; they stay unmerged.
    pub merge_cycles: Vec<Vec<FeatureId>>,
}

/// Whether a population is large enough for its ranks to mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// At least [`EFFECTIVE_MIN`] effective accounts.
    Ok,
    /// Fewer.
    Insufficient,
}

/// The active accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    /// How many.
    pub accounts: u64,
    /// Those of them with usage in the activity window.
    pub used: u64,
    /// The sum of their weights.
    pub weight: f64,
    /// Kish's effective number of them.
    pub effective: f64,
}

/// One feature's place and the evidence for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Its place, from 1.
    pub rank: u32,
    /// The feature.
    pub feature: FeatureId,
    /// Its title; its id where the catalog gives none.
    pub title: String,
    /// Its status, where the catalog knows it.
    pub status: Option<Status>,
    /// Whether the decision can be taken back, where the catalog says so.
    pub door: Option<Door>,
    /// Estimated effort in person-months, where the catalog gives one.
    pub effort_months: Option<f64>,
    /// The score divided by the effort.
    pub score_per_effort: Option<f64>,
    /// The score, 0 to 100: the sum of the two contributions.
    pub score: f64,
    /// What stated demand contributes.
    pub demand_contribution: f64,
    /// What revealed need contributes.
    pub need_contribution: f64,
    /// What accounts asked for.
    pub demand: Demand,
    /// What their usage shows they need.
    pub need: Need,
    /// The largest account's part of the evidence, 0 to 1; none without evidence.
    pub top_account_share: Option<f64>,
}

/// Stated demand.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// Weighted, faded share of the active accounts.
    pub share: f64,
    /// Wilson's lower bound of it.
    pub low: f64,
    /// Wilson's upper bound of it.
    pub high: f64,
    /// Active accounts whose latest statement stands.
    pub accounts: u64,
    /// Distinct requests stated by those accounts.
    pub requests: u64,
    /// Accounts whose latest statement stands, not active now, that once used the product.
    pub lapsed: u64,
    /// Accounts whose latest statement stands, not active now, that never used the product.
    pub never_used: u64,
}

/// Revealed need.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// Weighted share of the active accounts that show the need.
    pub share: f64,
    /// Wilson's lower bound of it.
    pub low: f64,
    /// Wilson's upper bound of it.
    pub high: f64,
    /// Active accounts that show the need.
    pub accounts: u64,
    /// Whether a need signal for the feature was ever received.
    pub measured: bool,
}

/// Ranks the team's features, for all its accounts or for those of one segment.
///
/// With a segment, the population and the accounts outside it are both of that segment.
#[must_use]
pub fn rank(facts: &Facts, segment: Option<&str>) -> Ranking {
    let parameters = facts.catalog.parameters();
    let accounts = Accounts::new(facts, segment);
    let scale = Scale { z: two_sided_z(CONFIDENCE), as_of: facts.as_of, parameters: &parameters };

    let mut items = Vec::new();
    let mut iterate = Vec::new();
    for evidence in gather(facts, &accounts) {
        let status = facts.catalog.status(&evidence.feature);
        match status {
            Some(Status::Retired) => {}
            Some(Status::Launched) => iterate.push(scale.ranked(facts, &accounts, evidence)),
            _ => items.push(scale.ranked(facts, &accounts, evidence)),
        }
    }
    put_in_order(&mut items);
    put_in_order(&mut iterate);

    let confidence =
        if accounts.population.effective < EFFECTIVE_MIN { Confidence::Insufficient } else { Confidence::Ok };
    Ranking {
        confidence,
        population: accounts.population,
        items,
        iterate,
        merge_cycles: facts.catalog.cycles(),
        parameters,
    }
}

/// Score descending, then the accounts outside the population that ask, descending, then the feature's id.
fn put_in_order(items: &mut [Ranked]) {
    let outside = |item: &Ranked| item.demand.lapsed + item.demand.never_used;
    items.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then_with(|| outside(b).cmp(&outside(a))).then_with(|| a.feature.cmp(&b.feature))
    });
    for (item, rank) in items.iter_mut().zip(1..) {
        item.rank = rank;
    }
}

/// How evidence becomes numbers.
struct Scale<'a> {
    z: f64,
    as_of: Timestamp,
    parameters: &'a Parameters,
}

impl Scale<'_> {
    fn ranked(&self, facts: &Facts, accounts: &Accounts<'_>, evidence: Evidence<'_>) -> Ranked {
        let Sums { mut demand, mut need, top_account_share } = self.sums(accounts, &evidence);
        let Population { weight, effective, .. } = accounts.population;
        for (share, low, high) in
            [(&mut demand.share, &mut demand.low, &mut demand.high), (&mut need.share, &mut need.low, &mut need.high)]
        {
            *share = if weight > 0.0 { *share / weight } else { 0.0 };
            (*low, *high) = wilson(*share, effective, self.z);
        }
        let demand_contribution = 100.0 * self.parameters.demand_weight * demand.low;
        let need_contribution = 100.0 * self.parameters.need_weight * need.low;
        let score = demand_contribution + need_contribution;

        let definition = facts.catalog.features.get(&evidence.feature).map(|state| &state.definition);
        let effort_months = definition.and_then(|definition| definition.effort_months);
        Ranked {
            rank: 0,
            title: definition.map_or_else(|| evidence.feature.to_string(), |definition| definition.title.to_string()),
            feature: evidence.feature,
            status: definition.map(|definition| definition.status),
            door: definition.and_then(|definition| definition.door),
            effort_months,
            score_per_effort: effort_months.map(|months| score / months),
            score,
            demand_contribution,
            need_contribution,
            demand,
            need,
            top_account_share,
        }
    }

    /// One walk over the accounts that said or showed anything, ascending. The shares are still weights.
    fn sums(&self, accounts: &Accounts<'_>, evidence: &Evidence<'_>) -> Sums {
        let mut sums = Sums {
            demand: Demand { share: 0.0, low: 0.0, high: 1.0, accounts: 0, requests: 0, lapsed: 0, never_used: 0 },
            need: Need { share: 0.0, low: 0.0, high: 1.0, accounts: 0, measured: evidence.measured },
            top_account_share: None,
        };
        let (mut top, mut total) = (0.0_f64, 0.0);
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
                Some((_, statement, requests)) => self.demand(account, statement, *requests, &mut sums.demand),
                None => 0.0,
            };
            let u = match needs.next_if(|(at, _)| *at == place) {
                Some((_, count)) if *count >= self.parameters.need_min_count => {
                    sums.need.accounts += 1;
                    1.0
                }
                _ => 0.0,
            };
            sums.demand.share += account.weight * x;
            sums.need.share += account.weight * u;
            let part = account.weight * (self.parameters.demand_weight * x + self.parameters.need_weight * u);
            top = top.max(part);
            total += part;
        }
        if total > 0.0 {
            sums.top_account_share = Some(top / total);
        }
        sums
    }

    /// What the account's statement counts: its importance, halved with every half-life that it is old.
    fn demand(&self, account: &Account, statement: &Statement, requests: u64, demand: &mut Demand) -> f64 {
        let Some(importance) = statement.importance else {
            return 0.0;
        };
        if account.active {
            demand.accounts += 1;
            demand.requests = demand.requests.saturating_add(requests);
            let age_micros = self.as_of.micros_since(statement.time).max(0);
            let half_lives = age_micros as f64 / (self.parameters.half_life_days * MICROS_PER_DAY as f64);
            importance.value() * (-half_lives).exp2()
        } else {
            if account.ever_used {
                demand.lapsed += 1;
            } else {
                demand.never_used += 1;
            }
            0.0
        }
    }
}

/// The sums over accounts for one feature.
struct Sums {
    demand: Demand,
    need: Need,
    top_account_share: Option<f64>,
}
