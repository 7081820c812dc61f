//! How sure a ranking is of its order: which feature is surely above which, the places that the data allow, and the
//! groups that cannot be told apart. No draws, no seed.
//!
//! The true rank of a feature is its rank by the true S = wd D + wu U. For a pair, the interval of the difference is
//! put together from the intervals of the two shares (the method of variance estimates recovery, MOVER: Zou and Donner
//! 2008), at a confidence that Bonferroni's correction spreads over the F - 1 others. Each bound takes asking and needing
//! by the same accounts into account. That two features are asked for by the same accounts is not used: it makes the
//! differences surer than they are said to be, unless accounts act together.

use crate::score::{normal_quantile, overlap, wilson};

/// Beyond rounding: so much more than its bound must a difference be to count as sure.
const DIFFERENCE_MIN: f64 = 1e-12;

/// A feature's point values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// D, the share that asks.
    pub asked: f64,
    /// U, the share that shows the need.
    pub needed: f64,
    /// The share, weighted and faded as D is, that does both.
    pub both: f64,
}

/// How sure a feature's place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margin {
    /// The best place that the data allow, from 1.
    pub rank_low: u32,
    /// The worst place that the data allow.
    pub rank_high: u32,
    /// The group of features that cannot be told apart from their leader, from 1 down the order.
    pub tie_group: u32,
    /// Whether the feature is surely above the next; none for the last.
    pub surely_above_next: Option<bool>,
}

/// What the margins depend on besides the features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Kish's effective number of accounts.
    pub effective: f64,
    /// The weight of stated demand.
    pub demand_weight: f64,
    /// The weight of revealed need.
    pub need_weight: f64,
    /// The confidence for each feature's interval, between 0 and 1.
    pub confidence: f64,
}

/// The margins of features in the order of their ranks.
#[must_use]
pub fn margins(frame: &Frame, in_order: &[Point]) -> Vec<Margin> {
    let count = place(in_order.len());
    let others = f64::from(count.saturating_sub(1).max(2));
    let z = normal_quantile(1.0 - (1.0 - frame.confidence) / others);
    let ranges: Vec<Range> = in_order.iter().map(|point| Range::new(frame, point, z)).collect();

    let mut margins = Vec::with_capacity(ranges.len());
    let (mut leader, mut group) = (0, 1);
    for (at, range) in ranges.iter().enumerate() {
        if ranges[leader].is_surely_above(range) {
            leader = at;
            group += 1;
        }
        let rank = place(at + 1);
        let above = place(ranges.iter().filter(|other| other.is_surely_above(range)).count());
        let below = place(ranges.iter().filter(|other| range.is_surely_above(other)).count());
        margins.push(Margin {
            rank_low: rank.min(1 + above),
            rank_high: rank.max(count - below),
            tie_group: group,
            surely_above_next: ranges.get(at + 1).map(|next| range.is_surely_above(next)),
        });
    }
    margins
}

/// The margins of so many features of which nothing is sure: the population is too small.
#[must_use]
pub fn unsure(features: usize) -> Vec<Margin> {
    let count = place(features);
    let margin = |rank| Margin {
        rank_low: 1,
        rank_high: count,
        tie_group: 1,
        surely_above_next: (rank < count).then_some(false),
    };
    (1..=count).map(margin).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "four billion features do not fit into memory")]
fn place(count: usize) -> u32 {
    count as u32
}

/// S with the squares of its distances to its bounds.
struct Range {
    s: f64,
    /// L², downwards.
    down: f64,
    /// H², upwards.
    up: f64,
}

impl Range {
    fn new(frame: &Frame, point: &Point, z: f64) -> Self {
        let (asked, needed) = (point.asked.clamp(0.0, 1.0), point.needed.clamp(0.0, 1.0));
        let (asked_low, asked_high) = wilson(asked, frame.effective, z);
        let (needed_low, needed_high) = wilson(needed, frame.effective, z);
        let rho = overlap(asked, needed, point.both);
        let squared = |a: f64, b: f64| a * a + b * b + 2.0 * rho * a * b;
        Self {
            s: frame.demand_weight * asked + frame.need_weight * needed,
            down: squared(frame.demand_weight * (asked - asked_low), frame.need_weight * (needed - needed_low)),
            up: squared(frame.demand_weight * (asked_high - asked), frame.need_weight * (needed_high - needed)),
        }
    }

    fn is_surely_above(&self, other: &Self) -> bool {
        self.s - other.s > (self.down + other.up).sqrt() + DIFFERENCE_MIN
    }
}
