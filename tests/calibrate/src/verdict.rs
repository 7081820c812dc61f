//! What one ranking got right about its world.

use domain::{
    catalog::{Catalog, Parameters},
    ids::FeatureId,
    ranking::{Confidence, rank_tallies},
    tally::Tallies,
};

use crate::world::TrueRank;

/// Shares are of the features of one ranking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Share of features whose interval holds the true rank.
    pub held: f64,
    /// Of the features that are truly first, the share whose interval holds it.
    pub held_first: f64,
    /// How many ranks an interval has, on average.
    pub width: f64,
    /// Share of features that a strict order of raw votes has at their true rank.
    pub votes_right: f64,
    /// Whether the feature with the most raw votes is truly first, 0 or 1.
    pub votes_first: f64,
    /// Share of features that the order of the scores has at their true rank.
    pub scores_right: f64,
    /// Whether the feature with the highest score is truly first, 0 or 1.
    pub scores_first: f64,
}

/// Ranks the sums and compares with the truth; none if the population is too small for `domain` to say anything.
///
/// A raw vote is an account that asks, whatever its weight, the importance and the age; equal votes go by id.
#[must_use]
pub fn judge(tallies: &Tallies, ids: &[FeatureId], truth: &[TrueRank]) -> Option<Verdict> {
    let ranking = rank_tallies(tallies, &Catalog::default(), &Parameters::default());
    if ranking.confidence == Confidence::Insufficient {
        return None;
    }
    let truth_of = |feature: &FeatureId| ids.iter().position(|id| id == feature).map(|at| truth[at]);
    let count = truth.len() as f64;
    let (mut held, mut width, mut scores_right) = (0.0, 0.0, 0.0);
    let (mut first, mut held_first, mut scores_first) = (0.0, 0.0, 0.0);
    for item in &ranking.items {
        let Some(truly) = truth_of(&item.feature) else {
            continue;
        };
        let (low, high) = (item.margin.rank_low, item.margin.rank_high);
        let holds = f64::from(u8::from(low <= truly.high && truly.low <= high));
        held += holds;
        width += f64::from(high - low + 1);
        let right = f64::from(u8::from((truly.low..=truly.high).contains(&item.rank)));
        scores_right += right;
        if item.rank == 1 {
            scores_first = right;
        }
        if truly.low == 1 {
            first += 1.0;
            held_first += holds;
        }
    }

    let mut votes: Vec<(u64, &FeatureId)> = tallies.features.iter().map(|(id, tally)| (tally.asking, id)).collect();
    votes.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let votes: Vec<f64> = votes
        .iter()
        .zip(1..)
        .filter_map(|((_, id), rank)| truth_of(id).map(|truly| (truly.low..=truly.high).contains(&rank)))
        .map(|right| f64::from(u8::from(right)))
        .collect();
    Some(Verdict {
        held: held / count,
        held_first: held_first / first,
        width: width / count,
        votes_right: votes.iter().sum::<f64>() / count,
        votes_first: votes.first().copied().unwrap_or_default(),
        scores_right: scores_right / count,
        scores_first,
    })
}
