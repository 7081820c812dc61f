//! Launches, what became of them, and whether anybody had wanted them.

use domain::{
    catalog::{Catalog, CatalogEvent, Definition, FeatureDefinition, Importance, Parameters, Status},
    event::Body,
    foresight::{LAUNCHES_MIN, foresight},
    history::{Logged, facts_at, outcomes_at, wanted_at},
    ids::TeamId,
    launch::{Before, Launch, Place, launches},
    outcome::{Group, Outcome, outcome},
    portfolio::{TeamPortfolio, Wanted, portfolio},
    ranking::rank,
    share::Share,
    time::Timestamp,
};
use proptest::prelude::*;

use crate::{
    diff::{any_history, any_instant},
    history::{defined, log, needed, stated, used, withdrawn},
    support::{days_ago, feature, now, team},
};

fn definition(days: i64, id: &str, status: Status) -> CatalogEvent {
    let definition = FeatureDefinition {
        team: team(),
        feature: feature("f"),
        title: format!("As of {days}").into(),
        status,
        merged_into: None,
        effort_months: None,
        door: None,
    };
    let definition = Definition::Feature(definition);
    CatalogEvent { time: days_ago(days), source: "//test".to_owned(), id: id.to_owned(), definition }
}

/// The launch of a feature with this history of statuses, by days ago.
fn launch_of(history: &[(i64, Status)]) -> Option<Launch> {
    let events: Vec<CatalogEvent> = history.iter().map(|(days, status)| definition(*days, "d", *status)).collect();
    let mut found = launches(&team(), now(), &events);
    let backward: Vec<CatalogEvent> = events.into_iter().rev().collect();
    assert_eq!(launches(&team(), now(), &backward), found, "in the order of time, whatever the order of arrival");
    assert!(found.len() < 2);
    found.pop()
}

#[test]
fn a_launch_was_decided_on_before_building_or_else_before_itself() {
    use Status::{Building, Launched, Planned, Proposed, Retired};
    assert_eq!(launch_of(&[(9, Proposed), (5, Building)]), None);
    for (history, launched, building, live) in [
        (&[(9, Proposed), (5, Launched)][..], 5, None, true),
        (&[(9, Building), (5, Launched)], 5, Some(9), true),
        (&[(9, Building), (7, Planned), (6, Building), (5, Launched), (4, Launched)], 5, Some(9), true),
        (&[(9, Building), (7, Launched), (3, Retired)], 7, Some(9), false),
        (&[(9, Building), (7, Launched), (5, Building), (3, Launched)], 3, Some(5), true),
        (&[(9, Building), (7, Launched), (5, Proposed), (3, Launched)], 3, None, true),
        (&[(9, Launched), (-1, Retired)], 9, None, true),
    ] {
        let launch = launch_of(history).expect("a launch");
        let days = (launch.launched_at, launch.building_at, launch.live);
        assert_eq!(days, (days_ago(launched), building.map(days_ago), live), "{history:?}");
        assert_eq!(launch.decided_on(), days_ago(building.unwrap_or(launched)).plus_micros(-1), "{history:?}");
    }
}

#[test]
fn a_definition_that_another_of_the_same_time_outdid_never_stood() {
    let events = [
        definition(9, "d", Status::Launched),
        definition(5, "a", Status::Building),
        definition(5, "b", Status::Launched),
        definition(3, "a", Status::Retired),
        definition(3, "b", Status::Launched),
    ];
    let [launch] = &launches(&team(), now(), &events)[..] else { panic!("one launch") };
    assert_eq!((launch.launched_at, launch.building_at, launch.live), (days_ago(9), None, true));
    assert_eq!(launch.title, "As of 3");
    let catalog = Catalog::from_events(&team(), now(), events);
    assert_eq!(catalog.features[&feature("f")].launched_at, Some(days_ago(9)), "the run was never broken");
}

#[test]
fn what_is_merged_away_or_another_teams_is_no_launch() {
    let mut merged = definition(5, "d", Status::Launched);
    let Definition::Feature(definition) = &mut merged.definition else { panic!("a feature") };
    definition.merged_into = Some(feature("g"));
    assert_eq!(launches(&team(), now(), &[merged.clone()]), []);
    let others = TeamId::parse("eks").expect("an id");
    assert_eq!(launches(&others, now(), &[merged]), []);
}

fn uses(who: &str, what: &str) -> Body {
    let Body::UsageObserved { team, account, operation, count, duration_us, outcome, .. } = used(who) else {
        panic!("a use")
    };
    Body::UsageObserved { team, feature: feature(what), account, operation, count, duration_us, outcome }
}

/// A feature that was building 60 days ago and launched 40 days ago, and six accounts around it.
fn a_launch() -> Vec<Logged> {
    log(vec![
        (90, defined("f", Status::Proposed, None)),
        (60, defined("f", Status::Building, None)),
        (40, defined("f", Status::Launched, None)),
        (80, defined("duplicate", Status::Proposed, Some("f"))),
        // Asks, and uses it within 14 days. Asks again, which is not before the launch.
        (70, stated("asks", "f", Importance::Critical)),
        (35, uses("asks", "f")),
        (20, withdrawn("asks", "f")),
        // Asks for the duplicate while it is being built, and uses that within 28 days, on the last.
        (50, stated("asks-late", "duplicate", Importance::NiceToHave)),
        (12, uses("asks-late", "duplicate")),
        // Needs it, and uses it on the 14th day.
        (65, needed("needs", "f", 1)),
        (26, uses("needs", "f")),
        // Asked and took it back at the last moment; used a preview only.
        (70, stated("took-back", "f", Importance::Critical)),
        (40, withdrawn("took-back", "f")),
        (40, uses("took-back", "f")),
        // Asked long ago, and is gone.
        (200, stated("gone", "f", Importance::Critical)),
        // Never spoke, uses it too late.
        (45, used("silent")),
        (5, uses("silent", "f")),
        // Came after the launch.
        (30, uses("newcomer", "f")),
    ])
}

fn counts(share: &Share) -> (u64, u64) {
    (share.count, share.of)
}

#[test]
fn an_outcome_tells_who_used_what_they_had_asked_for() {
    let outcomes = outcomes_at(&a_launch(), &team(), now());
    let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((outcome.feature.as_str(), outcome.title.as_str()), ("f", "The f"));
    assert_eq!((outcome.launched_at, outcome.decided_on), (days_ago(40), days_ago(60).plus_micros(-1)));
    assert!(outcome.horizons.iter().all(|horizon| horizon.over));
    for (name, cohort, within_14, within_28, of) in [
        ("asked", &outcome.asked, 1, 2, 3),
        ("needed", &outcome.needed, 1, 1, 1),
        ("either", &outcome.asked_or_needed, 2, 3, 4),
        ("either and active", &outcome.asked_or_needed_active, 2, 3, 3),
        ("neither", &outcome.neither, 0, 0, 2),
        ("active", &outcome.active, 2, 3, 5),
    ] {
        let [two_weeks, four_weeks] = &cohort.used;
        assert_eq!((counts(two_weeks), counts(four_weeks)), ((within_14, of), (within_28, of)), "{name}");
        assert_eq!(cohort.accounts, of, "{name}");
    }
    // Before it was being built: one account asks and one needs it of the three active ones.
    let Before::Listed(place) = &outcome.before else { panic!("{:?}", outcome.before) };
    let then = rank(&facts_at(&a_launch(), &team(), days_ago(60).plus_micros(-1)), None);
    assert_eq!((place.rank, place.listed, place.score), (1, 1, then.items[0].score));
    assert!(place.score > 0.0 && place.rank_low <= place.rank && place.rank <= place.rank_high);
}

#[test]
fn an_outcome_says_what_is_not_over_yet_and_shows_what_was_seen_so_far() {
    for (days_after, over, used) in
        [(13, [false, false], [1, 1]), (14, [true, false], [2, 2]), (28, [true, true], [2, 3])]
    {
        let as_of = days_ago(40 - days_after);
        let outcomes = outcomes_at(&a_launch(), &team(), as_of);
        let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!(outcome.horizons.map(|horizon| horizon.over), over, "{days_after}");
        assert_eq!(outcome.asked_or_needed.used.map(|share| share.count), used, "{days_after}");
    }
    assert_eq!(outcomes_at(&a_launch(), &team(), days_ago(41)), [], "not launched yet");
}

#[test]
fn a_launch_that_nobody_had_heard_of_and_one_that_was_not_on_offer_are_told_apart() {
    let before = |events: Vec<(i64, Body)>| {
        let outcomes = outcomes_at(&log(events), &team(), now());
        let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
        outcome.before.clone()
    };
    assert_eq!(before(vec![(9, used("a")), (5, defined("f", Status::Launched, None))]), Before::UnheardOf);
    let launched = (5, defined("f", Status::Launched, None));
    assert_eq!(before(vec![(9, defined("f", Status::Retired, None)), launched.clone()]), Before::NotOnOffer);
    assert_eq!(before(vec![(9, defined("f", Status::Proposed, Some("g"))), launched]), Before::NotOnOffer);
}

#[test]
fn who_wanted_a_launch_is_asked_for_before_it_was_being_built() {
    let wanted = wanted_at(&a_launch(), &team(), now());
    let [wanted] = &wanted[..] else { panic!("{wanted:?}") };
    // Who asked while it was being built came too late; who took it back later had asked.
    assert_eq!((wanted.asked, wanted.needed), (3, 1));
}

#[test]
fn need_is_shown_by_the_least_count_whenever_the_signals_came() {
    let parameters = Parameters { need_min_count: 3, ..Parameters::default() };
    let definition = domain::catalog::TeamDefinition { team: team(), name: "x".into(), segments: vec![], parameters };
    let log = log(vec![
        (300, Body::TeamDefined(definition)),
        (250, needed("a", "f", 2)),
        (20, needed("a", "f", 1)),
        (20, needed("b", "f", 2)),
        (10, defined("f", Status::Launched, None)),
        (9, needed("b", "f", 2)),
    ]);
    let wanted = wanted_at(&log, &team(), now());
    assert_eq!((wanted[0].asked, wanted[0].needed), (0, 1));
    assert_eq!(outcomes_at(&log, &team(), now())[0].needed.accounts, 1);
}

fn a_place(score: f64) -> Before {
    Before::Listed(Place { rank: 1, rank_low: 1, rank_high: 1, listed: 1, score })
}

/// What became of a launch 30 days ago that so many of 100 active accounts used.
fn an_outcome(before: Before, used: u64) -> Outcome {
    let launch = Launch {
        feature: feature("f"),
        title: "F".to_owned(),
        launched_at: days_ago(30),
        building_at: None,
        live: true,
    };
    let group = |used: bool, accounts| Group { active: true, asked: false, needed: false, used: [used; 2], accounts };
    outcome(&launch, before, &[group(true, used), group(false, 100 - used)], now())
}

fn foreseen(launches: &[(f64, u64)]) -> domain::foresight::Foresight {
    foresight(&launches.iter().map(|(score, used)| an_outcome(a_place(*score), *used)).collect::<Vec<_>>())
}

#[test]
fn foresight_is_the_share_of_pairs_in_the_right_order() {
    let share = |launches: &[(f64, u64)]| foreseen(launches).share.map(|share| share.share);
    assert_eq!(share(&[(1.0, 1), (2.0, 2), (3.0, 3), (4.0, 4), (5.0, 5)]), Some(1.0));
    assert_eq!(share(&[(1.0, 5), (2.0, 4), (3.0, 3), (4.0, 2), (5.0, 1)]), Some(0.0));
    assert_eq!(share(&[(1.0, 2), (2.0, 1), (3.0, 3), (4.0, 4), (5.0, 5)]), Some(0.9));
    assert_eq!(share(&[(1.0, 1), (1.0, 2), (3.0, 3), (4.0, 4), (5.0, 5)]), Some(0.95), "equal scores count half");
    assert_eq!(share(&[(1.0, 1), (2.0, 1), (3.0, 3), (4.0, 4), (5.0, 5)]), Some(1.0), "of nine pairs");
    assert_eq!(share(&[(1.0, 1), (2.0, 1), (3.0, 1), (4.0, 1), (5.0, 1)]), None, "no order to foretell");

    let few = foreseen(&[(1.0, 1), (2.0, 2), (3.0, 3), (4.0, 4)]);
    assert_eq!((few.launches, few.pairs, few.share), (LAUNCHES_MIN - 1, 6, None));
    let enough = foreseen(&[(1.0, 1), (2.0, 2), (3.0, 3), (4.0, 4), (5.0, 5)]).share.expect("enough launches");
    // 0.5 ± 1.96 sqrt(15 / 360)
    assert!((enough.chance_low - 0.099_92).abs() < 1e-5 && (enough.chance_high - 0.900_08).abs() < 1e-5, "{enough:?}");
}

#[test]
fn launches_that_cannot_be_judged_are_left_out() {
    let mut early = an_outcome(a_place(1.0), 1);
    early.horizons[1].over = false;
    let mut alone = an_outcome(a_place(1.0), 1);
    alone.active.used[1] = Share::new(0, 0);
    let judged = foresight(&[early, alone, an_outcome(Before::NotOnOffer, 1), an_outcome(Before::UnheardOf, 1)]);
    assert_eq!((judged.launches, judged.pairs), (1, 0));
}

#[test]
fn a_portfolio_tells_which_launches_were_wanted() {
    let ranking = rank(
        &facts_at(
            &log(vec![(5, stated("a", "x", Importance::Critical)), (5, stated("b", "y", Importance::NiceToHave))]),
            &team(),
            now(),
        ),
        None,
    );
    let wanted = |days: i64, asked, needed| {
        let launch = launch_of(&[(days, Status::Launched)]).expect("a launch");
        Wanted { launch, asked, needed }
    };
    let eks = TeamId::parse("eks").expect("an id");
    let teams = vec![
        TeamPortfolio::new(eks, None, &ranking, 5, vec![wanted(9, 3, 0)], foresight(&[])),
        TeamPortfolio::new(
            team(),
            Some("DynamoDB"),
            &ranking,
            1,
            vec![wanted(5, 2, 9), wanted(7, 3, 2)],
            foresight(&[]),
        ),
    ];
    let portfolio = portfolio(teams);
    let [dynamodb, eks] = &portfolio.teams[..] else { panic!("two teams") };
    assert_eq!((dynamodb.name.as_str(), eks.name.as_str()), ("DynamoDB", "eks"));
    let first = |team: &TeamPortfolio| team.first.iter().map(|item| item.feature.to_string()).collect::<Vec<_>>();
    assert_eq!((first(dynamodb), dynamodb.listed), (vec!["x".to_owned()], 2));
    assert_eq!(first(eks), ["x", "y"]);
    assert!(dynamodb.launches.is_sorted_by_key(|wanted| wanted.launch.launched_at));
    assert_eq!((counts(&dynamodb.wanted.asked), counts(&dynamodb.wanted.needed)), ((1, 2), (1, 2)));
    assert_eq!((counts(&eks.wanted.asked), counts(&eks.wanted.needed)), ((1, 1), (0, 1)));
    assert_eq!((counts(&portfolio.wanted.asked), counts(&portfolio.wanted.needed)), ((2, 3), (1, 3)));
}

proptest! {
    #[test]
    fn cohorts_of_an_outcome_agree_with_each_other(log in any_history(), as_of in any_instant()) {
        for outcome in outcomes_at(&log, &team(), as_of) {
            let Outcome { asked, needed, asked_or_needed, asked_or_needed_active, neither, active, .. } = &outcome;
            for cohort in [asked, needed, asked_or_needed, asked_or_needed_active, neither, active] {
                let [two_weeks, four_weeks] = &cohort.used;
                prop_assert!(two_weeks.count <= four_weeks.count && four_weeks.count <= cohort.accounts);
                prop_assert!(cohort.used.iter().all(|used| used.low <= used.share && used.share <= used.high));
            }
            prop_assert_eq!(asked_or_needed_active.accounts + neither.accounts, active.accounts);
            prop_assert!(asked_or_needed.accounts >= asked.accounts.max(needed.accounts));
            prop_assert!(asked_or_needed.accounts <= asked.accounts + needed.accounts);
            prop_assert!(outcome.launched_at <= as_of && outcome.decided_on < outcome.launched_at);
        }
    }

    #[test]
    fn groups_that_are_alike_add_up(
        accounts in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>(), 0_usize..3), 0..30),
    ) {
        let launch = launch_of(&[(30, Status::Launched)]).expect("a launch");
        let of = |&(active, asked, needed, used): &(bool, bool, bool, usize), accounts| {
            Group { active, asked, needed, used: [used == 2, used > 0], accounts }
        };
        let singly: Vec<Group> = accounts.iter().map(|account| of(account, 1)).collect();
        let mut kinds = accounts.clone();
        kinds.sort_unstable();
        let together: Vec<Group> =
            kinds.chunk_by(|a, b| a == b).map(|alike| of(&alike[0], alike.len() as u64)).collect();
        let of_each = outcome(&launch, Before::UnheardOf, &singly, now());
        prop_assert_eq!(&of_each, &outcome(&launch, Before::UnheardOf, &together, now()));
        let Outcome { asked_or_needed_active, neither, active, .. } = of_each;
        prop_assert_eq!(active.accounts, accounts.iter().filter(|(active, ..)| *active).count() as u64);
        prop_assert_eq!(asked_or_needed_active.accounts + neither.accounts, active.accounts);
    }

    #[test]
    fn what_happens_later_does_not_change_an_outcome(
        log in any_history(), as_of in any_instant(),
    ) {
        let until: Vec<Logged> = log.iter().filter(|entry| entry.event.time <= as_of).cloned().collect();
        prop_assert_eq!(outcomes_at(&log, &team(), as_of), outcomes_at(&until, &team(), as_of));
        prop_assert_eq!(wanted_at(&log, &team(), as_of), wanted_at(&until, &team(), as_of));
    }

    /// The launches that the catalog says are under way are those that the history of launches ends with.
    #[test]
    fn live_launches_are_the_catalogs(log in any_history(), as_of in any_instant()) {
        let catalog = facts_at(&log, &team(), as_of).catalog;
        let live: Vec<(String, Timestamp)> = outcomes_at(&log, &team(), as_of)
            .iter()
            .filter(|outcome| catalog.status(&outcome.feature) == Some(Status::Launched))
            .map(|outcome| (outcome.feature.to_string(), outcome.launched_at))
            .collect();
        let expected: Vec<(String, Timestamp)> = catalog
            .features
            .iter()
            .filter(|(feature, _)| catalog.resolve(feature) == **feature)
            .filter_map(|(feature, state)| Some((feature.to_string(), state.launched_at?)))
            .collect();
        prop_assert_eq!(live, expected);
    }

    #[test]
    fn foresight_the_other_way_round_is_the_rest_of_one(
        launches in prop::collection::vec((0_u32..6, 0_u64..6), 0..12), middle in 0_usize..12,
    ) {
        let straight: Vec<(f64, u64)> = launches.iter().map(|(score, used)| (f64::from(*score), *used)).collect();
        let mut turned: Vec<(f64, u64)> = straight.iter().map(|(score, used)| (5.0 - score, *used)).collect();
        turned.rotate_left(middle.min(launches.len()));
        let (straight, turned) = (foreseen(&straight), foreseen(&turned));
        prop_assert_eq!(straight.pairs, turned.pairs);
        prop_assert_eq!(straight.in_order + turned.in_order, straight.pairs as f64);
    }
}
