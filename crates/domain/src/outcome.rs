//! What became of a launch: did those who asked for the feature, or showed need of it, then use it?
//!
//! How the question is read where it leaves a choice. It is asked at an instant T, and as always the catalog (merges,
//! parameters) is taken as it stood at T; only the ranking before the launch is one of its own time.
//!
//! - *Asked*: the account's latest statement up to the launch, the launch's own instant included, stands.
//! - *Showed need*: the account's need signals up to the launch add up to at least `need_min_count`. Whenever they came: the
//!   work on a feature can take longer than the need window, and the need that it was built for would be out of it.
//! - *Active*: in the activity window that ends at the launch. Who asked or showed need is counted even if not active, but
//!   those who did neither are known only as the active ones. So that like can be compared with like, the active ones among
//!   those who asked or showed need are counted apart too.
//! - *Used*: usage of the feature (events of merged features are its own) after the launch. Use before it, of a preview, is
//!   none.
//! - Every account counts once, whatever its tier: this is about customers, not about their weight.

use crate::{
    ids::FeatureId,
    launch::{Before, Launch},
    share::Share,
    time::{MICROS_PER_DAY, Timestamp},
};

/// The days after a launch within which use is counted.
pub const HORIZONS_DAYS: [i64; 2] = [14, 28];

/// So many accounts that are alike in all that an outcome asks. Groups that are alike in everything add up, so each
/// account may be a group of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Active at the launch.
    pub active: bool,
    /// Its statement stood at the launch.
    pub asked: bool,
    /// It had shown need at the launch.
    pub needed: bool,
    /// For each of [`HORIZONS_DAYS`]: used the feature in (launch, launch + so many days], up to T.
    ///
    /// A row of a day's first and last use decides it: `last > launch && first <= end`, unless the launch and the end lie
    /// on the same day; then the raw rows do.
    pub used: [bool; 2],
    /// How many accounts.
    pub accounts: u64,
}

/// What became of a launch.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The feature.
    pub feature: FeatureId,
    /// Its title.
    pub title: String,
    /// When it was launched.
    pub launched_at: Timestamp,
    /// The instant of the ranking in `before`.
    pub decided_on: Timestamp,
    /// Where the ranking had the feature before the team set to work.
    pub before: Before,
    /// The 14 and the 28 days.
    pub horizons: [Horizon; 2],
    /// Those who asked.
    pub asked: Cohort,
    /// Those who showed need.
    pub needed: Cohort,
    /// Those who did either.
    pub asked_or_needed: Cohort,
    /// Those who did either and were active at the launch: to be compared with `neither`.
    pub asked_or_needed_active: Cohort,
    /// Active accounts that did neither.
    pub neither: Cohort,
    /// All active accounts.
    pub active: Cohort,
}

/// A time after a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// How long it is, in days.
    pub days: i64,
    /// When it is over.
    pub ends_at: Timestamp,
    /// Whether everything up to its end has been seen. Otherwise the numbers are those observed so far, and can grow.
    pub over: bool,
}

/// Some accounts and how many of them used the feature, within each of [`HORIZONS_DAYS`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cohort {
    /// How many accounts.
    pub accounts: u64,
    /// Those that used the feature.
    pub used: [Share; 2],
}

/// What became of this launch, seen through `seen_through`: the instant asked about, or the watermark if that is earlier.
#[must_use]
pub fn outcome(launch: &Launch, before: Before, groups: &[Group], seen_through: Timestamp) -> Outcome {
    let cohort = |belongs: fn(&Group) -> bool| {
        let members = || groups.iter().filter(|group| belongs(group));
        let accounts = members().map(|group| group.accounts).sum();
        let used = [0, 1].map(|horizon: usize| {
            Share::new(members().filter(|group| group.used[horizon]).map(|group| group.accounts).sum(), accounts)
        });
        Cohort { accounts, used }
    };
    Outcome {
        feature: launch.feature.clone(),
        title: launch.title.clone(),
        launched_at: launch.launched_at,
        decided_on: launch.decided_on(),
        before,
        horizons: horizons(launch.launched_at).map(|(days, ends_at)| Horizon {
            days,
            ends_at,
            over: ends_at <= seen_through,
        }),
        asked: cohort(|group| group.asked),
        needed: cohort(|group| group.needed),
        asked_or_needed: cohort(|group| group.asked || group.needed),
        asked_or_needed_active: cohort(|group| group.active && (group.asked || group.needed)),
        neither: cohort(|group| group.active && !group.asked && !group.needed),
        active: cohort(|group| group.active),
    }
}

/// The lengths in days of the times after a launch, and when they are over.
#[must_use]
pub fn horizons(launched_at: Timestamp) -> [(i64, Timestamp); 2] {
    HORIZONS_DAYS.map(|days| (days, launched_at.plus_micros(days * MICROS_PER_DAY)))
}
