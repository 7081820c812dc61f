//! Facts folded from events, and what the ranking makes of them.

use domain::{
    catalog::{AccountDefinition, FeatureDefinition, Importance, Parameters, Status, TeamDefinition, Tier},
    event::Body,
    history::{Logged, facts_at},
    ids::Partition,
    ranking::{Confidence, Ranked, Ranking, rank},
    time::{MICROS_PER_DAY, Timestamp},
};
use proptest::{prelude::*, sample::select};

use crate::support::{account, days_ago, feature, logged, now, team};

pub(crate) fn stated(who: &str, what: &str, importance: Importance) -> Body {
    Body::RequestStated {
        team: team(),
        feature: feature(what),
        account: account(who),
        importance,
        channel: None,
        text: None,
        requester: None,
        reference: None,
    }
}

pub(crate) fn withdrawn(who: &str, what: &str) -> Body {
    Body::RequestWithdrawn { team: team(), feature: feature(what), account: account(who) }
}

pub(crate) fn used(who: &str) -> Body {
    Body::UsageObserved {
        team: team(),
        feature: feature("tables"),
        account: account(who),
        operation: "query".into(),
        count: 1,
        duration_us: None,
        outcome: None,
    }
}

pub(crate) fn needed(who: &str, what: &str, count: u64) -> Body {
    Body::NeedSignaled { team: team(), feature: feature(what), account: account(who), signal: "pain".into(), count }
}

pub(crate) fn defined(what: &str, status: Status, merged_into: Option<&str>) -> Body {
    Body::FeatureDefined(FeatureDefinition {
        team: team(),
        feature: feature(what),
        title: format!("The {what}").into(),
        status,
        merged_into: merged_into.map(feature),
        effort_months: Some(2.0),
        door: None,
    })
}

pub(crate) fn tiered(who: &str, tier: Tier, segments: &[&str]) -> Body {
    let segments = segments.iter().map(|&segment| segment.into()).collect();
    Body::AccountDefined(AccountDefinition { account: account(who), tier, segments })
}

fn ranked(log: &[Logged]) -> Ranking {
    rank(&facts_at(log, &team(), now()), None)
}

fn item<'a>(items: &'a [Ranked], what: &str) -> &'a Ranked {
    items.iter().find(|item| item.feature == feature(what)).unwrap_or_else(|| panic!("{what} is not in {items:?}"))
}

/// The events so many days ago, with ids in their order.
pub(crate) fn log(events: Vec<(i64, Body)>) -> Vec<Logged> {
    events.into_iter().enumerate().map(|(at, (days, body))| logged(&format!("e-{at}"), days_ago(days), body)).collect()
}

#[test]
fn the_latest_statement_counts_and_a_withdrawal_takes_it_back() {
    let ranking = ranked(&log(vec![
        (9, stated("a", "f", Importance::NiceToHave)),
        (5, stated("a", "f", Importance::Critical)),
        (9, stated("b", "f", Importance::Critical)),
        (5, withdrawn("b", "f")),
        (0, used("c")),
    ]));
    assert_eq!(ranking.population.accounts, 3, "asking and withdrawing make an account active");
    assert_eq!(ranking.population.used, 1);
    let demand = &item(&ranking.items, "f").demand;
    assert_eq!((demand.accounts, demand.requests), (1, 2));
    let faded = (-5.0_f64 / 90.0).exp2();
    assert!((demand.share - faded / 3.0).abs() < 1e-12, "{demand:?}");
}

#[test]
fn at_the_same_time_the_higher_importance_wins_and_a_withdrawal_loses() {
    for bodies in [
        [stated("a", "f", Importance::Critical), withdrawn("a", "f")],
        [withdrawn("a", "f"), stated("a", "f", Importance::Critical)],
        [stated("a", "f", Importance::Important), stated("a", "f", Importance::Critical)],
    ] {
        let ranking = ranked(&log(bodies.into_iter().map(|body| (0, body)).collect()));
        assert_eq!(item(&ranking.items, "f").demand.share, 1.0);
    }
}

#[test]
fn windows_exclude_their_beginning_and_include_their_end() {
    let facts = facts_at(
        &[
            logged("1", days_ago(90), used("edge")),
            logged("2", days_ago(90).plus_micros(1), used("inside")),
            logged("3", now(), needed("end", "f", 2)),
            logged("4", now().plus_micros(1), needed("future", "f", 1)),
            logged("5", days_ago(30), needed("old", "f", 1)),
            logged("6", days_ago(30).plus_micros(1), needed("new", "f", 1)),
        ],
        &team(),
        now(),
    );
    let active: Vec<(&str, bool)> = facts.accounts.iter().map(|(id, facts)| (id.as_str(), facts.active)).collect();
    assert_eq!(active, [("edge", false), ("end", true), ("inside", true), ("new", true), ("old", true)]);
    let needs: Vec<(&str, u64)> = facts.needs.iter().map(|need| (need.account.as_str(), need.count)).collect();
    assert_eq!(needs, [("end", 2), ("new", 1)]);
}

#[test]
fn accounts_that_ask_from_outside_are_counted_apart_and_break_ties() {
    let ranking = ranked(&log(vec![
        (200, used("lapsed")),
        (150, stated("lapsed", "z", Importance::Critical)),
        (150, stated("stranger", "z", Importance::Critical)),
        (150, stated("stranger", "y", Importance::Critical)),
        (150, stated("gone", "y", Importance::Critical)),
        (140, withdrawn("gone", "y")),
        (9, defined("x", Status::Proposed, None)),
    ]));
    assert_eq!(ranking.population.accounts, 0);
    assert_eq!(ranking.confidence, Confidence::Insufficient);
    let order: Vec<&str> = ranking.items.iter().map(|item| item.feature.as_str()).collect();
    assert_eq!(order, ["z", "y", "x"]);
    let z = item(&ranking.items, "z");
    assert_eq!((z.demand.lapsed, z.demand.never_used, z.demand.accounts), (1, 1, 0));
    assert_eq!((z.demand.share, z.demand.low, z.demand.high, z.score), (0.0, 0.0, 1.0, 0.0));
    assert_eq!(z.top_account_share, None);
}

#[test]
fn used_features_are_not_listed_and_retired_ones_vanish() {
    let ranking = ranked(&log(vec![
        (9, used("a")),
        (9, defined("old", Status::Retired, None)),
        (5, stated("a", "old", Importance::Critical)),
        (5, defined("duplicate", Status::Proposed, Some("old"))),
    ]));
    assert!(ranking.items.is_empty() && ranking.iterate.is_empty(), "{ranking:?}");
}

#[test]
fn after_a_launch_only_what_came_later_counts_and_is_listed_apart() {
    let ranking = ranked(&log(vec![
        (20, stated("a", "f", Importance::Critical)),
        (20, needed("a", "f", 1)),
        (10, defined("f", Status::Launched, None)),
        (10, stated("b", "f", Importance::Critical)),
        (0, stated("c", "f", Importance::Critical)),
        (0, needed("d", "f", 1)),
    ]));
    assert!(ranking.items.is_empty());
    let launched = item(&ranking.iterate, "f");
    assert_eq!(launched.rank, 1);
    assert_eq!((launched.demand.accounts, launched.demand.requests), (1, 1), "not at the instant of the launch either");
    assert_eq!((launched.need.accounts, launched.need.measured), (1, true));
    assert_eq!(launched.score_per_effort, Some(launched.score / 2.0));
}

#[test]
fn a_withdrawal_of_a_duplicate_is_a_statement_on_its_target() {
    let ranking = ranked(&log(vec![
        (9, defined("duplicate", Status::Proposed, Some("target"))),
        (8, stated("a", "target", Importance::Critical)),
        (7, withdrawn("a", "duplicate")),
        (6, stated("b", "duplicate", Importance::Critical)),
        (5, stated("b", "target", Importance::Critical)),
        (4, needed("b", "duplicate", 1)),
    ]));
    let [target] = &ranking.items[..] else { panic!("{:?}", ranking.items) };
    assert_eq!(target.feature, feature("target"));
    assert_eq!((target.demand.accounts, target.demand.requests), (1, 2));
    assert!(target.need.measured);
}

#[test]
fn need_counts_add_up_over_merged_features_before_the_minimum_is_asked_for() {
    let mut parameters = Parameters { need_min_count: 3, ..Parameters::default() };
    parameters.need_window_days = 10.0;
    let definition =
        TeamDefinition { team: team(), name: "DynamoDB".into(), segments: vec![], parameters: parameters.clone() };
    let ranking = ranked(&log(vec![
        (20, Body::TeamDefined(definition)),
        (9, defined("duplicate", Status::Proposed, Some("target"))),
        (8, needed("a", "target", 1)),
        (7, needed("a", "duplicate", 2)),
        (7, needed("b", "target", 2)),
        (11, needed("b", "target", 2)),
    ]));
    assert_eq!(ranking.parameters, parameters);
    assert_eq!(item(&ranking.items, "target").need.accounts, 1);
}

#[test]
fn a_segment_restricts_the_population_and_those_outside_it() {
    let log = log(vec![
        (9, tiered("a", Tier::Enterprise, &["retail", "europe"])),
        (9, tiered("b", Tier::Growth, &["games"])),
        (5, stated("a", "f", Importance::Critical)),
        (5, stated("b", "f", Importance::Critical)),
        (5, used("c")),
        (200, stated("far", "f", Importance::Critical)),
    ]);
    let facts = facts_at(&log, &team(), now());
    for (segment, accounts, weight, outside) in [
        (None, 3, 6.0, 1),
        (Some("retail"), 1, 3.0, 0),
        (Some("europe"), 1, 3.0, 0),
        (Some("games"), 1, 2.0, 0),
        (Some("(none)"), 1, 1.0, 1),
        (Some("nowhere"), 0, 0.0, 0),
    ] {
        let ranking = rank(&facts, segment);
        assert_eq!((ranking.population.accounts, ranking.population.weight), (accounts, weight), "{segment:?}");
        let demand = &item(&ranking.items, "f").demand;
        assert_eq!(demand.never_used, outside, "{segment:?}");
    }
}

#[test]
fn accounts_that_the_facts_do_not_list_still_count_outside() {
    let mut facts = facts_at(&log(vec![(200, stated("a", "f", Importance::Critical))]), &team(), now());
    facts.accounts.clear();
    let ranking = rank(&facts, None);
    assert_eq!(item(&ranking.items, "f").demand.never_used, 1);
}

#[test]
fn a_repeat_counts_once_for_ever_and_usage_once_within_24_hours_of_receipt() {
    let repeats = |body: Body, gaps: &[(i64, i32)]| {
        let mut received = days_ago(20);
        let mut log = vec![logged("same", days_ago(20), body.clone())];
        for &(micros, partition) in gaps {
            received = received.plus_micros(micros);
            let mut again = logged("same", days_ago(20), body.clone());
            (again.received, again.partition) = (received, Partition(partition));
            log.push(again);
        }
        facts_at(&log, &team(), now())
    };
    let requests = |gaps: &[(i64, i32)]| repeats(stated("a", "f", Importance::Critical), gaps).statements[0].requests;
    assert_eq!(requests(&[(0, 0), (5 * MICROS_PER_DAY, 0)]), 1);
    assert_eq!(requests(&[(0, 1)]), 2, "another partition is another log");

    let needs = |gaps: &[(i64, i32)]| repeats(needed("a", "f", 1), gaps).needs[0].count;
    assert_eq!(needs(&[(MICROS_PER_DAY, 0)]), 1);
    assert_eq!(needs(&[(MICROS_PER_DAY + 1, 0)]), 2);
    assert_eq!(needs(&[(MICROS_PER_DAY, 0), (MICROS_PER_DAY, 0)]), 1, "a repeat of a repeat is one");
    assert_eq!(needs(&[(-2 * MICROS_PER_DAY, 0)]), 1, "a clock that went back");
}

fn any_body() -> impl Strategy<Value = Body> {
    let who = || select(vec!["a", "b", "c", "d", "e", "f"]);
    let what = || select(vec!["x", "y", "z"]);
    let importance = select(vec![Importance::NiceToHave, Importance::Important, Importance::Critical]);
    prop_oneof![
        4 => (who(), what(), importance).prop_map(|(who, what, importance)| stated(who, what, importance)),
        1 => (who(), what()).prop_map(|(who, what)| withdrawn(who, what)),
        2 => who().prop_map(used),
        3 => (who(), what(), 1_u64..4).prop_map(|(who, what, count)| needed(who, what, count)),
        1 => (who(), select(vec![Tier::Standard, Tier::Growth, Tier::Enterprise]))
            .prop_map(|(who, tier)| tiered(who, tier, &["s"])),
    ]
}

fn any_catalog() -> impl Strategy<Value = Body> {
    let what = || select(vec!["x", "y", "z"]);
    let status = select(vec![Status::Proposed, Status::Planned, Status::Launched, Status::Retired]);
    (what(), status, prop::option::of(what())).prop_map(|(what, status, into)| defined(what, status, into))
}

/// Distinct events at coarse times, so that many coincide, in three partitions.
fn any_log(body: impl Strategy<Value = Body>) -> impl Strategy<Value = Vec<Logged>> {
    prop::collection::vec((0_i64..120, 0_i32..3, body), 0..60).prop_map(|events| {
        events
            .into_iter()
            .enumerate()
            .map(|(at, (days, partition, body))| Logged {
                partition: Partition(partition),
                ..logged(&format!("e-{at}"), days_ago(days), body)
            })
            .collect()
    })
}

/// The same events with this feature's renamed; the catalog's left out.
fn renamed(log: &[Logged], from: &str, to: &str) -> Vec<Logged> {
    let mut log = log.to_vec();
    for entry in &mut log {
        if let Body::RequestStated { feature: what, .. }
        | Body::RequestWithdrawn { feature: what, .. }
        | Body::NeedSignaled { feature: what, .. } = &mut entry.event.body
            && *what == feature(from)
        {
            *what = feature(to);
        }
    }
    log
}

proptest! {
    #[test]
    fn facts_do_not_depend_on_the_order_of_distinct_events(
        (log, shuffled) in any_log(prop_oneof![8 => any_body(), 1 => any_catalog()])
            .prop_flat_map(|log| (Just(log.clone()), Just(log).prop_shuffle())),
    ) {
        prop_assert_eq!(facts_at(&log, &team(), now()), facts_at(&shuffled, &team(), now()));
    }

    #[test]
    fn statements_and_needs_may_come_in_any_order(
        log in any_log(prop_oneof![8 => any_body(), 1 => any_catalog()]), seed: u64,
    ) {
        let facts = facts_at(&log, &team(), now());
        let mut turned = facts.clone();
        if !turned.statements.is_empty() {
            let at = usize::try_from(seed % turned.statements.len() as u64).expect("small");
            turned.statements.rotate_left(at);
        }
        turned.needs.reverse();
        prop_assert_eq!(rank(&facts, None), rank(&turned, None));
    }

    #[test]
    fn contributions_add_up_and_the_order_holds(log in any_log(prop_oneof![8 => any_body(), 1 => any_catalog()])) {
        let ranking = ranked(&log);
        for items in [&ranking.items, &ranking.iterate] {
            for (item, expected) in items.iter().zip(1..) {
                prop_assert_eq!(item.rank, expected);
                prop_assert_eq!(item.score, item.demand_contribution + item.need_contribution);
                prop_assert!((0.0..=100.0 + 1e-9).contains(&item.score));
                for (share, low, high) in [
                    (item.demand.share, item.demand.low, item.demand.high),
                    (item.need.share, item.need.low, item.need.high),
                ] {
                    prop_assert!(0.0 <= low && low <= share + 1e-12 && share <= high + 1e-12 && high <= 1.0);
                }
                if let Some(top) = item.top_account_share {
                    prop_assert!(0.0 < top && top <= 1.0 + 1e-12);
                }
            }
            prop_assert!(items.is_sorted_by(|a, b| a.score >= b.score));
        }
    }

    #[test]
    fn merging_and_unmerging_restores_every_number(log in any_log(any_body())) {
        let mut log = log;
        log.push(logged("define", days_ago(200), defined("x", Status::Proposed, None)));
        let before = ranked(&log);
        log.push(logged("merge", days_ago(100), defined("x", Status::Proposed, Some("y"))));
        prop_assert!(ranked(&log).items.iter().all(|item| item.feature != feature("x")));
        log.push(logged("unmerge", days_ago(50), defined("x", Status::Proposed, None)));
        prop_assert_eq!(ranked(&log), before);
    }

    #[test]
    fn a_merged_features_events_count_as_its_targets(log in any_log(any_body())) {
        let target = logged("target", days_ago(200), defined("y", Status::Proposed, None));
        let renamed: Vec<Logged> = renamed(&log, "x", "y").into_iter().chain([target.clone()]).collect();
        let mut merged = log;
        merged.push(target);
        merged.push(logged("merge", days_ago(100), defined("x", Status::Proposed, Some("y"))));
        prop_assert_eq!(ranked(&merged), ranked(&renamed));
    }

    #[test]
    fn the_future_changes_nothing(log in any_log(any_body()), later in any_log(any_body())) {
        let before = facts_at(&log, &team(), now());
        let mut log = log;
        log.extend(later.into_iter().enumerate().map(|(at, mut entry)| {
            entry.event.id = format!("later-{at}").into();
            entry.event.time = Timestamp(entry.event.time.0 + 121 * MICROS_PER_DAY);
            entry
        }));
        prop_assert_eq!(facts_at(&log, &team(), now()), before);
    }
}
