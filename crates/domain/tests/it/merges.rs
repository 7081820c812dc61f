//! Merges and launches as the catalog tells them.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    catalog::{Catalog, CatalogEvent, Definition, FeatureDefinition, Status},
    event::Body,
    history::{Logged, facts_at},
    ids::FeatureId,
    ranking::{Ranking, rank},
    time::Timestamp,
};
use proptest::{prelude::*, sample::select};

use crate::{
    diff::any_history,
    history,
    support::{days_ago, feature, logged, now, team},
};

/// A definition of the feature, so many days ago.
fn defined(days: i64, id: &str, status: Status, merged_into: Option<&str>) -> CatalogEvent {
    let definition = FeatureDefinition {
        team: team(),
        feature: feature(id),
        title: id.into(),
        status,
        merged_into: merged_into.map(feature),
        effort_months: None,
        door: None,
    };
    CatalogEvent {
        time: days_ago(days),
        source: "//test".to_owned(),
        id: format!("{id}-{days}"),
        definition: Definition::Feature(definition),
    }
}

fn catalog(events: impl IntoIterator<Item = CatalogEvent>) -> Catalog {
    Catalog::from_events(&team(), now(), events)
}

/// A catalog of features that are merged as the pairs say.
fn merged(pairs: &[(&str, &str)]) -> Catalog {
    catalog(pairs.iter().map(|(id, into)| defined(9, id, Status::Proposed, Some(into))))
}

#[test]
fn a_chain_of_merges_ends_at_its_last_feature_even_an_undefined_one() {
    let catalog = merged(&[("a", "b"), ("b", "c")]);
    for id in ["a", "b", "c"] {
        assert_eq!(catalog.resolve(&feature(id)), feature("c"));
    }
    assert_eq!(catalog.resolve(&feature("unheard-of")), feature("unheard-of"));
    assert!(catalog.cycles().is_empty());
}

#[test]
fn features_on_a_cycle_stay_and_those_that_lead_into_it_join_the_first_they_reach() {
    let catalog = merged(&[("c", "d"), ("d", "b"), ("b", "c"), ("x", "y"), ("y", "d"), ("self", "self")]);
    for id in ["b", "c", "d", "self"] {
        assert_eq!(catalog.resolve(&feature(id)), feature(id));
    }
    for id in ["x", "y"] {
        assert_eq!(catalog.resolve(&feature(id)), feature("d"));
    }
    let names = |ids: &[&str]| ids.iter().map(|id| feature(id)).collect::<Vec<FeatureId>>();
    assert_eq!(catalog.cycles(), [names(&["b", "c", "d"]), names(&["self"])]);
}

#[test]
fn a_launch_is_the_beginning_of_the_present_run_of_launched() {
    let launched_at = |events: Vec<CatalogEvent>| -> Option<Timestamp> {
        // In the order of time, whatever the order of arrival.
        let forward = catalog(events.clone());
        let backward = catalog(events.into_iter().rev());
        assert_eq!(forward, backward);
        forward.features[&feature("f")].launched_at
    };
    let at = |days, status| defined(days, "f", status, None);
    assert_eq!(launched_at(vec![at(9, Status::Building)]), None);
    assert_eq!(launched_at(vec![at(9, Status::Launched), at(5, Status::Launched)]), Some(days_ago(9)));
    assert_eq!(
        launched_at(vec![at(9, Status::Launched), at(5, Status::Building), at(3, Status::Launched)]),
        Some(days_ago(3))
    );
    assert_eq!(launched_at(vec![at(9, Status::Launched), at(5, Status::Retired)]), None);
    assert_eq!(launched_at(vec![at(9, Status::Building), at(-1, Status::Launched)]), None, "not launched yet");
}

#[test]
fn what_is_merged_into_a_launched_feature_counts_since_that_launch() {
    let catalog = catalog([
        defined(9, "target", Status::Launched, None),
        defined(5, "duplicate", Status::Proposed, Some("target")),
        defined(5, "other", Status::Proposed, None),
    ]);
    assert_eq!(catalog.since(&feature("duplicate")), Some(days_ago(9)));
    assert_eq!(catalog.since(&feature("other")), None);
}

#[test]
fn at_the_same_time_the_greater_source_and_id_wins() {
    let mut early = defined(9, "f", Status::Planned, None);
    let mut late = defined(9, "f", Status::Building, None);
    (early.source, early.id) = ("//a".to_owned(), "z".to_owned());
    (late.source, late.id) = ("//b".to_owned(), "a".to_owned());
    assert_eq!(catalog([late, early]).status(&feature("f")), Some(Status::Building));
}

/// What each feature is merged into. `v` is never defined.
type Merges = BTreeMap<&'static str, Option<&'static str>>;

const DEFINED: [&str; 4] = ["w", "x", "y", "z"];

fn any_merges() -> impl Strategy<Value = Merges> {
    prop::collection::vec(prop::option::of(select(vec!["v", "w", "x", "y", "z"])), DEFINED.len())
        .prop_map(|into| DEFINED.into_iter().zip(into).collect())
}

/// By the definition: whoever comes back to itself is on a cycle; a walk ends at the first such one, or where no merge
/// leads on.
fn end_of(merges: &Merges, start: &'static str) -> &'static str {
    let next = |feature: &str| merges.get(feature).copied().flatten();
    let on_cycle = |feature: &str| {
        let mut at = next(feature);
        for _ in 0..DEFINED.len() {
            if at == Some(feature) {
                return true;
            }
            at = at.and_then(next);
        }
        false
    };
    let mut at = start;
    while !on_cycle(at)
        && let Some(next) = next(at)
    {
        at = next;
    }
    at
}

/// What happened to the features, without what the catalog said of them.
fn without_definitions(log: &[Logged]) -> Vec<Logged> {
    let is_definition = |entry: &&Logged| matches!(entry.event.body, Body::FeatureDefined(_));
    log.iter().filter(|entry| !is_definition(entry)).cloned().collect()
}

/// Definitions of all features at once: some are launched long before anything else happens.
fn definitions(days: i64, of: impl Fn(&'static str) -> Option<(Status, Option<&'static str>)>) -> Vec<Logged> {
    let defined = |id: &'static str| {
        let (status, into) = of(id)?;
        Some(logged(&format!("{id}-{days}"), days_ago(days), history::defined(id, status, into)))
    };
    DEFINED.into_iter().filter_map(defined).collect()
}

fn ranked(log: &[Logged]) -> Ranking {
    rank(&facts_at(log, &team(), now()), None)
}

proptest! {
    #[test]
    fn every_walk_ends_as_defined_and_every_cycle_is_reported(merges in any_merges()) {
        let pairs: Vec<(&str, &str)> = merges.iter().filter_map(|(from, into)| Some((*from, (*into)?))).collect();
        let catalog = merged(&pairs);
        for &start in ["v"].iter().chain(&DEFINED) {
            prop_assert_eq!(catalog.resolve(&feature(start)), feature(end_of(&merges, start)), "{}", start);
        }
        let cycles = catalog.cycles();
        for cycle in &cycles {
            prop_assert_eq!(cycle.iter().min(), cycle.first());
            for (at, next) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
                prop_assert_eq!(merges[at.as_str()], Some(next.as_str()));
            }
        }
        // Those that a merge leads on from, and that stay all the same.
        let stuck: BTreeSet<FeatureId> = merges
            .iter()
            .filter(|(from, into)| into.is_some() && end_of(&merges, from) == **from)
            .map(|(from, _)| feature(from))
            .collect();
        prop_assert_eq!(cycles.concat().len(), stuck.len(), "each is on one cycle");
        prop_assert_eq!(cycles.concat().into_iter().collect::<BTreeSet<FeatureId>>(), stuck);
    }

    #[test]
    fn events_of_merged_features_are_events_of_where_the_merges_end(
        log in any_history(), merges in any_merges(), launched in select(vec!["w", "x", "none"]),
    ) {
        let status = |id: &str| if id == launched { Status::Launched } else { Status::Proposed };
        let mut merged = without_definitions(&log);
        let mut renamed = merged.clone();
        merged.extend(definitions(200, |id| Some((status(id), merges[id]))));
        for entry in &mut renamed {
            if let Body::RequestStated { feature: what, .. }
            | Body::RequestWithdrawn { feature: what, .. }
            | Body::NeedSignaled { feature: what, .. } = &mut entry.event.body
            {
                let id = *DEFINED.iter().find(|id| *what == feature(id)).expect("one of the four");
                *what = feature(end_of(&merges, id));
            }
        }
        // What is merged away is not there, unless as the undefined end of a merge.
        let stays = |id: &'static str| end_of(&merges, id) == id;
        renamed.extend(definitions(200, |id| stays(id).then_some((status(id), None))));

        let (mut merged, renamed) = (ranked(&merged), ranked(&renamed));
        let known_by_merge = |ranking: &Ranking| ranking.items.iter().any(|item| item.feature == feature("v"));
        if known_by_merge(&merged) && !known_by_merge(&renamed) {
            // A defined feature without events that ends at an undefined one makes that one known: last, and empty.
            let empty = merged.items.iter().position(|item| item.feature == feature("v"));
            prop_assert!(merged.items.remove(empty.expect("found above")).score == 0.0);
            prop_assert_eq!(scores(&merged), scores(&renamed));
        } else {
            merged.merge_cycles.clear();
            prop_assert_eq!(merged, renamed);
        }
    }

    #[test]
    fn unmerging_in_any_order_restores_every_number(
        log in any_history(), first in any_merges(), second in any_merges(), third in any_merges(),
    ) {
        let mut log = log;
        for entry in &mut log {
            // Before the merges below, definitions are like any others.
            if let Body::FeatureDefined(_) = entry.event.body {
                entry.event.time = Timestamp(entry.event.time.0 - days_ago(0).0 + days_ago(300).0);
            }
        }
        log.extend(definitions(200, |id| Some((Status::Proposed, first[id]))));
        let before = ranked(&log);
        log.extend(definitions(100, |id| Some((Status::Proposed, second[id]))));
        log.extend(definitions(90, |id| third[id].map(|into| (Status::Building, Some(into)))));
        log.extend(definitions(80, |id| Some((Status::Proposed, first[id]))));
        prop_assert_eq!(ranked(&log), before);
    }
}

fn scores(ranking: &Ranking) -> Vec<(FeatureId, f64)> {
    ranking.items.iter().map(|item| (item.feature.clone(), item.score)).collect()
}
