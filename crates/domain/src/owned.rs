//! Events that outlive the record they were read from: the same, with texts of their own.

use std::sync::Arc;

use crate::{
    catalog::{AccountDefinition, FeatureDefinition, TeamDefinition},
    event::{Body, Event},
    ids::FeatureId,
};

impl<Text: AsRef<str> + Into<Arc<str>>> Event<Text> {
    /// The same event with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Event {
        let Self { id, source, time, body } = self;
        Event { id: id.into(), source: source.into(), time, body: body.into_owned() }
    }
}

impl<Text: AsRef<str> + Into<Arc<str>>> Body<Text> {
    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Body {
        match self {
            Self::RequestStated { team, feature, account, importance, channel, text, requester, reference } => {
                Body::RequestStated {
                    team: team.into_owned(),
                    feature: feature.into_owned(),
                    account: account.into_owned(),
                    importance,
                    channel: channel.map(Into::into),
                    text: text.map(Into::into),
                    requester: requester.map(Into::into),
                    reference: reference.map(Into::into),
                }
            }
            Self::RequestWithdrawn { team, feature, account } => Body::RequestWithdrawn {
                team: team.into_owned(),
                feature: feature.into_owned(),
                account: account.into_owned(),
            },
            Self::UsageObserved { team, feature, account, operation, count, duration_us, outcome } => {
                Body::UsageObserved {
                    team: team.into_owned(),
                    feature: feature.into_owned(),
                    account: account.into_owned(),
                    operation: operation.into(),
                    count,
                    duration_us,
                    outcome,
                }
            }
            Self::NeedSignaled { team, feature, account, signal, count } => Body::NeedSignaled {
                team: team.into_owned(),
                feature: feature.into_owned(),
                account: account.into_owned(),
                signal: signal.into(),
                count,
            },
            Self::TeamDefined(definition) => Body::TeamDefined(definition.into_owned()),
            Self::FeatureDefined(definition) => Body::FeatureDefined(definition.into_owned()),
            Self::AccountDefined(definition) => Body::AccountDefined(definition.into_owned()),
        }
    }
}

impl<Text: AsRef<str> + Into<Arc<str>>> TeamDefinition<Text> {
    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> TeamDefinition {
        let Self { team, name, segments, parameters } = self;
        let segments = segments.into_iter().map(Into::into).collect();
        TeamDefinition { team: team.into_owned(), name: name.into(), segments, parameters }
    }
}

impl<Text: AsRef<str> + Into<Arc<str>>> FeatureDefinition<Text> {
    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> FeatureDefinition {
        let Self { team, feature, title, status, merged_into, effort_months, door } = self;
        FeatureDefinition {
            team: team.into_owned(),
            feature: feature.into_owned(),
            title: title.into(),
            status,
            merged_into: merged_into.map(FeatureId::into_owned),
            effort_months,
            door,
        }
    }
}

impl<Text: AsRef<str> + Into<Arc<str>>> AccountDefinition<Text> {
    /// The same with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> AccountDefinition {
        let Self { account, tier, segments } = self;
        AccountDefinition {
            account: account.into_owned(),
            tier,
            segments: segments.into_iter().map(Into::into).collect(),
        }
    }
}
