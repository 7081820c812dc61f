//! The ranked roadmap of one team at one instant: the score, v1.

use std::cmp::Ordering;

use crate::{
    assumptions::Assumptions,
    catalog::{Catalog, Door, Parameters, Status},
    facts::Facts,
    ids::FeatureId,
    margins::{Frame, Margin, Point, margins, unsure},
    reading::{Means, Reading},
    score::{CONFIDENCE, EFFECTIVE_MIN, kish, two_sided_z, wilson},
    tally::{Tallies, Tally, tally, tally_under},
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
    /// How sure that is.
    pub margin: Margin,
    /// The feature.
    pub feature: FeatureId,
    /// Its title; its id where the catalog gives none.
    pub title: String,
    /// Its status, where the catalog knows it.
    pub status: Option<Status>,
    /// Whether the decision can be taken back, where the catalog says so.
    pub door: Option<Door>,
    /// Whether a decision that cannot be taken back is asked of a ranking that does not make it: a one-way door in a tie
    /// group of several. Never of a launched feature: it is through its door.
    pub undecided: bool,
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
    /// What the two say together; none if the population is too small.
    pub reading: Option<Reading>,
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

/// Ranks the team's features under other assumptions than those in force. The two windows are in the facts already: they
/// must have been made with the windows assumed.
#[must_use]
pub fn rank_under(facts: &Facts, segment: Option<&str>, assumptions: &Assumptions) -> Ranking {
    rank_tallies(&tally_under(facts, segment, assumptions), &facts.catalog, &assumptions.parameters)
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
    let confidence = if population.effective < EFFECTIVE_MIN { Confidence::Insufficient } else { Confidence::Ok };
    let scale = Scale { z: two_sided_z(CONFIDENCE), confidence, population: &population, catalog, parameters };

    let mut items = Vec::new();
    let mut iterate = Vec::new();
    for (feature, tally) in &tallies.features {
        match catalog.status(feature) {
            Some(Status::Retired) => {}
            Some(Status::Launched) => iterate.push(scale.unplaced(feature, tally)),
            _ => items.push(scale.unplaced(feature, tally)),
        }
    }
    let mut items = scale.placed(items);
    mark_undecided(&mut items);
    let iterate = scale.placed(iterate);
    Ranking { parameters: parameters.clone(), confidence, population, items, iterate, merge_cycles: catalog.cycles() }
}

impl Ranked {
    /// What orders features of equal score: the accounts outside the population that ask, descending, then the id.
    pub(crate) fn tie_order(&self, other: &Self) -> Ordering {
        let outside = |item: &Self| item.demand.lapsed + item.demand.never_used;
        outside(other).cmp(&outside(self)).then_with(|| self.feature.cmp(&other.feature))
    }
}

fn mark_undecided(items: &mut [Ranked]) {
    for tied in items.chunk_by_mut(|a, b| a.margin.tie_group == b.margin.tie_group) {
        let several = tied.len() > 1;
        for item in tied {
            item.undecided = several && item.door == Some(Door::OneWay);
        }
    }
}

/// How sums become numbers.
struct Scale<'a> {
    z: f64,
    confidence: Confidence,
    population: &'a Population,
    catalog: &'a Catalog,
    parameters: &'a Parameters,
}

impl Scale<'_> {
    /// A list in its order, with ranks and margins.
    fn placed(&self, mut list: Vec<(Ranked, Point)>) -> Vec<Ranked> {
        list.sort_by(|(a, _), (b, _)| b.score.total_cmp(&a.score).then_with(|| a.tie_order(b)));
        let (mut ranked, points): (Vec<Ranked>, Vec<Point>) = list.into_iter().unzip();
        let margins = match self.confidence {
            Confidence::Insufficient => unsure(points.len()),
            Confidence::Ok => {
                let frame = Frame {
                    effective: self.population.effective,
                    demand_weight: self.parameters.demand_weight,
                    need_weight: self.parameters.need_weight,
                    confidence: CONFIDENCE,
                };
                margins(&frame, &points)
            }
        };
        let means = Means::of(&points);
        for (((item, point), margin), rank) in ranked.iter_mut().zip(&points).zip(margins).zip(1..) {
            item.rank = rank;
            item.margin = margin;
            item.reading = (self.confidence == Confidence::Ok).then(|| means.reading(point, item.need.measured));
        }
        ranked
    }

    /// A feature with everything that does not depend on the others of its list.
    fn unplaced(&self, feature: &FeatureId, tally: &Tally) -> (Ranked, Point) {
        let demand = self.share(tally.asked);
        let need = self.share(tally.needed);
        let demand_contribution = 100.0 * self.parameters.demand_weight * demand.low;
        let need_contribution = 100.0 * self.parameters.need_weight * need.low;
        let score = demand_contribution + need_contribution;
        let evidence = self.parameters.demand_weight * tally.asked + self.parameters.need_weight * tally.needed;

        let definition = self.catalog.features.get(feature).map(|state| &state.definition);
        let effort_months = definition.and_then(|definition| definition.effort_months);
        let point = Point { asked: demand.share, needed: need.share, both: self.part(tally.both) };
        let ranked = Ranked {
            rank: 0,
            margin: Margin { rank_low: 0, rank_high: 0, tie_group: 0, surely_above_next: None },
            feature: feature.clone(),
            title: definition.map_or_else(|| feature.to_string(), |definition| definition.title.to_string()),
            status: definition.map(|definition| definition.status),
            door: definition.and_then(|definition| definition.door),
            undecided: false,
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
            reading: None,
            // Of one account alone, two ways of adding the same numbers up can differ in the last digit.
            top_account_share: (evidence > 0.0).then(|| (tally.top / evidence).min(1.0)),
        };
        (ranked, point)
    }

    fn share(&self, weight: f64) -> Share {
        let share = self.part(weight);
        let (low, high) = wilson(share, self.population.effective, self.z);
        Share { share, low, high }
    }

    /// Which part of the population's weight this is.
    fn part(&self, weight: f64) -> f64 {
        if self.population.weight > 0.0 { weight / self.population.weight } else { 0.0 }
    }
}

/// A share of the population with its bounds.
struct Share {
    share: f64,
    low: f64,
    high: f64,
}
