//! Diffs over generated histories, and small ones by hand.

use std::collections::BTreeMap;

use domain::{
    catalog::{Importance, Parameters, Status, TeamDefinition, Tier},
    diff::{Comparison, Diff, End, Ends, FeatureDiff, Switch, diff},
    event::Body,
    history::{Logged, comparison, facts_at},
    ids::Partition,
    ranking::{Ranking, rank},
    time::{MICROS_PER_DAY, Timestamp},
};
use proptest::{prelude::*, sample::select};

use crate::{
    history::{defined, log, needed, stated, tiered, used, withdrawn},
    support::{days_ago, feature, logged, now, team},
};

fn between(log: &[Logged], from: Timestamp, to: Timestamp) -> Diff {
    diff(&comparison(log, &team(), None, Ends { from, to }))
}

fn of<'a>(diff: &'a Diff, what: &str) -> &'a FeatureDiff {
    let found = diff.features.iter().find(|found| found.feature == feature(what));
    found.unwrap_or_else(|| panic!("{what} is not in {diff:?}"))
}

/// The switches whose parts are not 0.
fn moved(diff: &FeatureDiff) -> Vec<Switch> {
    Switch::ALL.into_iter().filter(|switch| diff.parts[*switch as usize] != 0).collect()
}

fn with_parameters(parameters: Parameters) -> Body {
    Body::TeamDefined(TeamDefinition { team: team(), name: "DynamoDB".into(), segments: vec![], parameters })
}

/// Forty accounts that were active a day ago; twelve ask for `f` and eight need it.
fn quiet_team() -> Vec<(i64, Body)> {
    let mut events = vec![(300, with_parameters(Parameters::default())), (300, defined("f", Status::Proposed, None))];
    for at in 0..40 {
        events.push((20, used(&format!("account-{at}"))));
        if at < 12 {
            events.push((30, stated(&format!("account-{at}"), "f", Importance::Important)));
        }
        if at < 8 {
            events.push((21, needed(&format!("account-{at}"), "f", 1)));
        }
    }
    events
}

/// The quiet team with these events in addition, from 15 days ago to 10 days ago.
fn moved_by(more: Vec<(i64, Body)>) -> Diff {
    let mut events = quiet_team();
    events.extend(more);
    between(&log(events), days_ago(15), days_ago(10))
}

#[test]
fn only_time_moves_fading_alone() {
    let diff = moved_by(vec![]);
    let f = of(&diff, "f");
    assert_eq!(moved(f), [Switch::Fading]);
    assert!(f.change() < 0.0);
    assert_eq!(f.change(), f.part(Switch::Fading));
}

/// What moves beside fading.
fn beside_fading(diff: &FeatureDiff) -> Vec<Switch> {
    moved(diff).into_iter().filter(|switch| *switch != Switch::Fading).collect()
}

#[test]
fn what_happens_lands_in_its_own_part() {
    use Switch::{Merges, Need, Population, RequestsNew, RequestsWithdrawn, Status as Listed};
    let parameters = Parameters { demand_weight: 0.5, need_weight: 0.5, ..Parameters::default() };
    for (body, part) in [
        (with_parameters(parameters), Switch::Parameters),
        (defined("f", Status::Launched, None), Listed),
        (defined("f", Status::Retired, None), Listed),
        (defined("f", Status::Proposed, Some("g")), Merges),
        (tiered("account-39", Tier::Enterprise, &[]), Population),
        (used("another"), Population),
        (stated("account-20", "f", Importance::Critical), RequestsNew),
        (stated("account-3", "f", Importance::Critical), RequestsNew),
        (withdrawn("account-3", "f"), RequestsWithdrawn),
        (needed("account-20", "f", 1), Need),
    ] {
        let diff = moved_by(vec![(12, body.clone())]);
        assert_eq!(beside_fading(of(&diff, "f")), [part], "{body:?}");
    }
}

#[test]
fn the_first_request_for_a_feature_nobody_had_heard_of_is_a_new_request_alone() {
    let diff = moved_by(vec![(12, stated("account-20", "g", Importance::Critical))]);
    let g = of(&diff, "g");
    assert_eq!(g.listed, Ends { from: false, to: true });
    // Its age at the end is part of its fading: at the beginning there was none.
    assert_eq!(beside_fading(g), [Switch::RequestsNew]);
    assert!(g.part(Switch::RequestsNew) > 0.0);
}

#[test]
fn what_only_a_longer_window_reaches_is_a_matter_of_the_parameters() {
    for parameters in [
        Parameters { activity_window_days: 200.0, ..Parameters::default() },
        Parameters { need_window_days: 60.0, ..Parameters::default() },
        Parameters { half_life_days: 10.0, ..Parameters::default() },
        Parameters { need_min_count: 2, ..Parameters::default() },
    ] {
        let diff = moved_by(vec![
            (110, used("long-ago")),
            (60, needed("account-30", "f", 2)),
            (12, with_parameters(parameters.clone())),
        ]);
        assert_eq!(beside_fading(of(&diff, "f")), [Switch::Parameters], "{parameters:?}");
    }
}

#[test]
fn the_parts_of_a_state_by_hand() {
    // One account alone asks and is all there is: D is its importance, so every state can be told by hand.
    let events = log(vec![(40, stated("a", "f", Importance::Important)), (5, stated("a", "f", Importance::Critical))]);
    let diff = between(&events, days_ago(10), now());
    let f = of(&diff, "f");
    let score = |share: f64| {
        let (low, _) = domain::score::wilson(share, 1.0, domain::score::two_sided_z(0.95));
        (1e9 * (100.0 * 0.6 * low)).round_ties_even() as i64
    };
    let faded = |importance: f64, days: f64| score(importance * (-days / 90.0).exp2());
    let (before, after) = (faded(2.0 / 3.0, 30.0), faded(1.0, 5.0));
    assert_eq!(f.score, Ends { from: before, to: after });
    // Forward: the request is new while ages are still counted from the earlier instant, where it has none.
    let (forward, backward) = (faded(1.0, 0.0) - before, after - faded(2.0 / 3.0, 40.0));
    assert_eq!(f.parts[Switch::RequestsNew as usize], forward + backward);
    let (forward, backward) = (after - faded(1.0, 0.0), faded(2.0 / 3.0, 40.0) - before);
    assert_eq!(f.parts[Switch::Fading as usize], forward + backward);
    assert_eq!(moved(f), [Switch::RequestsNew, Switch::Fading]);
}

#[test]
fn a_segment_is_taken_as_it_stood_at_either_end() {
    let mut events = quiet_team();
    for at in 0..40 {
        events.push((200, tiered(&format!("account-{at}"), Tier::Standard, &["retail"])));
    }
    events.push((12, tiered("account-3", Tier::Standard, &["games"])));
    let log = log(events);
    let ends = Ends { from: days_ago(15), to: days_ago(10) };
    for (segment, moves) in [(Some("retail"), true), (None, false), (Some("games"), true), (Some("(none)"), false)] {
        let diff = diff(&comparison(&log, &team(), segment, ends));
        assert_eq!(moved(of(&diff, "f")).contains(&Switch::Population), moves, "{segment:?}");
    }
}

#[test]
fn places_beyond_the_lists_are_passed_over() {
    let comparison = comparison(&log(quiet_team()), &team(), None, Ends { from: days_ago(15), to: days_ago(10) });
    let mut beyond = comparison.clone();
    let (mut said, mut need) = (beyond.statements[0], beyond.needs[0]);
    (said.account, need.feature) = (40_000, 40_000);
    beyond.statements.push(said);
    beyond.needs.push(need);
    (said.account, said.feature, need.account, need.feature) = (0, 40_000, 40_000, 0);
    beyond.statements.push(said);
    beyond.needs.push(need);
    assert_eq!(diff(&beyond), diff(&comparison));
}

/// What happens to a small team, everything often enough to meet everything else.
pub(crate) fn any_event() -> impl Strategy<Value = Body> {
    let who = || select(vec!["a", "b", "c", "d", "e", "f"]);
    let what = || select(vec!["w", "x", "y", "z"]);
    let importance = select(vec![Importance::NiceToHave, Importance::Important, Importance::Critical]);
    let tier = select(vec![Tier::Standard, Tier::Growth, Tier::Enterprise]);
    let status = select(vec![Status::Proposed, Status::Planned, Status::Building, Status::Launched, Status::Retired]);
    prop_oneof![
        8 => (who(), what(), importance).prop_map(|(who, what, importance)| stated(who, what, importance)),
        3 => (who(), what()).prop_map(|(who, what)| withdrawn(who, what)),
        4 => who().prop_map(used),
        6 => (who(), what(), 1_u64..4).prop_map(|(who, what, count)| needed(who, what, count)),
        2 => (who(), tier, select(vec![&[][..], &["s"], &["t", "s"]]))
            .prop_map(|(who, tier, segments)| tiered(who, tier, segments)),
        3 => (what(), status, prop::option::of(what())).prop_map(|(what, status, into)| defined(what, status, into)),
        1 => any_parameters().prop_map(with_parameters),
    ]
}

fn any_parameters() -> impl Strategy<Value = Parameters> {
    (select(vec![20.0, 90.0]), select(vec![5.0, 90.0]), select(vec![10.0, 30.0]), 1_u64..4, select(vec![0.0, 0.6, 1.0]))
        .prop_map(|(activity_window_days, half_life_days, need_window_days, need_min_count, demand_weight)| {
            Parameters {
                activity_window_days,
                half_life_days,
                need_window_days,
                need_min_count,
                demand_weight,
                need_weight: 1.0 - demand_weight,
            }
        })
}

/// Some instant of the history: a day's beginning, and sometimes a microsecond beside it.
pub(crate) fn any_instant() -> impl Strategy<Value = Timestamp> {
    (0_i64..120, select(vec![0, 0, 1, -1])).prop_map(|(days, micros)| days_ago(days).plus_micros(micros))
}

/// Distinct events in any order.
pub(crate) fn any_history() -> impl Strategy<Value = Vec<Logged>> {
    prop::collection::vec((any_instant(), 0_i32..3, any_event()), 0..80).prop_map(|events| {
        let events = events.into_iter().enumerate();
        events
            .map(|(at, (time, partition, body))| Logged {
                partition: Partition(partition),
                ..logged(&format!("e-{at}"), time, body)
            })
            .collect()
    })
}

/// Every listed feature's score as a diff counts it.
fn scores(ranking: &Ranking) -> BTreeMap<String, i64> {
    let items = ranking.items.iter();
    items.map(|item| (item.feature.to_string(), (1e9 * item.score).round_ties_even() as i64)).collect()
}

fn scores_at(diff: &Diff, end: End) -> BTreeMap<String, i64> {
    let listed = diff.features.iter().filter(|feature| *feature.listed.at(end));
    listed.map(|feature| (feature.feature.to_string(), *feature.score.at(end))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_diff_leads_from_one_ranking_to_the_other(
        log in any_history(), from in any_instant(), to in any_instant(), segment in select(vec![None, Some("s")]),
    ) {
        let diff = diff(&comparison(&log, &team(), segment, Ends { from, to }));
        for (end, as_of) in [(End::From, from), (End::To, to)] {
            prop_assert_eq!(scores_at(&diff, end), scores(&rank(&facts_at(&log, &team(), as_of), segment)));
        }
        for feature in &diff.features {
            prop_assert!(feature.listed.from || feature.score.from == 0);
            prop_assert!(feature.listed.to || feature.score.to == 0);
            prop_assert_eq!(feature.parts.iter().sum::<i64>(), 2 * (feature.score.to - feature.score.from));
        }
    }

    #[test]
    fn the_other_way_round_every_part_has_the_other_sign(
        log in any_history(), from in any_instant(), to in any_instant(),
    ) {
        let mut back = between(&log, to, from);
        for feature in &mut back.features {
            feature.listed = Ends { from: feature.listed.to, to: feature.listed.from };
            feature.score = Ends { from: feature.score.to, to: feature.score.from };
            feature.parts = feature.parts.map(|part| -part);
        }
        prop_assert_eq!(back, between(&log, from, to));
    }

    #[test]
    fn from_an_instant_to_itself_nothing_moves(log in any_history(), at in any_instant()) {
        for feature in &between(&log, at, at).features {
            prop_assert_eq!(moved(feature), []);
            prop_assert!(feature.listed.from && feature.listed.to);
        }
    }

    #[test]
    fn the_order_of_the_rows_changes_nothing(
        log in any_history(), from in any_instant(), to in any_instant(), turned in 0_usize..100,
    ) {
        let straight = comparison(&log, &team(), None, Ends { from, to });
        let mut mixed: Comparison = straight.clone();
        mixed.statements.reverse();
        if !mixed.needs.is_empty() {
            let middle = turned % mixed.needs.len();
            mixed.needs.rotate_left(middle);
        }
        prop_assert_eq!(diff(&mixed), diff(&straight));
    }

    /// Only one kind of thing happens between the two instants, to accounts that stay active all the time.
    #[test]
    fn a_change_of_one_kind_is_no_part_of_another(
        log in any_history(), kind in 0_usize..6, later in prop::collection::vec(any_event(), 1..20),
    ) {
        let still = |log: &[Logged]| {
            let mut log: Vec<Logged> = log.iter().filter(|entry| entry.event.time <= now()).cloned().collect();
            for (at, who) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
                log.push(logged(&format!("active-{at}"), now(), used(who)));
            }
            // The windows are so long that nothing falls out of them in a day.
            log.push(logged("parameters", now(), with_parameters(Parameters {
                activity_window_days: 300.0, need_window_days: 300.0, ..Parameters::default()
            })));
            log
        };
        let may_move: &[Switch] = match kind {
            0 => &[Switch::RequestsNew],
            1 => &[Switch::RequestsWithdrawn],
            2 => &[Switch::Need],
            3 => &[Switch::Population],
            4 => &[Switch::Status, Switch::Merges],
            // Out of a shorter need window something falls in a day.
            _ => &[Switch::Parameters, Switch::Need],
        };
        let is_of_kind = |body: &Body| match body {
            Body::RequestStated { .. } => kind == 0,
            Body::RequestWithdrawn { .. } => kind == 1,
            Body::NeedSignaled { .. } => kind == 2,
            Body::AccountDefined(_) => kind == 3,
            Body::FeatureDefined(_) => kind == 4,
            Body::TeamDefined(_) => kind == 5,
            Body::UsageObserved { .. } => false,
        };
        let mut log = still(&log);
        let kept = later.into_iter().filter(is_of_kind).enumerate();
        log.extend(kept.map(|(at, body)| logged(&format!("later-{at}"), now().plus_micros(MICROS_PER_DAY), body)));
        let diff = between(&log, now(), now().plus_micros(MICROS_PER_DAY));
        for feature in &diff.features {
            prop_assert!(
                beside_fading(feature).iter().all(|switch| may_move.contains(switch)),
                "{:?} moved {:?}", feature.feature, moved(feature)
            );
        }
    }
}
