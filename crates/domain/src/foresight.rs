//! How well a team's rankings foretold what would be used.
//!
//! The measure is the share of pairs of launches that the rankings had in the right order: of two launches, the one with the
//! higher score before the team set to work should be used by the larger share of the active accounts within 28 days.
//! A half is what chance gives, 1 is perfect foresight.
//!
//! Why this one: a ranking promises an order and no more, so a measure of order is all that it can be held to. The pairs say
//! the same as Kendall's rank correlation τ (the share is (1 + τ) / 2), but in words that need no statistics: "in 17 of 21
//! pairs". Scores are shares of the active accounts, so those of different times can be compared. Unlike a correlation of the
//! numbers themselves it does not hang on one launch that everybody uses. Few launches make few pairs, hence the
//! least number of launches, and the range that chance alone would reach beside the number.

use crate::{
    outcome::Outcome,
    score::{CONFIDENCE, two_sided_z},
};

/// With fewer launches no share is given: of four, chance alone has all six pairs in the right order once in 24.
pub const LAUNCHES_MIN: u64 = 5;

/// How well the rankings foretold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Foresight {
    /// The launches that could be judged: 28 days are over, accounts were active, and the ranking said something about the
    /// feature (that it was unheard of is something: a score of 0).
    pub launches: u64,
    /// Their pairs, without those that were used by the same share of accounts: there was no order to foretell.
    pub pairs: u64,
    /// The pairs in the right order; one with equal scores counts half.
    pub in_order: f64,
    /// The one divided by the other; none with fewer than [`LAUNCHES_MIN`] launches, or without pairs.
    pub share: Option<ForesightShare>,
}

/// The share of the pairs in the right order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForesightShare {
    /// 0 to 1.
    pub share: f64,
    /// Of rankings that know nothing, 95 % would have a share from here ...
    pub chance_low: f64,
    /// ... to here. By the normal approximation to Kendall's τ, for launches without ties.
    pub chance_high: f64,
}

/// A launch that can be judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Foretold {
    /// The score before the team set to work, 0 to 100.
    pub score: f64,
    /// The share of the accounts active at the launch that used the feature within the longest time.
    pub used: f64,
}

impl Foretold {
    /// What this outcome says; none if it says nothing of the rankings, or not yet.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let [.., horizon] = outcome.horizons;
        let [.., used] = outcome.active.used;
        let score = outcome.before.score()?;
        (horizon.over && used.of > 0).then_some(Self { score, used: used.share })
    }
}

/// How well the rankings foretold these launches of one team.
#[must_use]
pub fn foresight(outcomes: &[Outcome]) -> Foresight {
    foresight_of(&outcomes.iter().filter_map(Foretold::of).collect::<Vec<_>>())
}

/// The same, of launches that can be judged.
#[must_use]
pub fn foresight_of(judged: &[Foretold]) -> Foresight {
    let (mut pairs, mut in_order) = (0, 0.0);
    for (at, launch) in judged.iter().enumerate() {
        for other in &judged[..at] {
            let (foretold, found) = (launch.score.total_cmp(&other.score), launch.used.total_cmp(&other.used));
            if found.is_ne() {
                pairs += 1;
                in_order += if foretold.is_eq() { 0.5 } else { f64::from(foretold == found) };
            }
        }
    }
    let launches = judged.len() as u64;
    let share = (launches >= LAUNCHES_MIN && pairs > 0).then(|| {
        let n = launches as f64;
        let reach = two_sided_z(CONFIDENCE) * ((2.0 * n + 5.0) / (18.0 * n * (n - 1.0))).sqrt();
        ForesightShare {
            share: in_order / pairs as f64,
            chance_low: (0.5 - reach).max(0.0),
            chance_high: (0.5 + reach).min(1.0),
        }
    });
    Foresight { launches, pairs, in_order, share }
}
