//! The ranked roadmap of one team at one instant: the score, v1.

use crate::{
    catalog::{Catalog, Door, Parameters, Status},
    facts::Facts,
    ids::FeatureId,
    score::{CONFIDENCE, EFFECTIVE_MIN, kish, two_sided_z, wilson},
    tally::{Tallies, Tally, tally},
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
    rank_tallies(&tally(facts, segment), &facts.catalog, &facts.catalog.parameters())
}

/// Ranks the team's features by the sums over its accounts. They must have been made under these parameters.
#[must_use]
pub fn rank_tallies(tallies: &Tallies, catalog: &Catalog, parameters: &Parameters) -> Ranking {
    let population = Population {
        accounts: tallies.accounts,
        used: tallies.used,
        weight: tallies.weight,
        effective: kish(tallies.weight, tallies.squares),
    };
    let scale = Scale { z: two_sided_z(CONFIDENCE), population: &population, catalog, parameters };

    let mut items = Vec::new();
    let mut iterate = Vec::new();
    for (feature, tally) in &tallies.features {
        match catalog.status(feature) {
            Some(Status::Retired) => {}
            Some(Status::Launched) => iterate.push(scale.ranked(feature, tally)),
            _ => items.push(scale.ranked(feature, tally)),
        }
    }
    put_in_order(&mut items);
    put_in_order(&mut iterate);

    let confidence = if population.effective < EFFECTIVE_MIN { Confidence::Insufficient } else { Confidence::Ok };
    Ranking { parameters: parameters.clone(), confidence, population, items, iterate, merge_cycles: catalog.cycles() }
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

/// How sums become numbers.
struct Scale<'a> {
    z: f64,
    population: &'a Population,
    catalog: &'a Catalog,
    parameters: &'a Parameters,
}

impl Scale<'_> {
    fn ranked(&self, feature: &FeatureId, tally: &Tally) -> Ranked {
        let demand = self.share(tally.asked);
        let need = self.share(tally.needed);
        let demand_contribution = 100.0 * self.parameters.demand_weight * demand.low;
        let need_contribution = 100.0 * self.parameters.need_weight * need.low;
        let score = demand_contribution + need_contribution;
        let evidence = self.parameters.demand_weight * tally.asked + self.parameters.need_weight * tally.needed;

        let definition = self.catalog.features.get(feature).map(|state| &state.definition);
        let effort_months = definition.and_then(|definition| definition.effort_months);
        Ranked {
            rank: 0,
            feature: feature.clone(),
            title: definition.map_or_else(|| feature.to_string(), |definition| definition.title.to_string()),
            status: definition.map(|definition| definition.status),
            door: definition.and_then(|definition| definition.door),
            effort_months,
            score_per_effort: effort_months.map(|months| score / months),
            score,
            demand_contribution,
            need_contribution,
            demand: Demand {
                share: demand.share,
                low: demand.low,
                high: demand.high,
                accounts: tally.asking,
                requests: tally.requests,
                lapsed: tally.lapsed,
                never_used: tally.never_used,
            },
            need: Need {
                share: need.share,
                low: need.low,
                high: need.high,
                accounts: tally.needing,
                measured: tally.measured,
            },
            // Of one account alone, two ways of adding the same numbers up can differ in the last digit.
            top_account_share: (evidence > 0.0).then(|| (tally.top / evidence).min(1.0)),
        }
    }

    fn share(&self, part: f64) -> Share {
        let share = if self.population.weight > 0.0 { part / self.population.weight } else { 0.0 };
        let (low, high) = wilson(share, self.population.effective, self.z);
        Share { share, low, high }
    }
}

/// A share of the population with its bounds.
struct Share {
    share: f64,
    low: f64,
    high: f64,
}
