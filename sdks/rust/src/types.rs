//! The data of each event type. Optional fields that are absent are not written.
//!
//! Ids of teams, features and accounts match `[a-z0-9][a-z0-9._-]{0,63}`. An account is a customer as it contracts, never a person.

use serde::Serialize;

/// An account asks for a feature. Its latest statement about the feature counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestStated {
    /// Team that would build it.
    pub team: String,
    /// Feature asked for.
    pub feature: String,
    /// Account that asks.
    pub account: String,
    /// How much it matters to the account.
    pub importance: Importance,
    /// Where it was said, such as `support` or `github`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// What was said. Personal data: it is kept apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Who said it. Personal data: it is kept apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// Where to read it, such as a URL or a ticket number.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl RequestStated {
    /// A request with nothing optional.
    pub fn new(
        team: impl Into<String>,
        feature: impl Into<String>,
        account: impl Into<String>,
        importance: Importance,
    ) -> Self {
        Self {
            team: team.into(),
            feature: feature.into(),
            account: account.into(),
            importance,
            channel: None,
            text: None,
            requester: None,
            reference: None,
        }
    }
}

/// An account no longer asks for a feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestWithdrawn {
    /// Team asked.
    pub team: String,
    /// Feature no longer asked for.
    pub feature: String,
    /// Account that asked.
    pub account: String,
}

/// An account used a feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UsageObserved {
    /// Team that owns the feature.
    pub team: String,
    /// Feature used.
    pub feature: String,
    /// Account that used it.
    pub account: String,
    /// What it did, such as `query`.
    pub operation: String,
    /// How often; at least 1.
    pub count: u64,
    /// How long it took, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// Usage that shows the pain of a missing feature, such as a full scan filtered on a column without an index.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NeedSignaled {
    /// Team that would build the feature.
    pub team: String,
    /// Feature that would end the pain.
    pub feature: String,
    /// Account that has it.
    pub account: String,
    /// What was seen, such as `filtered_full_scan`.
    pub signal: String,
    /// How often; at least 1.
    pub count: u64,
}

/// A team, whole: what is left out takes its default.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TeamDefined {
    /// Id.
    pub team: String,
    /// Name to show.
    pub name: String,
    /// The segments it serves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<String>,
    /// How its score is computed, where that differs from the defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<TeamParameters>,
}

/// Parameters of a team's score; what is left out takes its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TeamParameters {
    /// An account is active if it has an event in the last so many days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity_window_days: Option<f64>,
    /// After so many days a request counts half.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_life_days: Option<f64>,
    /// Need signals count for so many days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need_window_days: Option<f64>,
    /// So many signals in the window make an account needy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need_min_count: Option<u64>,
    /// Weight of stated demand in the score; with `need_weight` it adds up to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demand_weight: Option<f64>,
    /// Weight of revealed need in the score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need_weight: Option<f64>,
}

/// A feature, whole: what is left out takes its default.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeatureDefined {
    /// Team that owns it.
    pub team: String,
    /// Id, within the team.
    pub feature: String,
    /// Title to show.
    pub title: String,
    /// How far it is.
    pub status: Status,
    /// The feature of the same team that this one is a duplicate of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    /// Estimated effort, in months of one engineer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort_months: Option<f64>,
    /// Whether it could be taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
}

impl FeatureDefined {
    /// A feature with nothing optional.
    pub fn new(team: impl Into<String>, feature: impl Into<String>, title: impl Into<String>, status: Status) -> Self {
        Self {
            team: team.into(),
            feature: feature.into(),
            title: title.into(),
            status,
            merged_into: None,
            effort_months: None,
            door: None,
        }
    }
}

/// An account, whole: what is left out takes its default.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccountDefined {
    /// Id.
    pub account: String,
    /// Its weight in the shares.
    pub tier: Tier,
    /// The segments it belongs to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<String>,
}

/// How much a request matters to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// Counts a third.
    NiceToHave,
    /// Counts two thirds.
    Important,
    /// Counts in full.
    Critical,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It worked.
    Ok,
    /// It failed.
    Error,
    /// It was not allowed.
    Denied,
}

/// How far a feature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// An idea.
    Proposed,
    /// Decided.
    Planned,
    /// In the making.
    Building,
    /// Live.
    Launched,
    /// Gone.
    Retired,
}

/// Whether a decision can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// It cannot.
    OneWay,
    /// It can.
    TwoWay,
}

/// An account's tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Weight 1.
    Standard,
    /// Weight 2.
    Growth,
    /// Weight 3.
    Enterprise,
}
