//! The reference for outcomes and portfolios: who wanted a launched feature and who used it, folded from events.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::{Catalog, CatalogEvent},
    event::{Body, Event},
    history::{Logged, catalog_event, facts_at, without_repeats},
    ids::{AccountId, FeatureId, TeamId},
    launch::{Before, Launch, launches},
    outcome::{Group, Outcome, horizons, outcome},
    portfolio::Wanted,
    ranking::rank,
    time::Timestamp,
};

/// What became of each of the team's launches, as seen at `as_of`, by ascending feature. The log is as [`facts_at`] wants it.
#[must_use]
pub fn outcomes_at(log: &[Logged], team: &TeamId, as_of: Timestamp) -> Vec<Outcome> {
    let past = Past::new(log, team, as_of);
    let outcomes = past.launches.iter().map(|launch| {
        let decided_on = facts_at(log, team, launch.decided_on());
        let before = Before::of(&rank(&decided_on, None), &decided_on.catalog, &launch.feature);
        outcome(launch, before, &past.groups(launch), as_of)
    });
    outcomes.collect()
}

/// Who wanted each of the team's launches before the team set to work, as seen at `as_of`, by ascending feature.
#[must_use]
pub fn wanted_at(log: &[Logged], team: &TeamId, as_of: Timestamp) -> Vec<Wanted> {
    let past = Past::new(log, team, as_of);
    let wanted = past.launches.iter().map(|launch| Wanted {
        launch: launch.clone(),
        asked: past.asked(&launch.feature, launch.decided_on()).len() as u64,
        needed: past.needed(&launch.feature, launch.decided_on()).len() as u64,
    });
    wanted.collect()
}

/// The team's events up to an instant, and its catalog and launches as they stood then.
struct Past<'a> {
    events: Vec<&'a Event>,
    catalog: Catalog,
    launches: Vec<Launch>,
}

impl<'a> Past<'a> {
    fn new(log: &'a [Logged], team: &TeamId, as_of: Timestamp) -> Self {
        let mut events = without_repeats(log);
        events.retain(|event| event.time <= as_of && event.body.team() == Some(team));
        let definitions: Vec<CatalogEvent> = events.iter().filter_map(|event| catalog_event(event)).collect();
        Self {
            launches: launches(team, as_of, &definitions),
            catalog: Catalog::from_events(team, as_of, definitions),
            events,
        }
    }

    fn groups(&self, launch: &Launch) -> Vec<Group> {
        let (feature, launched_at) = (&launch.feature, launch.launched_at);
        let active_after = launched_at.minus_days(self.catalog.parameters().activity_window_days);
        let active: BTreeSet<&AccountId> =
            self.within(active_after, launched_at).filter_map(|event| event.body.account()).collect();
        let (asked, needed) = (self.asked(feature, launched_at), self.needed(feature, launched_at));
        let used = horizons(launched_at).map(|(_, end)| {
            let events = self.within(launched_at, end).filter(|event| self.is_about(event, feature));
            let uses = events.filter(|event| matches!(event.body, Body::UsageObserved { .. }));
            uses.filter_map(|event| event.body.account()).collect::<BTreeSet<&AccountId>>()
        });
        let everybody: BTreeSet<&AccountId> = active.iter().chain(&asked).chain(&needed).copied().collect();
        let groups = everybody.into_iter().map(|account| Group {
            active: active.contains(account),
            asked: asked.contains(account),
            needed: needed.contains(account),
            used: [used[0].contains(account), used[1].contains(account)],
            accounts: 1,
        });
        groups.collect()
    }

    /// The accounts whose latest statement about the feature up to this instant stands.
    fn asked(&self, feature: &FeatureId, until: Timestamp) -> BTreeSet<&'a AccountId> {
        let mut latest: BTreeMap<&AccountId, &Event> = BTreeMap::new();
        for event in self.events.iter().copied().filter(|event| event.time <= until && self.is_about(event, feature)) {
            if let Body::RequestStated { account, .. } | Body::RequestWithdrawn { account, .. } = &event.body {
                let entry = latest.entry(account).or_insert(event);
                if event.precedence() > entry.precedence() {
                    *entry = event;
                }
            }
        }
        latest.retain(|_, event| matches!(event.body, Body::RequestStated { .. }));
        latest.into_keys().collect()
    }

    /// The accounts whose need signals for the feature up to this instant add up to the least count.
    fn needed(&self, feature: &FeatureId, until: Timestamp) -> BTreeSet<&'a AccountId> {
        let mut counts: BTreeMap<&AccountId, u64> = BTreeMap::new();
        for event in self.events.iter().copied().filter(|event| event.time <= until && self.is_about(event, feature)) {
            if let Body::NeedSignaled { account, count, .. } = &event.body {
                let sum = counts.entry(account).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
        counts.retain(|_, count| *count >= self.catalog.parameters().need_min_count);
        counts.into_keys().collect()
    }

    fn within(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = &'a Event> {
        self.events.iter().copied().filter(move |event| event.time > after && event.time <= until)
    }

    /// Whether the event is one of the feature, merges followed.
    fn is_about(&self, event: &Event, feature: &FeatureId) -> bool {
        event.body.feature().is_some_and(|named| self.catalog.resolve(named) == *feature)
    }
}
