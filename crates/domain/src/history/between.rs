//! The reference for diffs: one team's facts at two instants folded from events.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    assumptions::Assumptions,
    catalog::Catalog,
    diff::{AccountAt, Comparison, Ends, FeatureAt, NeedAt, Said, StatementAt, TeamAt},
    event::{Body, Event},
    facts::{AccountFacts, NO_SEGMENT},
    history::{Logged, account_definitions, catalog_event, without_repeats},
    ids::{AccountId, FeatureId, TeamId},
    time::Timestamp,
};

/// What a diff of the team's rankings at these two instants is computed from, for all its accounts or for those of one
/// segment. The log is as [`facts_at`](crate::history::facts_at) wants it.
#[must_use]
pub fn comparison(log: &[Logged], team: &TeamId, segment: Option<&str>, instants: Ends<Timestamp>) -> Comparison {
    let events = without_repeats(log);
    let up_to = |as_of: Timestamp| events.iter().copied().filter(move |event| event.time <= as_of);
    let teams = Ends::of(|end| {
        let as_of = *instants.at(end);
        let catalog = Catalog::from_events(team, as_of, up_to(as_of).filter_map(catalog_event));
        TeamAt { as_of, assumptions: Assumptions::of(catalog.parameters()), catalog }
    });

    let of_team: Vec<(&AccountId, &FeatureId, &Event)> = up_to(instants.from.max(instants.to))
        .filter(|event| event.body.team() == Some(team))
        .filter_map(|event| Some((event.body.account()?, event.body.feature()?, event)))
        .collect();
    let account_ids: BTreeSet<&AccountId> = of_team.iter().map(|(account, ..)| *account).collect();
    let account_places: BTreeMap<&AccountId, u32> = account_ids.into_iter().zip(0..).collect();
    let feature_ids: BTreeSet<&FeatureId> =
        of_team.iter().filter(|(.., event)| makes_known(&event.body)).map(|(_, feature, _)| *feature).collect();
    let feature_places: BTreeMap<&FeatureId, u32> = feature_ids.into_iter().zip(0..).collect();

    let mut accounts = vec![AccountAt::default(); account_places.len()];
    let defined = Ends::of(|end| {
        let events: Vec<&Event> = up_to(*instants.at(end)).collect();
        account_definitions(&events)
    });
    let in_segment = |id: &AccountId, end| match (segment, defined.at(end).get(id)) {
        (None, _) => true,
        (Some(segment), None) => segment == NO_SEGMENT,
        (Some(segment), Some(definition)) => {
            let segments = definition.segments.iter().map(ToString::to_string).collect();
            AccountFacts { segments, ..AccountFacts::default() }.in_segment(segment)
        }
    };
    for (id, place) in &account_places {
        accounts[*place as usize].tier =
            Ends::of(|end| defined.at(end).get(id).map(|definition| definition.tier).unwrap_or_default());
    }

    let mut features: Vec<FeatureAt> =
        feature_places.keys().map(|&feature| FeatureAt { feature: feature.clone(), known: Ends::default() }).collect();
    let mut statements: BTreeMap<(u32, u32), Ends<Option<Said>>> = BTreeMap::new();
    let mut needs: BTreeMap<(u32, u32), Ends<Ends<u64>>> = BTreeMap::new();
    for (account, feature, event) in of_team {
        let place = account_places[account];
        let active = Ends::of(|end| {
            Ends::of(|window| {
                let days = teams.at(window).assumptions.parameters.activity_window_days;
                in_segment(account, end) && within(event, *instants.at(end), days)
            })
        });
        accounts[place as usize].active = both(accounts[place as usize].active, active, |before, now| before || now);

        let Some(&feature) = feature_places.get(feature) else { continue };
        if !makes_known(&event.body) {
            continue;
        }
        let known = &mut features[feature as usize].known;
        known.from |= event.time <= instants.from;
        known.to |= event.time <= instants.to;
        if let Body::NeedSignaled { count, .. } = event.body {
            let counts = Ends::of(|end| {
                Ends::of(|window| {
                    let days = teams.at(window).assumptions.parameters.need_window_days;
                    if within(event, *instants.at(end), days) { count } else { 0 }
                })
            });
            let sums = needs.entry((place, feature)).or_default();
            *sums = both(*sums, counts, u64::saturating_add);
        } else {
            let importance = match event.body {
                Body::RequestStated { importance, .. } => Some(importance),
                _ => None,
            };
            let said = Some(Said { time: event.time, importance });
            let latest = statements.entry((place, feature)).or_default();
            if event.time <= instants.from {
                latest.from = latest.from.max(said);
            }
            if event.time <= instants.to {
                latest.to = latest.to.max(said);
            }
        }
    }
    Comparison {
        team: teams,
        accounts,
        features,
        statements: statements
            .into_iter()
            .map(|((account, feature), said)| StatementAt { account, feature, said })
            .collect(),
        needs: needs.into_iter().map(|((account, feature), count)| NeedAt { account, feature, count }).collect(),
    }
}

/// Usage alone does not make a feature known.
fn makes_known<Text>(body: &Body<Text>) -> bool {
    matches!(body, Body::RequestStated { .. } | Body::RequestWithdrawn { .. } | Body::NeedSignaled { .. })
}

fn within(event: &Event, as_of: Timestamp, days: f64) -> bool {
    event.time <= as_of && event.time > as_of.minus_days(days)
}

fn both<T: Copy>(a: Ends<Ends<T>>, b: Ends<Ends<T>>, join: impl Fn(T, T) -> T) -> Ends<Ends<T>> {
    Ends::of(|outer| Ends::of(|inner| join(*a.at(outer).at(inner), *b.at(outer).at(inner))))
}
