//! Rank intervals, tie groups and readings.

use std::collections::BTreeMap;

use domain::{
    catalog::{Catalog, Door, FeatureDefinition, FeatureState, Importance, Parameters, Status},
    facts::{AccountFacts, Facts, NeedCount, Statement},
    ids::AccountId,
    margins::{Frame, Margin, Point, margins, unsure},
    ranking::{Confidence, Ranked, Ranking, rank, rank_tallies},
    reading::Reading,
    tally::{Tallies, Tally},
};
use proptest::{prelude::*, sample::select};

use crate::support::{account, days_ago, feature, now, team};

fn frame(effective: f64, confidence: f64) -> Frame {
    Frame { effective, demand_weight: 0.6, need_weight: 0.4, confidence }
}

fn point(asked: f64, needed: f64, both: f64) -> Point {
    Point { asked, needed, both }
}

/// Sums of a population of so many accounts of weight 1; each feature with its asked, needed and both.
fn tallies(accounts: u32, features: &[(&str, [f64; 3])]) -> Tallies {
    let tally = |[asked, needed, both]: [f64; 3]| Tally { asked, needed, both, measured: true, ..Tally::default() };
    Tallies {
        accounts: accounts.into(),
        used: accounts.into(),
        weight: accounts.into(),
        squares: accounts.into(),
        features: features.iter().map(|(id, sums)| (feature(id), tally(*sums))).collect(),
        ..Tallies::default()
    }
}

fn ranked(tallies: &Tallies) -> Ranking {
    rank_tallies(tallies, &Catalog::default(), &Parameters::default())
}

fn places(ranking: &Ranking) -> Vec<(&str, u32, u32, u32, Option<bool>)> {
    let place = |item: &Ranked| (item.margin.rank_low, item.margin.rank_high, item.margin.tie_group);
    ranking
        .items
        .iter()
        .map(|item| (item.feature.as_str(), place(item), item.margin.surely_above_next))
        .map(|(id, (low, high, group), next)| (id, low, high, group, next))
        .collect()
}

/// Computed beside this by another program, from the definition.
#[test]
fn margins_come_out_as_another_program_computes_them() {
    let features = [
        point(0.30, 0.40, 0.20),
        point(0.25, 0.35, 0.10),
        point(0.20, 0.30, 0.05),
        point(0.20, 0.20, 0.04),
        point(0.05, 0.10, 0.00),
        point(0.00, 0.00, 0.00),
    ];
    let margin = |rank_low, rank_high, tie_group, surely_above_next| Margin {
        rank_low,
        rank_high,
        tie_group,
        surely_above_next,
    };
    assert_eq!(margins(&frame(400.0, 0.95), &features), EXPECTED_400.map(|(l, h, g, s)| margin(l, h, g, s)));
    assert_eq!(margins(&frame(80.0, 0.95), &features), EXPECTED_80.map(|(l, h, g, s)| margin(l, h, g, s)));
}

const EXPECTED_400: [(u32, u32, u32, Option<bool>); 6] = [
    (1, 2, 1, Some(false)),
    (1, 3, 1, Some(false)),
    (2, 4, 2, Some(false)),
    (3, 4, 2, Some(true)),
    (5, 5, 3, Some(true)),
    (6, 6, 4, None),
];
const EXPECTED_80: [(u32, u32, u32, Option<bool>); 6] = [
    (1, 3, 1, Some(false)),
    (1, 4, 1, Some(false)),
    (1, 4, 1, Some(false)),
    (2, 4, 2, Some(true)),
    (5, 5, 3, Some(true)),
    (6, 6, 4, None),
];

/// Of 100 accounts 4 ask and 4 need, against none at all: 0.04 - 0 is more than sqrt(L² + H²) with the lower bounds of the
/// one and the upper bounds of the other, and less the other way round.
#[test]
fn a_difference_is_measured_from_the_upper_ones_low_end_to_the_lower_ones_high_end() {
    let features = [point(0.04, 0.04, 0.0016), point(0.0, 0.0, 0.0)];
    assert_eq!(margins(&frame(100.0, 0.95), &features)[0].surely_above_next, Some(true));
    assert_eq!(margins(&frame(100.0, 0.99), &features)[0].surely_above_next, Some(false));
}

#[test]
fn one_feature_is_the_first_and_none_are_none() {
    let alone = ranked(&tallies(100, &[("f", [20.0, 20.0, 10.0])]));
    assert_eq!(places(&alone), [("f", 1, 1, 1, None)]);
    assert!(margins(&frame(100.0, 0.95), &[]).is_empty());
    assert!(ranked(&Tallies::default()).items.is_empty());
}

#[test]
fn too_few_accounts_leave_every_place_open() {
    let sums = [("clear", [29.0, 29.0, 29.0]), ("never", [0.0, 0.0, 0.0])];
    let few = ranked(&tallies(29, &sums));
    assert_eq!(few.confidence, Confidence::Insufficient);
    assert_eq!(places(&few), [("clear", 1, 2, 1, Some(false)), ("never", 1, 2, 1, None)]);
    assert!(few.items.iter().all(|item| item.reading.is_none()));

    let enough = ranked(&tallies(30, &sums));
    assert_eq!(enough.confidence, Confidence::Ok);
    assert_eq!(places(&enough), [("clear", 1, 1, 1, Some(true)), ("never", 2, 2, 2, None)]);
    assert!(enough.items.iter().all(|item| item.reading.is_some()));

    let nobody = ranked(&Tallies { features: tallies(1, &sums).features, ..Tallies::default() });
    assert_eq!(nobody.confidence, Confidence::Insufficient);
    assert!(nobody.items.iter().all(|item| (item.margin.rank_low, item.margin.rank_high) == (1, 2)));
}

#[test]
fn a_chain_of_near_ties_is_cut_where_its_leader_is_surely_above() {
    // Each can be told from the next but one, none from the next.
    let chain: Vec<Point> = [0.9, 0.8, 0.7, 0.6, 0.5].iter().map(|&share| point(share, share, share * share)).collect();
    let margins = margins(&frame(60.0, 0.95), &chain);
    let groups: Vec<u32> = margins.iter().map(|margin| margin.tie_group).collect();
    assert_eq!(groups, [1, 1, 2, 2, 3], "{margins:?}");
    assert!(margins.iter().take(4).all(|margin| margin.surely_above_next == Some(false)));
    let ranges: Vec<(u32, u32)> = margins.iter().map(|margin| (margin.rank_low, margin.rank_high)).collect();
    assert_eq!(ranges, [(1, 2), (1, 3), (2, 4), (3, 5), (4, 5)]);
}

#[test]
fn asking_and_needing_by_the_same_accounts_makes_a_difference_less_sure() {
    let together = [point(0.3, 0.3, 0.3), point(0.17, 0.17, 0.17)];
    let apart = [point(0.3, 0.3, 0.09), point(0.17, 0.17, 0.0289)];
    let sure = |features: &[Point]| margins(&frame(80.0, 0.95), features)[0].surely_above_next;
    assert_eq!((sure(&together), sure(&apart)), (Some(false), Some(true)));
}

#[test]
fn a_reading_compares_with_the_average_feature_of_its_list() {
    let mut tallies = tallies(
        100,
        &[
            ("both", [40.0, 40.0, 20.0]),
            ("asked", [40.0, 5.0, 5.0]),
            ("needed", [5.0, 40.0, 5.0]),
            ("unmeasured", [40.0, 0.0, 0.0]),
            ("little", [5.0, 5.0, 1.0]),
            ("nothing", [0.0, 0.0, 0.0]),
        ],
    );
    tallies.features.get_mut(&feature("unmeasured")).expect("there").measured = false;
    let ranking = ranked(&tallies);
    for (id, reading) in [
        ("both", Reading::AskedAndNeeded),
        ("asked", Reading::AskedNotNeeded),
        ("needed", Reading::NeededNotAsked),
        ("unmeasured", Reading::AskedUnmeasured),
        ("little", Reading::Quiet),
        ("nothing", Reading::Quiet),
    ] {
        let item = ranking.items.iter().find(|item| item.feature == feature(id)).expect("ranked");
        assert_eq!(item.reading, Some(reading), "{id}");
    }
}

#[test]
fn what_equals_the_average_is_not_below_it_for_the_sake_of_rounding() {
    // (0.1 + 0.1 + 0.1) / 3 is more than 0.1 in doubles.
    let ranking = ranked(&tallies(100, &[("a", [10.0, 0.0, 0.0]), ("b", [10.0, 0.0, 0.0]), ("c", [10.0, 0.0, 0.0])]));
    assert!(ranking.items.iter().all(|item| item.reading == Some(Reading::AskedNotNeeded)), "{:?}", ranking.items);
    let silent = ranked(&tallies(100, &[("a", [0.0; 3]), ("b", [0.0; 3])]));
    assert!(silent.items.iter().all(|item| item.reading == Some(Reading::Quiet)), "0 is not asked for");
}

#[test]
fn a_one_way_door_is_undecided_among_equals_until_it_was_gone_through() {
    let catalog = |status| {
        let definition = |id: &str, door| FeatureDefinition {
            team: team(),
            feature: feature(id),
            title: id.into(),
            status,
            merged_into: None,
            effort_months: None,
            door,
        };
        let state = |id, door| FeatureState { definition: definition(id, door), launched_at: None };
        Catalog {
            team: None,
            features: [("clear", Some(Door::OneWay)), ("tied", Some(Door::OneWay)), ("rival", Some(Door::TwoWay))]
                .into_iter()
                .map(|(id, door)| (feature(id), state(id, door)))
                .collect(),
        }
    };
    let sums = tallies(100, &[("clear", [80.0, 80.0, 70.0]), ("tied", [10.0, 10.0, 5.0]), ("rival", [9.0, 10.0, 5.0])]);
    let undecided = |items: &[Ranked]| -> Vec<(String, bool)> {
        items.iter().map(|item| (item.feature.to_string(), item.undecided)).collect()
    };
    let ranking = rank_tallies(&sums, &catalog(Status::Proposed), &Parameters::default());
    let expected = [("clear", false), ("tied", true), ("rival", false)].map(|(id, is)| (id.to_owned(), is));
    assert_eq!(undecided(&ranking.items), expected);
    let launched = rank_tallies(&sums, &catalog(Status::Launched), &Parameters::default());
    assert_eq!(launched.items.len(), 0);
    assert!(launched.iterate.iter().all(|item| !item.undecided));
}

#[test]
fn what_was_launched_is_ranked_apart() {
    let state = |id: &str| FeatureState {
        definition: FeatureDefinition {
            team: team(),
            feature: feature(id),
            title: id.into(),
            status: Status::Launched,
            merged_into: None,
            effort_months: None,
            door: None,
        },
        launched_at: Some(days_ago(1)),
    };
    let catalog = Catalog { team: None, features: [(feature("live"), state("live"))].into() };
    let sums = tallies(200, &[("live", [150.0, 150.0, 140.0]), ("idea", [50.0, 50.0, 20.0]), ("whim", [0.0; 3])]);
    let ranking = rank_tallies(&sums, &catalog, &Parameters::default());
    assert_eq!(places(&ranking), [("idea", 1, 1, 1, Some(true)), ("whim", 2, 2, 2, None)]);
    let [live] = &ranking.iterate[..] else { panic!("{:?}", ranking.iterate) };
    assert_eq!(live.margin, Margin { rank_low: 1, rank_high: 1, tie_group: 1, surely_above_next: None });
    assert_eq!(live.reading, Some(Reading::AskedAndNeeded));
}

/// Shares, with the ends of the scale often.
fn any_share() -> impl Strategy<Value = f64> {
    prop_oneof![6 => 0.0..=1.0_f64, 2 => 0.0..=0.1_f64, 1 => Just(0.0), 1 => Just(1.0)]
}

fn any_point() -> impl Strategy<Value = Point> {
    (any_share(), any_share(), 0.0..=1.0_f64).prop_map(|(asked, needed, part)| {
        let (least, most) = ((asked + needed - 1.0).max(0.0), asked.min(needed));
        point(asked, needed, least + part * (most - least))
    })
}

/// Facts of 30 to 90 active accounts, what each of some of them said and showed about each of some features.
fn any_facts() -> impl Strategy<Value = Facts> {
    let said = (0_usize..90, 0_usize..8, 0_u8..4, 0_i64..120);
    let showed = (0_usize..90, 0_usize..8, 1_u64..3);
    (30_usize..90, prop::collection::vec(said, 0..200), prop::collection::vec(showed, 0..200)).prop_map(
        |(count, said, showed)| {
            let who = |at: usize| account(&format!("a-{:02}", at % count));
            let what = |at: usize| feature(&format!("f-{at}"));
            let active = AccountFacts { active: true, used: true, ever_used: true, ..AccountFacts::default() };
            let statements: BTreeMap<_, _> = said
                .iter()
                .map(|&(at, f, level, days)| {
                    let statement = Statement {
                        account: who(at),
                        feature: what(f),
                        time: days_ago(days),
                        importance: Importance::from_level(level),
                        order: ("//test".into(), "id".into()),
                        requests: 1,
                    };
                    ((who(at), what(f)), statement)
                })
                .collect();
            let needs: BTreeMap<_, u64> = showed.iter().map(|&(at, f, count)| ((who(at), what(f)), count)).collect();
            Facts {
                as_of: now(),
                catalog: Catalog::default(),
                accounts: (0..count).map(|at| (who(at), active.clone())).collect(),
                statements: statements.into_values().collect(),
                needs: needs
                    .into_iter()
                    .map(|((account, feature), count)| NeedCount { account, feature, count })
                    .collect(),
                measured: (0..8).map(what).collect(),
                known: (0..8).map(what).collect(),
            }
        },
    )
}

/// The same facts with every account called by the name of another.
fn renamed(facts: &Facts, by: usize) -> Facts {
    let ids: Vec<_> = facts.accounts.keys().cloned().collect();
    let other = |id: &AccountId| {
        let at = ids.iter().position(|known| known == id).expect("known");
        ids[(at * 7 + by) % ids.len()].clone()
    };
    let mut facts = facts.clone();
    for statement in &mut facts.statements {
        statement.account = other(&statement.account);
    }
    for need in &mut facts.needs {
        need.account = other(&need.account);
    }
    facts
}

proptest! {
    #[test]
    fn a_rank_is_within_its_interval_and_groups_run_down_the_order(
        points in prop::collection::vec(any_point(), 0..30), effective in 30.0..2000.0_f64, confidence in 0.5..0.999_f64,
    ) {
        let count = u32::try_from(points.len()).expect("few");
        let found = margins(&frame(effective, confidence), &points);
        prop_assert_eq!(found.len(), points.len());
        let mut group = 1;
        for (margin, rank) in found.iter().zip(1..) {
            prop_assert!(1 <= margin.rank_low && margin.rank_low <= rank, "{} {:?}", rank, margin);
            prop_assert!(rank <= margin.rank_high && margin.rank_high <= count, "{} {:?}", rank, margin);
            prop_assert!(margin.tie_group == group || margin.tie_group == group + 1 && rank > 1);
            group = margin.tie_group;
            prop_assert_eq!(margin.surely_above_next.is_none(), rank == count);
        }
    }

    #[test]
    fn more_confidence_never_narrows_an_interval(
        points in prop::collection::vec(any_point(), 1..30), effective in 30.0..2000.0_f64,
        less in 0.5..0.999_f64, part in 0.0..=1.0_f64,
    ) {
        let more = less + part * (0.9999 - less);
        let narrow = margins(&frame(effective, less), &points);
        let wide = margins(&frame(effective, more), &points);
        for (narrow, wide) in narrow.iter().zip(&wide) {
            prop_assert!(wide.rank_low <= narrow.rank_low && narrow.rank_high <= wide.rank_high);
        }
    }

    #[test]
    fn nothing_is_surer_than_nothing_sure(points in prop::collection::vec(any_point(), 1..30)) {
        for (none, some) in unsure(points.len()).iter().zip(margins(&frame(30.0, 0.95), &points)) {
            prop_assert!(none.rank_low <= some.rank_low && some.rank_high <= none.rank_high);
        }
    }

    #[test]
    fn the_order_of_facts_changes_nothing(
        (facts, statements, needs) in any_facts().prop_flat_map(|facts| {
            let (statements, needs) = (facts.statements.clone(), facts.needs.clone());
            (Just(facts), Just(statements).prop_shuffle(), Just(needs).prop_shuffle())
        }),
    ) {
        let shuffled = Facts { statements, needs, ..facts.clone() };
        prop_assert_eq!(rank(&shuffled, None), rank(&facts, None));
    }

    #[test]
    fn which_account_is_which_changes_nothing(facts in any_facts(), by in 0_usize..90) {
        prop_assume!(facts.accounts.len() % 7 != 0);
        let ranking = rank(&facts, None);
        let other = rank(&renamed(&facts, by), None);
        prop_assert_eq!(ranking.confidence, Confidence::Ok);
        prop_assert_eq!(&other.population, &ranking.population);
        for item in &ranking.items {
            let same = other.items.iter().find(|same| same.feature == item.feature).expect("ranked");
            // Sums in another order differ in the last digits.
            prop_assert!((same.score - item.score).abs() < 1e-9);
            prop_assert_eq!(same.reading, item.reading);
            prop_assert_eq!((same.demand.accounts, same.need.accounts), (item.demand.accounts, item.need.accounts));
        }
    }

    #[test]
    fn a_feature_that_nobody_mentions_changes_no_score(facts in any_facts(), id in select(vec!["a", "m", "z"])) {
        let ranking = rank(&facts, None);
        let mut more = facts;
        more.known.insert(feature(id));
        let more = rank(&more, None);
        let scores = |ranking: &Ranking| -> Vec<(String, f64)> {
            ranking.items.iter().filter(|item| item.feature != feature(id))
                .map(|item| (item.feature.to_string(), item.score)).collect()
        };
        prop_assert_eq!(scores(&ranking), scores(&more));
    }
}
