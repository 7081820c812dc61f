//! What the score needs to know about one team at one instant, in compact form.
//!
//! ClickHouse answers with it, or [`crate::history`] folds events into it; [`crate::ranking`] computes from it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::{Catalog, Importance, Tier},
    event::Precedence,
    ids::{AccountId, FeatureId},
    time::Timestamp,
};

/// One team's facts at an instant. Nothing that happened after the instant is in them.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The instant T.
    pub as_of: Timestamp,
    /// The team's catalog at T.
    pub catalog: Catalog,
    /// The accounts with any event of this team up to T. One that is missing here counts as not active, never used,
    /// tier standard, without segments.
    pub accounts: BTreeMap<AccountId, AccountFacts>,
    /// The latest statement of each account about each feature, before merges, in any order. Where
    /// [`Catalog::since`] names an instant, only statements after it.
    pub statements: Vec<Statement>,
    /// The need signals of each account for each feature, before merges, in any order. Where [`Catalog::since`] names
    /// an instant, only signals after it.
    pub needs: Vec<NeedCount>,
    /// Features, before merges, with any need signal up to T.
    pub measured: BTreeSet<FeatureId>,
    /// Features, before merges, asked for or needed up to T: with any statement or need signal. Usage alone does not
    /// make a feature known: what can be used exists already.
    pub known: BTreeSet<FeatureId>,
}

/// An account as a team sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its tier at T; standard if nobody defined it.
    pub tier: Tier,
    /// Its segments at T.
    pub segments: Vec<String>,
    /// Any event of this team by the account (a request, a withdrawal, usage or a need signal) in the activity window
    /// (T - window, T].
    pub active: bool,
    /// Usage or a need signal of this team in the activity window.
    pub used: bool,
    /// Usage or a need signal of this team at any time up to T.
    pub ever_used: bool,
}

/// An account's latest statement about a feature, before merges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Who says it.
    pub account: AccountId,
    /// About what.
    pub feature: FeatureId,
    /// When.
    pub time: Timestamp,
    /// How much it matters; none if it was withdrawn.
    pub importance: Option<Importance>,
    /// The statement's (`source`, `id`): between statements of the same time and importance, the greater wins.
    pub order: (String, String),
    /// How many distinct requests the account stated for the feature.
    pub requests: u64,
}

/// An account's need signals for a feature, before merges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeedCount {
    /// Whose usage shows the need.
    pub account: AccountId,
    /// The feature that it needs.
    pub feature: FeatureId,
    /// The sum of the counts in the need window (T - window, T].
    pub count: u64,
}

impl Statement {
    /// Where this statement stands among those of the account about the same feature.
    #[must_use]
    pub fn precedence(&self) -> Precedence<'_> {
        Precedence {
            time: self.time,
            level: self.importance.map_or(0, Importance::level),
            source: &self.order.0,
            id: &self.order.1,
        }
    }
}

impl AccountFacts {
    /// Whether the account counts in the segment. One without segments counts in [`NO_SEGMENT`].
    #[must_use]
    pub fn in_segment(&self, segment: &str) -> bool {
        if self.segments.is_empty() { segment == NO_SEGMENT } else { self.segments.iter().any(|own| own == segment) }
    }
}

/// The segment of the accounts without any; no definition may use its name.
pub const NO_SEGMENT: &str = "(none)";
