//! The study in a few seconds: fewer families, fewer samples, and therefore an allowance for chance.

use calibrate::{
    family::{Behaviour, Family, Link, Shape, Statements, Weights},
    report::Calibration,
    study::{COVERAGE_MIN, Cell, WIDTH_ACCOUNTS, run},
};

/// So many standard errors may a figure be on the wrong side of its bound.
const ERRORS_MAX: f64 = 3.0;
const THREADS: usize = 2;

fn cells() -> Vec<Cell> {
    let near = Family::usual(Shape::NearTies);
    let hard = Family { statements: Statements::Fresh, link: Link::Correlated, ..near };
    [
        (Family::usual(Shape::Spread), WIDTH_ACCOUNTS),
        (hard, 100),
        (Family { features: 2, ..hard }, 40),
        (Family { features: 3, weights: Weights::OneTwoThree, ..hard }, 100),
        (Family { features: 28, ..near }, 40),
        (Family { weights: Weights::OneTwoThree, ..Family::usual(Shape::Outlier) }, 100),
        (Family::usual(Shape::Rare), 40),
        (Family::usual(Shape::Tied), 300),
    ]
    .map(|(family, accounts)| Cell { family, accounts })
    .into()
}

#[test]
fn intervals_hold_the_true_rank_as_often_as_they_promise() {
    let outcomes = run(&cells(), 300, THREADS, 1);
    let broken: Vec<String> = outcomes.iter().flat_map(|outcome| outcome.broken(ERRORS_MAX)).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    for outcome in &outcomes {
        assert!(outcome.samples > 200, "{outcome:?}");
        assert!(outcome.scores_right.value() <= outcome.coverage.value(), "{outcome:?}");
    }
}

#[test]
fn the_study_can_tell_that_intervals_are_too_narrow() {
    let family =
        Family { behaviour: Behaviour::Herds(8), statements: Statements::Fresh, ..Family::usual(Shape::NearTies) };
    let outcomes = run(&[Cell { family, accounts: 100 }], 200, THREADS, 1);
    assert!(outcomes[0].coverage.value() < COVERAGE_MIN - 0.05, "{outcomes:?}");
    assert!(outcomes[0].broken(ERRORS_MAX).len() >= 2, "coverage of all and of the first");
}

#[test]
fn the_same_seed_gives_the_same_figures_on_any_number_of_threads() {
    let json = |threads| {
        let outcomes = run(&cells(), 5, threads, 7);
        serde_json::to_value(Calibration::of(&outcomes)).expect("figures are JSON")
    };
    let figures = json(1);
    assert_eq!(figures, json(3));
    let spread = &figures["families"][0];
    assert_eq!((spread["family"].as_str(), spread["accounts"].as_u64()), (Some("spread"), Some(300)));
    for name in ["coverage", "coverage_first", "mean_width"] {
        assert!(spread[name].is_f64(), "{spread}");
    }
}
