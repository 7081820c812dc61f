//! What a diff is computed from: one team's facts at two instants, so that each switch can stand at either.
//!
//! Unlike [`Facts`](crate::facts::Facts), nothing here is cut off at a launch: a launched feature is not listed, and what
//! is listed is not launched, so no statement or signal before a launch counts for a score that a diff tells of. For the
//! same reason the scores under [`iterate`](crate::ranking::Ranking::iterate) have no diff.

use crate::{
    assumptions::Assumptions,
    catalog::{Catalog, Importance, Tier},
    diff::Ends,
    ids::FeatureId,
    time::Timestamp,
};

/// One team at two instants, for all its accounts or for those of one segment.
///
/// Accounts and features are named by their places in the two lists, from 0. What names a place beyond the end of a list
/// is passed over.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The two instants and what held for the whole team.
    pub team: Ends<TeamAt>,
    /// Every account that is active at an end or has a statement or need signal below, in ascending id. Their order is
    /// the order of the sums.
    pub accounts: Vec<AccountAt>,
    /// Every feature, before merges, with a statement or need signal up to the later instant, in any order.
    pub features: Vec<FeatureAt>,
    /// The latest statements of an account about a feature, before merges: one entry for each pair with any statement up
    /// to the later instant. In any order; fastest in the order of the accounts.
    pub statements: Vec<StatementAt>,
    /// The need signals of an account for a feature, before merges: one entry for each pair with any signal in any of the
    /// windows. In any order; fastest in the order of the accounts.
    pub needs: Vec<NeedAt>,
}

/// What held for the whole team at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct TeamAt {
    /// The instant T.
    pub as_of: Timestamp,
    /// The team's catalog at T.
    pub catalog: Catalog,
    /// What a ranking at T assumes: the parameters that the catalog gives, unless a what-if has others.
    pub assumptions: Assumptions,
}

/// An account at both ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountAt {
    /// Its tier; standard where nobody had defined it.
    pub tier: Ends<Tier>,
    /// Whether it is active, and in the segment if one is asked about. The outer end is that of T, the inner one that of
    /// the activity window's length: `active.from.to` is whether it had any event of the team (a statement, usage or a
    /// need signal) in (T - window, T], with T of `from` and the window of `to`. It is in the segment if it was at T.
    pub active: Ends<Ends<bool>>,
}

/// A feature at both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureAt {
    /// The feature.
    pub feature: FeatureId,
    /// Whether any statement or need signal names it up to T, by any account, in the segment or not.
    pub known: Ends<bool>,
}

/// What an account last said about a feature, at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementAt {
    /// The account's place.
    pub account: u32,
    /// The feature's place.
    pub feature: u32,
    /// The latest statement up to T; none if there was none yet.
    pub said: Ends<Option<Said>>,
}

/// A statement, as far as it counts. Of two, the greater wins; what else may tell them apart (`source` and `id`) makes no
/// difference to a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// When.
    pub time: Timestamp,
    /// How much it matters; none if it was withdrawn.
    pub importance: Option<Importance>,
}

/// How often an account showed its need of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeedAt {
    /// The account's place.
    pub account: u32,
    /// The feature's place.
    pub feature: u32,
    /// The sum of the counts in (T - window, T]. The outer end is that of T, the inner one that of the need window's
    /// length.
    pub count: Ends<Ends<u64>>,
}
