//! Merges and launches as the catalog tells them.

use domain::{
    catalog::{Catalog, CatalogEvent, Definition, FeatureDefinition, Status},
    ids::FeatureId,
    time::Timestamp,
};

use crate::support::{days_ago, feature, now, team};

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
