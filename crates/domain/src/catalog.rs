//! What the catalog says: teams, features and accounts, as they stood at an instant.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    ids::{AccountId, FeatureId, TeamId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

pub use crate::parameters::{InvalidParameters, Parameters};

/// How much a feature matters to the account that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// A third of a critical one.
    NiceToHave,
    /// Two thirds of a critical one.
    Important,
    /// Counts in full.
    Critical,
}

impl Importance {
    /// Every importance by its name on the wire.
    pub const NAMES: [(&str, Self); 3] =
        [("nice_to_have", Self::NiceToHave), ("important", Self::Important), ("critical", Self::Critical)];

    /// What it counts: 1/3, 2/3 or 1.
    #[must_use]
    pub fn value(self) -> f64 {
        f64::from(self.level()) / 3.0
    }

    /// 1, 2 or 3.
    #[must_use]
    pub fn level(self) -> u8 {
        match self {
            Self::NiceToHave => 1,
            Self::Important => 2,
            Self::Critical => 3,
        }
    }

    /// The importance of this level, if there is one.
    #[must_use]
    pub fn from_level(level: u8) -> Option<Self> {
        Self::NAMES.into_iter().map(|(_, known)| known).find(|known| known.level() == level)
    }
}

/// What an account pays for, in three classes. Never raw revenue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Weight 1; also that of an account that nobody defined.
    #[default]
    Standard,
    /// Weight 2.
    Growth,
    /// Weight 3.
    Enterprise,
}

impl Tier {
    /// Every tier by its name on the wire.
    pub const NAMES: [(&str, Self); 3] =
        [("standard", Self::Standard), ("growth", Self::Growth), ("enterprise", Self::Enterprise)];

    /// How much an account of this tier weighs: 1, 2 or 3.
    #[must_use]
    pub fn weight(self) -> f64 {
        match self {
            Self::Standard => 1.0,
            Self::Growth => 2.0,
            Self::Enterprise => 3.0,
        }
    }
}

/// A feature's place in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// An idea.
    Proposed,
    /// Decided, not begun.
    Planned,
    /// Being built.
    Building,
    /// Live.
    Launched,
    /// No longer offered.
    Retired,
}

impl Status {
    /// Every status by its name on the wire.
    pub const NAMES: [(&str, Self); 5] = [
        ("proposed", Self::Proposed),
        ("planned", Self::Planned),
        ("building", Self::Building),
        ("launched", Self::Launched),
        ("retired", Self::Retired),
    ];
}

/// Whether a decision can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// It cannot.
    OneWay,
    /// It can.
    TwoWay,
}

impl Door {
    /// Every door by its name on the wire.
    pub const NAMES: [(&str, Self); 2] = [("one_way", Self::OneWay), ("two_way", Self::TwoWay)];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneWay => "one_way",
            Self::TwoWay => "two_way",
        }
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As wanted.
    Ok,
    /// It failed.
    Error,
    /// It was refused.
    Denied,
}

impl Outcome {
    /// Every outcome by its name on the wire.
    pub const NAMES: [(&str, Self); 3] = [("ok", Self::Ok), ("error", Self::Error), ("denied", Self::Denied)];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Denied => "denied",
        }
    }
}

/// A team, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct TeamDefinition<Text = Arc<str>> {
    /// The team.
    pub team: TeamId<Text>,
    /// Its name for people.
    pub name: Text,
    /// The segments that it serves.
    pub segments: Vec<Text>,
    /// Its parameters of the score.
    pub parameters: Parameters,
}

/// A feature, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureDefinition<Text = Arc<str>> {
    /// The team that owns it.
    pub team: TeamId<Text>,
    /// The feature.
    pub feature: FeatureId<Text>,
    /// Its title for people.
    pub title: Text,
    /// Its place in its life.
    pub status: Status,
    /// The feature of the same team that it is a duplicate of.
    pub merged_into: Option<FeatureId<Text>>,
    /// Estimated effort in person-months; positive.
    pub effort_months: Option<f64>,
    /// Whether the decision can be taken back.
    pub door: Option<Door>,
}

/// An account, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountDefinition<Text = Arc<str>> {
    /// The account.
    pub account: AccountId<Text>,
    /// What it pays for.
    pub tier: Tier,
    /// The segments that it belongs to.
    pub segments: Vec<Text>,
}

/// One team's catalog as it stood at an instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    /// The team's definition, if there is one.
    pub team: Option<TeamDefinition>,
    /// The team's defined features.
    pub features: BTreeMap<FeatureId, FeatureState>,
}

/// A defined feature as it stood at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureState {
    /// Its latest definition.
    pub definition: FeatureDefinition,
    /// When the present unbroken run of status `launched` began; none if it is not launched.
    pub launched_at: Option<Timestamp>,
}

/// A catalog event of a team.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogEvent {
    /// When it happened.
    pub time: Timestamp,
    /// The event's source.
    pub source: String,
    /// The event's id.
    pub id: String,
    /// What it says.
    pub definition: Definition,
}

/// What a catalog event of a team defines.
#[derive(Clone, Debug, PartialEq)]
pub enum Definition {
    /// The team itself.
    Team(TeamDefinition),
    /// One of its features.
    Feature(FeatureDefinition),
}

impl Catalog {
    /// The team's catalog at `as_of`, from events in any order. Later events and other teams' are passed over.
    #[must_use]
    pub fn from_events(team: &TeamId, as_of: Timestamp, events: impl IntoIterator<Item = CatalogEvent>) -> Self {
        let mut catalog = Self::default();
        for event in in_force(team, as_of, events) {
            match event.definition {
                Definition::Team(definition) => catalog.team = Some(definition),
                Definition::Feature(definition) => catalog.upsert(event.time, definition),
            }
        }
        catalog
    }

    /// The parameters in force: the team's own, or the defaults.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        self.team.as_ref().map(|team| team.parameters.clone()).unwrap_or_default()
    }

    /// The status that the catalog gives the feature itself, before merges.
    #[must_use]
    pub fn status(&self, feature: &FeatureId) -> Option<Status> {
        self.features.get(feature).map(|state| state.definition.status)
    }

    /// The feature that this one's events count for: the end of its chain of merges, itself if it is not merged.
    ///
    /// A target that nobody defined is a target all the same. A feature on a cycle stays unmerged; one that leads into
    /// a cycle joins the first feature on it.
    #[must_use]
    pub fn resolve(&self, feature: &FeatureId) -> FeatureId {
        let mut seen = BTreeSet::from([feature]);
        let mut last = feature;
        while let Some(next) = self.merged_into(last) {
            if !seen.insert(next) {
                // `next` is the first feature of the cycle that the path reached.
                return next.clone();
            }
            last = next;
        }
        last.clone()
    }

    /// The cycles among the merges, each from its smallest id on, in the order of the merges.
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<FeatureId>> {
        let mut cycles = BTreeSet::new();
        for start in self.features.keys() {
            let mut path = vec![start];
            let mut last = start;
            while let Some(next) = self.merged_into(last) {
                if let Some(at) = path.iter().position(|seen| *seen == next) {
                    let mut cycle: Vec<FeatureId> = path[at..].iter().map(|&on| on.clone()).collect();
                    let smallest = cycle.iter().enumerate().min_by_key(|(_, on)| *on).map_or(0, |(at, _)| at);
                    cycle.rotate_left(smallest);
                    cycles.insert(cycle);
                    break;
                }
                path.push(next);
                last = next;
            }
        }
        cycles.into_iter().collect()
    }

    /// When the feature that this one's events count for was launched. Only what is asked and needed after that
    /// instant counts; none means that everything counts.
    #[must_use]
    pub fn since(&self, feature: &FeatureId) -> Option<Timestamp> {
        self.features.get(&self.resolve(feature)).and_then(|state| state.launched_at)
    }

    fn merged_into(&self, feature: &FeatureId) -> Option<&FeatureId> {
        self.features.get(feature)?.definition.merged_into.as_ref()
    }

    fn upsert(&mut self, time: Timestamp, definition: FeatureDefinition) {
        let running = self.features.get(&definition.feature).and_then(|state| state.launched_at);
        let launched_at = (definition.status == Status::Launched).then(|| running.unwrap_or(time));
        self.features.insert(definition.feature.clone(), FeatureState { definition, launched_at });
    }
}

impl Definition {
    /// The team whose catalog it belongs to.
    #[must_use]
    pub fn team(&self) -> &TeamId {
        match self {
            Self::Team(definition) => &definition.team,
            Self::Feature(definition) => &definition.team,
        }
    }

    /// The feature; none if it is the team that is defined.
    #[must_use]
    pub fn feature(&self) -> Option<&FeatureId> {
        match self {
            Self::Team(_) => None,
            Self::Feature(definition) => Some(&definition.feature),
        }
    }
}

/// The team's definitions up to `as_of` that stood at some instant: those of the team, then those of each feature, each in
/// the order of time. Of several at the same time the greatest (`source`, `id`) stands, and the others never did.
pub(crate) fn in_force(
    team: &TeamId,
    as_of: Timestamp,
    events: impl IntoIterator<Item = CatalogEvent>,
) -> Vec<CatalogEvent> {
    let mut events: Vec<CatalogEvent> = events.into_iter().collect();
    events.retain(|event| event.time <= as_of && event.definition.team() == team);
    events.sort_by(|a, b| {
        (a.definition.feature(), a.time, &a.source, &a.id).cmp(&(b.definition.feature(), b.time, &b.source, &b.id))
    });
    events.dedup_by(|later, first| {
        let outdone = later.time == first.time && later.definition.feature() == first.definition.feature();
        if outdone {
            std::mem::swap(later, first);
        }
        outdone
    });
    events
}
