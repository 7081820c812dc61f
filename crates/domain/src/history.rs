//! The reference: one team's facts folded from events, written for clarity.
//!
//! Whatever computes the same facts faster is tested against this.

mod between;
mod launches;

pub use between::comparison;
pub use launches::{outcomes_at, wanted_at};

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    catalog::{AccountDefinition, Catalog, CatalogEvent, Definition, Parameters},
    event::{Body, Event},
    facts::{AccountFacts, Facts, NeedCount, Statement},
    ids::{AccountId, FeatureId, Partition, TeamId},
    record::InputTopic,
    time::{MICROS_PER_DAY, Timestamp},
};

/// A valid event as it lies in the log of its topic's partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// The record's timestamp.
    pub received: Timestamp,
    /// The partition, of the topic that carries events of this type.
    pub partition: Partition,
    /// The event.
    pub event: Event,
}

/// The team's facts at `as_of`. The log holds every partition's events in the order of their offsets; how partitions
/// are interleaved does not matter.
#[must_use]
pub fn facts_at(log: &[Logged], team: &TeamId, as_of: Timestamp) -> Facts {
    facts_under(log, team, as_of, None)
}

/// The team's facts at `as_of` with the windows of these parameters instead of those in force.
#[must_use]
pub fn facts_under(log: &[Logged], team: &TeamId, as_of: Timestamp, parameters: Option<&Parameters>) -> Facts {
    let events: Vec<&Event> = without_repeats(log).into_iter().filter(|event| event.time <= as_of).collect();
    let catalog = Catalog::from_events(team, as_of, events.iter().filter_map(|event| catalog_event(event)));
    let parameters = parameters.cloned().unwrap_or_else(|| catalog.parameters());
    let active_after = as_of.minus_days(parameters.activity_window_days);
    let need_after = as_of.minus_days(parameters.need_window_days);

    let mut accounts: BTreeMap<AccountId, AccountFacts> = BTreeMap::new();
    let mut statements: BTreeMap<(AccountId, FeatureId), (&Event, u64)> = BTreeMap::new();
    let mut needs: BTreeMap<(AccountId, FeatureId), u64> = BTreeMap::new();
    let mut measured = BTreeSet::new();
    let mut known = BTreeSet::new();

    for event in events.iter().copied().filter(|event| event.body.team() == Some(team)) {
        let (Some(account), Some(feature)) = (event.body.account(), event.body.feature()) else {
            continue;
        };
        let is_usage = matches!(event.body, Body::UsageObserved { .. } | Body::NeedSignaled { .. });
        let in_window = event.time > active_after;
        let seen = accounts.entry(account.clone()).or_default();
        seen.active |= in_window;
        seen.used |= in_window && is_usage;
        seen.ever_used |= is_usage;

        let counts = catalog.since(feature).is_none_or(|since| event.time > since);
        let key = (account.clone(), feature.clone());
        match &event.body {
            Body::RequestStated { .. } | Body::RequestWithdrawn { .. } => {
                known.insert(feature.clone());
                if counts {
                    let (latest, requests) = statements.entry(key).or_insert((event, 0));
                    if event.precedence() > latest.precedence() {
                        *latest = event;
                    }
                    *requests += u64::from(matches!(event.body, Body::RequestStated { .. }));
                }
            }
            Body::NeedSignaled { count, .. } => {
                known.insert(feature.clone());
                measured.insert(feature.clone());
                if counts && event.time > need_after {
                    let sum = needs.entry(key).or_default();
                    *sum = sum.saturating_add(*count);
                }
            }
            Body::UsageObserved { .. } | Body::TeamDefined(_) | Body::FeatureDefined(_) | Body::AccountDefined(_) => {}
        }
    }

    for (id, definition) in account_definitions(&events) {
        if let Some(account) = accounts.get_mut(id) {
            account.tier = definition.tier;
            account.segments = definition.segments.iter().map(ToString::to_string).collect();
        }
    }
    Facts {
        as_of,
        catalog,
        accounts,
        statements: statements.into_iter().map(statement).collect(),
        needs: needs.into_iter().map(|((account, feature), count)| NeedCount { account, feature, count }).collect(),
        measured,
        known,
    }
}

/// The events that count. A repeat is an event whose partition holds one with the same (`source`, `id`) at a lower
/// offset; for usage and need signals, received at most 24 h earlier.
///
/// The earlier one may be a repeat itself: what counts is the log, not what we made of it.
fn without_repeats(log: &[Logged]) -> Vec<&Event> {
    /// A partition and the pair that identifies an event in it.
    type Identity<'a> = (InputTopic, Partition, &'a str, &'a str);

    let mut last_received: HashMap<Identity<'_>, Timestamp> = HashMap::new();
    let mut distinct = Vec::new();
    for Logged { received, partition, event } in log {
        let topic = event.body.event_type().topic();
        let identity = (topic, *partition, &*event.source, &*event.id);
        let earlier = last_received.get(&identity).copied();
        let is_repeat = earlier.is_some_and(|earlier| match topic {
            InputTopic::Requests | InputTopic::Catalog => true,
            InputTopic::Usage => received.micros_since(earlier) <= MICROS_PER_DAY,
        });
        if !is_repeat {
            distinct.push(event);
        }
        last_received.insert(identity, earlier.map_or(*received, |earlier| earlier.max(*received)));
    }
    distinct
}

fn catalog_event(event: &Event) -> Option<CatalogEvent> {
    let definition = match &event.body {
        Body::TeamDefined(definition) => Definition::Team(definition.clone()),
        Body::FeatureDefined(definition) => Definition::Feature(definition.clone()),
        _ => return None,
    };
    Some(CatalogEvent { time: event.time, source: event.source.to_string(), id: event.id.to_string(), definition })
}

/// The latest definition of each account.
fn account_definitions<'a>(events: &[&'a Event]) -> BTreeMap<&'a AccountId, &'a AccountDefinition> {
    let mut latest: BTreeMap<&AccountId, (&Event, &AccountDefinition)> = BTreeMap::new();
    for &event in events {
        if let Body::AccountDefined(definition) = &event.body {
            let entry = latest.entry(&definition.account).or_insert((event, definition));
            if event.precedence() > entry.0.precedence() {
                *entry = (event, definition);
            }
        }
    }
    latest.into_iter().map(|(id, (_, definition))| (id, definition)).collect()
}

fn statement(((account, feature), (event, requests)): ((AccountId, FeatureId), (&Event, u64))) -> Statement {
    let importance = match &event.body {
        Body::RequestStated { importance, .. } => Some(*importance),
        _ => None,
    };
    let order = (event.source.to_string(), event.id.to_string());
    Statement { account, feature, time: event.time, importance, order, requests }
}
