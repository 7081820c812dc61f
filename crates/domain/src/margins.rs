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

    let field = Field::new(&ranges);

    let mut margins = Vec::with_capacity(ranges.len());
    let (mut leader, mut group) = (0, 1);
    for (at, range) in ranges.iter().enumerate() {
        if ranges[leader].is_surely_above(range) {
            leader = at;
            group += 1;
        }
        let rank = place(at + 1);
        margins.push(Margin {
            rank_low: rank.min(1 + place(field.surely_above(range))),
            rank_high: rank.max(count - place(field.surely_below(range))),
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

/// All features by S, descending. Most pairs are decided by how far apart they are at all: a team with very many features
/// must not cost the square of them.
struct Field<'a> {
    by_s: Vec<&'a Range>,
    /// The least and the greatest L² of all.
    down: (f64, f64),
    /// The least and the greatest H² of all.
    up: (f64, f64),
}

impl<'a> Field<'a> {
    fn new(ranges: &'a [Range]) -> Self {
        let mut by_s: Vec<&Range> = ranges.iter().collect();
        by_s.sort_by(|a, b| b.s.total_cmp(&a.s));
        let ends = |square: fn(&Range) -> f64| {
            ranges.iter().map(square).fold((f64::INFINITY, 0.0), |(low, high), next| (next.min(low), next.max(high)))
        };
        Self { by_s, down: ends(|range| range.down), up: ends(|range| range.up) }
    }

    /// How many are surely above this one.
    fn surely_above(&self, range: &Range) -> usize {
        let apart = |down| self.by_s.partition_point(|other| is_sure(other.s - range.s, down, range.up));
        let (surely, possibly) = (apart(self.down.1), apart(self.down.0));
        surely + self.by_s[surely..possibly].iter().filter(|other| other.is_surely_above(range)).count()
    }

    /// How many this one is surely above.
    fn surely_below(&self, range: &Range) -> usize {
        let apart = |up| self.by_s.partition_point(|other| !is_sure(range.s - other.s, range.down, up));
        let (possibly, surely) = (apart(self.up.0), apart(self.up.1));
        let between = self.by_s[possibly..surely].iter().filter(|other| range.is_surely_above(other)).count();
        between + self.by_s.len() - surely
    }
}

/// Whether a difference of S is sure, given L² of the upper and H² of the lower. Rounded operations keep the order of what
/// they are applied to, so that a pair that is sure with the greatest squares is sure with its own.
fn is_sure(difference: f64, down: f64, up: f64) -> bool {
    difference > (down + up).sqrt() + DIFFERENCE_MIN
}

/// S with the squares of its distances to its bounds.
#[derive(Debug)]
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
        is_sure(self.s - other.s, self.down, other.up)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_range() -> impl Strategy<Value = Range> {
        // Few values, so that many differences are exactly at a bound.
        let square = || prop::sample::select(vec![0.0, 0.01, 0.04, 0.09]);
        (0_u32..8, square(), square()).prop_map(|(s, down, up)| Range { s: f64::from(s) / 10.0, down, up })
    }

    proptest! {
        #[test]
        fn counting_by_distance_counts_every_pair(ranges in prop::collection::vec(any_range(), 0..40)) {
            let field = Field::new(&ranges);
            for range in &ranges {
                let above = ranges.iter().filter(|other| other.is_surely_above(range)).count();
                let below = ranges.iter().filter(|other| range.is_surely_above(other)).count();
                prop_assert_eq!((field.surely_above(range), field.surely_below(range)), (above, below));
            }
        }
    }

    #[test]
    fn ten_thousand_features_that_one_account_asks_for_are_soon_compared() {
        let frame = Frame { effective: 1_000.0, demand_weight: 0.6, need_weight: 0.4, confidence: 0.95 };
        let point = |share| Point { asked: share, needed: 0.0, both: 0.0 };
        let points: Vec<Point> = (0..10_000).map(|at| point(if at < 10 { 0.2 } else { 0.001 })).collect();
        let margins = margins(&frame, &points);
        assert_eq!((margins[0].rank_low, margins[0].rank_high), (1, 10));
        assert_eq!((margins[10].rank_low, margins[10].rank_high), (11, 10_000));
    }
}
