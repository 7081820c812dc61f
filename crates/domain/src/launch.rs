//! Launches as the catalog's history tells of them, and where a ranking had the feature before.

use crate::{
    catalog::{Catalog, CatalogEvent, Definition, Status, in_force},
    ids::{FeatureId, TeamId},
    ranking::Ranking,
    time::Timestamp,
};

/// A feature's latest launch: the latest unbroken run of status `launched`. A feature that went back and was launched again
/// is launched once, the second time; one that is retired was launched all the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The feature.
    pub feature: FeatureId,
    /// Its title.
    pub title: String,
    /// When the run began.
    pub launched_at: Timestamp,
    /// When the feature first was `building`, after any earlier run of `launched`; none if it never was.
    pub building_at: Option<Timestamp>,
    /// Whether the run goes on.
    pub live: bool,
}

impl Launch {
    /// The last instant before the team set to work: before `building`, or before the launch if it never was `building`.
    /// What was known then is what the decision could be made on.
    #[must_use]
    pub fn decided_on(&self) -> Timestamp {
        self.building_at.unwrap_or(self.launched_at).plus_micros(-1)
    }
}

/// The launches of the team's features up to `as_of`, by ascending feature, from events in any order. A feature that is
/// merged away at `as_of` has none of its own. Later events and other teams' are passed over.
#[must_use]
pub fn launches(team: &TeamId, as_of: Timestamp, events: &[CatalogEvent]) -> Vec<Launch> {
    let events = in_force(team, as_of, events.iter().cloned());
    let mut launches: Vec<Launch> = Vec::new();
    for of_feature in events.chunk_by(|a, b| a.definition.feature() == b.definition.feature()) {
        launches.extend(latest_launch(of_feature));
    }
    let catalog = Catalog::from_events(team, as_of, events);
    launches.retain(|launch| catalog.resolve(&launch.feature) == launch.feature);
    launches
}

/// From the definitions of one feature, in the order of time.
fn latest_launch(events: &[CatalogEvent]) -> Option<Launch> {
    let mut launch: Option<Launch> = None;
    let mut building_at = None;
    for event in events {
        let Definition::Feature(definition) = &event.definition else { continue };
        match (definition.status, &mut launch) {
            (Status::Launched, Some(Launch { live: true, title, .. })) => *title = definition.title.to_string(),
            (Status::Launched, _) => {
                launch = Some(Launch {
                    feature: definition.feature.clone(),
                    title: definition.title.to_string(),
                    launched_at: event.time,
                    building_at: building_at.take(),
                    live: true,
                });
            }
            (status, launch) => {
                if let Some(launch) = launch {
                    launch.live = false;
                    launch.title = definition.title.to_string();
                }
                if status == Status::Building {
                    building_at = building_at.or(Some(event.time));
                }
            }
        }
    }
    launch
}

/// Where a ranking had a feature before its launch.
#[derive(Clone, Debug, PartialEq)]
pub enum Before {
    /// In its list.
    Listed(Place),
    /// Nowhere: it was not defined, nobody asked for it and nothing showed a need of it. As good as a score of 0.
    UnheardOf,
    /// Nowhere, because the catalog had it merged, launched or retired. The ranking says nothing about it.
    NotOnOffer,
}

/// A place in a ranking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// From 1.
    pub rank: u32,
    /// The best rank that it may truly have had.
    pub rank_low: u32,
    /// The worst.
    pub rank_high: u32,
    /// How many features were listed.
    pub listed: u32,
    /// The score, 0 to 100.
    pub score: f64,
}

impl Before {
    /// Where this ranking, made with this catalog, has the feature.
    #[must_use]
    pub fn of(ranking: &Ranking, catalog: &Catalog, feature: &FeatureId) -> Self {
        if let Some(item) = ranking.items.iter().find(|item| item.feature == *feature) {
            return Self::Listed(Place {
                rank: item.rank,
                rank_low: item.margin.rank_low,
                rank_high: item.margin.rank_high,
                listed: u32::try_from(ranking.items.len()).unwrap_or(u32::MAX),
                score: item.score,
            });
        }
        let off_offer = matches!(catalog.status(feature), Some(Status::Launched | Status::Retired));
        if off_offer || catalog.resolve(feature) != *feature { Self::NotOnOffer } else { Self::UnheardOf }
    }

    /// What the ranking foretold, as a score: none if it said nothing.
    #[must_use]
    pub fn score(&self) -> Option<f64> {
        match self {
            Self::Listed(place) => Some(place.score),
            Self::UnheardOf => Some(0.0),
            Self::NotOnOffer => None,
        }
    }
}
