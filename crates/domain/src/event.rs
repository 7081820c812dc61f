//! Events: what happened, when, and who says so.

use std::{fmt, sync::Arc};

use crate::{
    catalog::{AccountDefinition, FeatureDefinition, Importance, Outcome, TeamDefinition},
    ids::{AccountId, FeatureId, TeamId},
    record::InputTopic,
    time::Timestamp,
};

/// A valid event. The pair (`source`, `id`) identifies it.
///
/// It owns its texts unless `Text` is a borrowed one: [`record::Decoded`](crate::record::Decoded) is the event whose texts
/// still lie in the record.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<Text = Arc<str>> {
    /// Unique within the source.
    pub id: Text,
    /// Who emitted it.
    pub source: Text,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    pub body: Body<Text>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Body<Text = Arc<str>> {
    /// An account asks for a feature.
    RequestStated {
        /// The team that owns the feature.
        team: TeamId<Text>,
        /// The feature asked for.
        feature: FeatureId<Text>,
        /// Who asks.
        account: AccountId<Text>,
        /// How much it matters to the account.
        importance: Importance,
        /// Where it was said: `support`, `github`, ...
        channel: Option<Text>,
        /// What was said. Personal data.
        text: Option<Text>,
        /// The person who said it. Personal data.
        requester: Option<Text>,
        /// Where to read it: an address or a ticket number. On the wire: `ref`.
        reference: Option<Text>,
    },
    /// An account takes its request back.
    RequestWithdrawn {
        /// The team that owns the feature.
        team: TeamId<Text>,
        /// The feature no longer asked for.
        feature: FeatureId<Text>,
        /// Whose request it was.
        account: AccountId<Text>,
    },
    /// An account used a feature.
    UsageObserved {
        /// The team that owns the feature.
        team: TeamId<Text>,
        /// The feature used.
        feature: FeatureId<Text>,
        /// Who used it.
        account: AccountId<Text>,
        /// What was done.
        operation: Text,
        /// How many times.
        count: u64,
        /// How long it took altogether, in microseconds.
        duration_us: Option<u64>,
        /// How it ended.
        outcome: Option<Outcome>,
    },
    /// An account's usage shows the pain of a missing feature.
    NeedSignaled {
        /// The team that would own the feature.
        team: TeamId<Text>,
        /// The feature that is missing.
        feature: FeatureId<Text>,
        /// Whose usage it is.
        account: AccountId<Text>,
        /// What shows the need.
        signal: Text,
        /// How many times.
        count: u64,
    },
    /// A team as it is from now on.
    TeamDefined(TeamDefinition<Text>),
    /// A feature as it is from now on.
    FeatureDefined(FeatureDefinition<Text>),
    /// An account as it is from now on.
    AccountDefined(AccountDefinition<Text>),
}

/// The type of an event. Displays as the CloudEvents `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// `io.flywheel.request.stated.v1`
    RequestStated,
    /// `io.flywheel.request.withdrawn.v1`
    RequestWithdrawn,
    /// `io.flywheel.usage.observed.v1`
    UsageObserved,
    /// `io.flywheel.need.signaled.v1`
    NeedSignaled,
    /// `io.flywheel.team.defined.v1`
    TeamDefined,
    /// `io.flywheel.feature.defined.v1`
    FeatureDefined,
    /// `io.flywheel.account.defined.v1`
    AccountDefined,
}

impl EventType {
    /// Every type.
    pub const ALL: [Self; 7] = [
        Self::RequestStated,
        Self::RequestWithdrawn,
        Self::UsageObserved,
        Self::NeedSignaled,
        Self::TeamDefined,
        Self::FeatureDefined,
        Self::AccountDefined,
    ];

    /// The CloudEvents `type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestStated => "io.flywheel.request.stated.v1",
            Self::RequestWithdrawn => "io.flywheel.request.withdrawn.v1",
            Self::UsageObserved => "io.flywheel.usage.observed.v1",
            Self::NeedSignaled => "io.flywheel.need.signaled.v1",
            Self::TeamDefined => "io.flywheel.team.defined.v1",
            Self::FeatureDefined => "io.flywheel.feature.defined.v1",
            Self::AccountDefined => "io.flywheel.account.defined.v1",
        }
    }

    /// The type of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// The topic that carries it.
    #[must_use]
    pub fn topic(self) -> InputTopic {
        match self {
            Self::RequestStated | Self::RequestWithdrawn => InputTopic::Requests,
            Self::UsageObserved | Self::NeedSignaled => InputTopic::Usage,
            Self::TeamDefined | Self::FeatureDefined | Self::AccountDefined => InputTopic::Catalog,
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<Text> Body<Text> {
    /// The type of the event.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self {
            Self::RequestStated { .. } => EventType::RequestStated,
            Self::RequestWithdrawn { .. } => EventType::RequestWithdrawn,
            Self::UsageObserved { .. } => EventType::UsageObserved,
            Self::NeedSignaled { .. } => EventType::NeedSignaled,
            Self::TeamDefined(_) => EventType::TeamDefined,
            Self::FeatureDefined(_) => EventType::FeatureDefined,
            Self::AccountDefined(_) => EventType::AccountDefined,
        }
    }

    /// The team it concerns; none for an account, which belongs to no team.
    #[must_use]
    pub fn team(&self) -> Option<&TeamId<Text>> {
        match self {
            Self::RequestStated { team, .. }
            | Self::RequestWithdrawn { team, .. }
            | Self::UsageObserved { team, .. }
            | Self::NeedSignaled { team, .. } => Some(team),
            Self::TeamDefined(definition) => Some(&definition.team),
            Self::FeatureDefined(definition) => Some(&definition.team),
            Self::AccountDefined(_) => None,
        }
    }

    /// The feature it concerns, if it concerns one.
    #[must_use]
    pub fn feature(&self) -> Option<&FeatureId<Text>> {
        match self {
            Self::RequestStated { feature, .. }
            | Self::RequestWithdrawn { feature, .. }
            | Self::UsageObserved { feature, .. }
            | Self::NeedSignaled { feature, .. } => Some(feature),
            Self::FeatureDefined(definition) => Some(&definition.feature),
            Self::TeamDefined(_) | Self::AccountDefined(_) => None,
        }
    }

    /// The account it concerns, if it concerns one.
    #[must_use]
    pub fn account(&self) -> Option<&AccountId<Text>> {
        match self {
            Self::RequestStated { account, .. }
            | Self::RequestWithdrawn { account, .. }
            | Self::UsageObserved { account, .. }
            | Self::NeedSignaled { account, .. } => Some(account),
            Self::AccountDefined(definition) => Some(&definition.account),
            Self::TeamDefined(_) | Self::FeatureDefined(_) => None,
        }
    }
}

/// Which of two events about the same thing wins: the greater.
///
/// Later `time`; between statements of the same time the higher importance, a withdrawal being lowest; then the greater
/// (`source`, `id`) in byte order. Total over distinct events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precedence<'a> {
    /// When it happened.
    pub time: Timestamp,
    /// [`Importance::level`] of a request, 0 for a withdrawal and for what is no statement.
    pub level: u8,
    /// The event's source.
    pub source: &'a str,
    /// The event's id.
    pub id: &'a str,
}

impl<Text: AsRef<str>> Event<Text> {
    /// Where this event stands among those about the same thing.
    #[must_use]
    pub fn precedence(&self) -> Precedence<'_> {
        let level = match &self.body {
            Body::RequestStated { importance, .. } => importance.level(),
            _ => 0,
        };
        Precedence { time: self.time, level, source: self.source.as_ref(), id: self.id.as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_then_importance_then_source_and_id_decide() {
        let of = |time, level, source, id| Precedence { time: Timestamp(time), level, source, id };
        let ascending =
            [of(1, 3, "z", "z"), of(2, 0, "z", "z"), of(2, 1, "a", "z"), of(2, 1, "b", "a"), of(2, 1, "b", "b")];
        assert!(ascending.is_sorted_by(|left, right| left < right));
    }

    #[test]
    fn every_type_is_found_by_its_name() {
        for known in EventType::ALL {
            assert_eq!(EventType::from_name(known.as_str()), Some(known));
        }
        assert_eq!(EventType::from_name("io.flywheel.request.stated.v2"), None);
    }
}
