//! An event: who says when that what happened.

use serde::Serialize;

use crate::{
    record::{CATALOG_TOPIC, REQUESTS_TOPIC, USAGE_TOPIC},
    time::EventTime,
    types::{
        AccountDefined, FeatureDefined, NeedSignaled, RequestStated, RequestWithdrawn, TeamDefined, UsageObserved,
    },
};

/// An event to send. The pair (`source`, `id`) identifies it: a repeat changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Id, unique within the source; `None` for a new UUIDv7.
    pub id: Option<String>,
    /// Who observed it: a URI reference, such as `crm` or `/billing/eu`.
    pub source: String,
    /// When it happened.
    pub time: EventTime,
    /// What happened.
    pub data: Data,
}

impl Event {
    /// An event with an id of its own.
    pub fn new(source: impl Into<String>, time: impl Into<EventTime>, data: impl Into<Data>) -> Self {
        Self { id: None, source: source.into(), time: time.into(), data: data.into() }
    }

    /// The event with the given id, so that sending it again changes nothing.
    pub fn with_id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Data {
    /// An account asks for a feature.
    RequestStated(RequestStated),
    /// An account no longer asks for a feature.
    RequestWithdrawn(RequestWithdrawn),
    /// An account used a feature.
    UsageObserved(UsageObserved),
    /// Usage shows the pain of a missing feature.
    NeedSignaled(NeedSignaled),
    /// A team, whole.
    TeamDefined(TeamDefined),
    /// A feature, whole.
    FeatureDefined(FeatureDefined),
    /// An account, whole.
    AccountDefined(AccountDefined),
}

impl Data {
    /// The CloudEvents type.
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::RequestStated(_) => "io.flywheel.request.stated.v1",
            Self::RequestWithdrawn(_) => "io.flywheel.request.withdrawn.v1",
            Self::UsageObserved(_) => "io.flywheel.usage.observed.v1",
            Self::NeedSignaled(_) => "io.flywheel.need.signaled.v1",
            Self::TeamDefined(_) => "io.flywheel.team.defined.v1",
            Self::FeatureDefined(_) => "io.flywheel.feature.defined.v1",
            Self::AccountDefined(_) => "io.flywheel.account.defined.v1",
        }
    }

    /// The topic it is sent to.
    pub fn topic(&self) -> &'static str {
        match self {
            Self::RequestStated(_) | Self::RequestWithdrawn(_) => REQUESTS_TOPIC,
            Self::UsageObserved(_) | Self::NeedSignaled(_) => USAGE_TOPIC,
            Self::TeamDefined(_) | Self::FeatureDefined(_) | Self::AccountDefined(_) => CATALOG_TOPIC,
        }
    }

    /// The record key: events of one account, or about one thing of the catalog, stay in order.
    pub fn key(&self) -> String {
        match self {
            Self::RequestStated(data) => data.account.clone(),
            Self::RequestWithdrawn(data) => data.account.clone(),
            Self::UsageObserved(data) => data.account.clone(),
            Self::NeedSignaled(data) => data.account.clone(),
            Self::TeamDefined(data) => format!("team:{}", data.team),
            Self::FeatureDefined(data) => format!("feature:{}/{}", data.team, data.feature),
            Self::AccountDefined(data) => format!("account:{}", data.account),
        }
    }
}

impl From<RequestStated> for Data {
    fn from(data: RequestStated) -> Self {
        Self::RequestStated(data)
    }
}

impl From<RequestWithdrawn> for Data {
    fn from(data: RequestWithdrawn) -> Self {
        Self::RequestWithdrawn(data)
    }
}

impl From<UsageObserved> for Data {
    fn from(data: UsageObserved) -> Self {
        Self::UsageObserved(data)
    }
}

impl From<NeedSignaled> for Data {
    fn from(data: NeedSignaled) -> Self {
        Self::NeedSignaled(data)
    }
}

impl From<TeamDefined> for Data {
    fn from(data: TeamDefined) -> Self {
        Self::TeamDefined(data)
    }
}

impl From<FeatureDefined> for Data {
    fn from(data: FeatureDefined) -> Self {
        Self::FeatureDefined(data)
    }
}

impl From<AccountDefined> for Data {
    fn from(data: AccountDefined) -> Self {
        Self::AccountDefined(data)
    }
}
