//! How far the weight of stated demand can move before another feature takes the first place.
//!
//! A score is a straight line in `demand_weight` (`need_weight` is its complement), from 100 lo(U) at 0 to 100 lo(D) at 1.
//! The first feature stays first where its line is above all others', which is an interval around the present weight.

use std::cmp::Ordering;

use crate::{
    ids::FeatureId,
    ranking::{Ranked, Ranking},
};

/// The interval of `demand_weight` around the present one in which the first place stays first.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// The feature in the first place.
    pub first: FeatureId,
    /// Where the interval begins.
    pub low: End,
    /// Where it ends.
    pub high: End,
}

/// One end of the interval.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// The weight of stated demand, 0 to 1.
    pub demand_weight: f64,
    /// Whether the first place stays first at this very weight: there the scores are equal, and what orders equal scores
    /// decides. Weights cannot go beyond 0 and 1, so these two may be ends too.
    pub included: bool,
    /// Which feature comes first beyond the end, or at it where it is not included; none if the first place keeps it.
    pub successor: Option<FeatureId>,
}

/// The interval of a ranking's first place; none where nothing is ranked.
#[must_use]
pub fn sensitivity(ranking: &Ranking) -> Option<Sensitivity> {
    let (first, others) = ranking.items.split_first()?;
    let mut low = Bound::new(first, 0.0, Ordering::Less);
    let mut high = Bound::new(first, 1.0, Ordering::Greater);
    for rival in others {
        // How far the first is ahead with demand alone and with need alone.
        let asked = first.demand.low - rival.demand.low;
        let needed = first.need.low - rival.need.low;
        if asked < 0.0 {
            // The first is not behind at the present weight: it is ahead with need alone, rounding aside.
            high.tighten(needed.max(0.0) / (needed.max(0.0) - asked), rival);
        } else if needed < 0.0 {
            low.tighten(-needed / (asked - needed), rival);
        } else if asked == 0.0 && needed > 0.0 && loses_tie(first, rival) {
            high.tighten(1.0, rival);
        } else if needed == 0.0 && asked > 0.0 && loses_tie(first, rival) {
            low.tighten(0.0, rival);
        }
    }
    let present = ranking.parameters.demand_weight;
    low.end.demand_weight = low.end.demand_weight.min(present);
    high.end.demand_weight = high.end.demand_weight.max(present);
    Some(Sensitivity { first: first.feature.clone(), low: low.end, high: high.end })
}

/// The tightest bound so far on one side.
struct Bound<'a> {
    first: &'a Ranked,
    /// The weight that nothing is beyond, 0 or 1.
    edge: f64,
    /// How a weight further out compares with one further in.
    outwards: Ordering,
    end: End,
    successor: Option<&'a Ranked>,
}

impl<'a> Bound<'a> {
    fn new(first: &'a Ranked, edge: f64, outwards: Ordering) -> Self {
        let end = End { demand_weight: edge, included: true, successor: None };
        Self { first, edge, outwards, end, successor: None }
    }

    /// A rival whose line crosses the first one's at this weight.
    fn tighten(&mut self, crossing: f64, rival: &'a Ranked) {
        let compared = crossing.total_cmp(&self.end.demand_weight);
        if compared == self.outwards {
            return;
        }
        let together = compared == Ordering::Equal;
        self.end.included = !loses_tie(self.first, rival) && (self.end.included || !together);
        if !together || self.successor.is_none_or(|held| self.comes_before(rival, held)) {
            self.end.demand_weight = crossing;
            self.end.successor = Some(rival.feature.clone());
            self.successor = Some(rival);
        }
    }

    /// Which of two that have the first one's score at the end comes first beyond it: the one that rises faster on the
    /// way out; at the edge, which has no beyond, the one that the order of equal scores prefers.
    fn comes_before(&self, rival: &Ranked, held: &Ranked) -> bool {
        let slope = |item: &Ranked| item.demand.low - item.need.low;
        let steeper = slope(rival).total_cmp(&slope(held));
        if self.end.demand_weight == self.edge || steeper == Ordering::Equal {
            rival.tie_order(held) == Ordering::Less
        } else {
            steeper == self.outwards
        }
    }
}

/// Whether the first would come behind the rival if their scores were equal.
fn loses_tie(first: &Ranked, rival: &Ranked) -> bool {
    first.tie_order(rival) == Ordering::Greater
}
