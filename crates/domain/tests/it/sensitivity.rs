//! How far the weight of demand can move: checked by ranking again on both sides of each end.

use domain::{
    catalog::{Catalog, Parameters},
    ranking::{Ranking, rank_tallies},
    sensitivity::{End, Sensitivity, sensitivity},
    tally::{Tallies, Tally},
};
use proptest::{prelude::*, sample::select};

use crate::support::feature;

/// Far enough from an end for the scores to differ by more than rounding.
const ASIDE: f64 = 1e-7;

/// 100 accounts of weight 1; each feature with how many ask, how many need and how many ask from outside.
fn tallies(features: &[(&str, [u32; 3])]) -> Tallies {
    let tally = |[asked, needed, outside]: [u32; 3]| Tally {
        asked: asked.into(),
        needed: needed.into(),
        never_used: outside.into(),
        ..Tally::default()
    };
    Tallies {
        accounts: 100,
        used: 100,
        weight: 100.0,
        squares: 100.0,
        features: features.iter().map(|(id, sums)| (feature(id), tally(*sums))).collect(),
        ..Tallies::default()
    }
}

fn ranked(tallies: &Tallies, demand_weight: f64) -> Ranking {
    let parameters = Parameters { demand_weight, need_weight: 1.0 - demand_weight, ..Parameters::default() };
    rank_tallies(tallies, &Catalog::default(), &parameters)
}

fn found(features: &[(&str, [u32; 3])], demand_weight: f64) -> Sensitivity {
    sensitivity(&ranked(&tallies(features), demand_weight)).expect("something is ranked")
}

fn end(demand_weight: f64, included: bool, successor: Option<&str>) -> End {
    End { demand_weight, included, successor: successor.map(feature) }
}

#[test]
fn a_feature_that_leads_in_both_stays_first_whatever_the_weight() {
    let found = found(&[("best", [30, 30, 0]), ("other", [20, 10, 0])], 0.6);
    assert_eq!((found.low, found.high), (end(0.0, true, None), end(1.0, true, None)));
    assert_eq!(found.first, feature("best"));
    let nothing = ranked(&Tallies::default(), 0.6);
    assert_eq!(sensitivity(&nothing), None);
}

#[test]
fn mirrored_features_change_places_at_one_half() {
    let features = [("a", [30, 10, 0]), ("b", [10, 30, 0])];
    let asked = found(&features, 0.6);
    assert_eq!((asked.low, asked.high), (end(0.5, true, Some("b")), end(1.0, true, None)));
    let needed = found(&features, 0.3);
    assert_eq!(needed.first, feature("b"));
    assert_eq!((needed.low, needed.high), (end(0.0, true, None), end(0.5, false, Some("a"))));
    // Those who ask from outside order equal scores.
    let needed = found(&[("a", [30, 10, 0]), ("b", [10, 30, 1])], 0.3);
    assert!(needed.high.included);
}

#[test]
fn where_demand_alone_does_not_tell_two_apart_what_orders_equal_scores_does() {
    let outdone = [("a", [20, 30, 0]), ("b", [20, 10, 5]), ("c", [20, 5, 9])];
    let first = found(&outdone, 0.6);
    assert_eq!((first.low, first.high), (end(0.0, true, None), end(1.0, false, Some("c"))));
    assert_eq!(ranked(&tallies(&outdone), 1.0).items[0].feature, feature("c"));

    // Nobody needs anything: without demand all are equal.
    let unneeded = [("z", [20, 0, 0]), ("y", [10, 0, 0])];
    let first = found(&unneeded, 0.6);
    assert_eq!((first.low, first.high), (end(0.0, false, Some("y")), end(1.0, true, None)));
}

#[test]
fn a_rival_with_an_equal_score_at_the_present_weight_ends_the_interval_there() {
    let features = [("a", [30, 10, 0]), ("b", [10, 30, 0]), ("c", [40, 0, 0])];
    let first = found(&features[..2], 0.5);
    assert_eq!(first.first, feature("a"));
    assert_eq!((first.low, first.high), (end(0.5, true, Some("b")), end(1.0, true, None)));
}

#[test]
fn of_two_rivals_at_one_crossing_the_steeper_comes_first_beyond_it() {
    // "gentle" and "steep" are as high as "first" at one half, and higher below it.
    let features = [("first", [40, 10, 0]), ("gentle", [30, 20, 0]), ("steep", [10, 40, 0])];
    let found = found(&features, 0.9);
    assert_eq!(found.low.successor, Some(feature("steep")), "{found:?}");
}

fn any_features() -> impl Strategy<Value = Vec<(&'static str, [u32; 3])>> {
    let ids = ["a", "b", "c", "d", "e", "f", "g"];
    // Few values, so that many are equal.
    let value = || select(vec![0_u32, 5, 10, 11, 12, 40]);
    prop::collection::vec((value(), value(), 0_u32..2), 1..=ids.len())
        .prop_map(move |sums| ids.into_iter().zip(sums.into_iter().map(|(d, u, o)| [d, u, o])).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn ranking_again_finds_the_ends_where_they_are(
        features in any_features(),
        present in prop_oneof![select(vec![0.0, 0.25, 0.5, 0.6, 1.0]), 0.0..=1.0_f64],
    ) {
        let tallies = tallies(&features);
        let found = sensitivity(&ranked(&tallies, present)).expect("something is ranked");
        let first_at = |demand_weight: f64| ranked(&tallies, demand_weight).items[0].feature.clone();
        let (low, high) = (found.low.demand_weight, found.high.demand_weight);
        prop_assert!((0.0..=present).contains(&low) && (present..=1.0).contains(&high), "{:?}", found);

        for step in 0..=8 {
            let within = low + ASIDE + (high - low - 2.0 * ASIDE) * f64::from(step) / 8.0;
            if low < within && within < high {
                prop_assert_eq!(&first_at(within), &found.first, "at {} of {:?}", within, &found);
            }
        }
        for (end, edge, outside) in [(&found.low, 0.0, low - ASIDE), (&found.high, 1.0, high + ASIDE)] {
            if end.demand_weight == edge {
                // At the edges equal scores are exactly equal.
                prop_assert_eq!(first_at(edge) == found.first, end.included, "at {} of {:?}", edge, &found);
                prop_assert_eq!(end.included, end.successor.is_none());
                prop_assert_eq!(&first_at(edge), end.successor.as_ref().unwrap_or(&found.first));
            } else {
                prop_assert_eq!(Some(first_at(outside)), end.successor.clone(), "at {} of {:?}", outside, &found);
            }
        }
    }
}
