//! What became of a launch.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Scope, share::Share};

/// What became of a launch: did those who asked for the feature, or showed need of it, then use it?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// The team.
    pub team: String,
    /// The feature's id.
    pub feature: String,
    /// The feature's title; its id where the catalog gives none.
    pub title: String,
    /// The instant T that the answer is of.
    pub as_of: String,
    /// Every event with a time up to this instant is in the numbers.
    pub data_through: String,
    /// When the feature was launched.
    pub launched_at: String,
    /// The last instant before the team set to work: what was known then is what the decision could be made on.
    pub decided_on: String,
    /// Where the ranking of that instant had the feature.
    pub before: Before,
    /// The times after the launch within which use is counted.
    pub horizons: Vec<Horizon>,
    /// Accounts whose latest statement stood at the launch.
    pub asked: Cohort,
    /// Accounts that had shown need at the launch.
    pub needed: Cohort,
    /// Accounts that did either.
    pub asked_or_needed: Cohort,
    /// Accounts that did either and were active at the launch: to be compared with `neither`.
    pub asked_or_needed_active: Cohort,
    /// Active accounts that did neither.
    pub neither: Cohort,
    /// All active accounts.
    pub active: Cohort,
    /// How well the team's rankings foretold what would be used of all that it launched.
    pub foresight: Foresight,
}

/// Where a ranking had a feature before its launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Before {
    /// Whether and why it was listed.
    pub state: BeforeState,
    /// Its place; `null` if it was not listed, as are the others.
    pub rank: Option<u32>,
    /// The best place that it may truly have had.
    pub rank_low: Option<u32>,
    /// The worst.
    pub rank_high: Option<u32>,
    /// How many features were listed.
    pub listed: Option<u32>,
    /// Its score, 0 to 100.
    pub score: Option<f64>,
}

/// Whether a ranking listed a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BeforeState {
    /// It did.
    Listed,
    /// Nobody had defined it, asked for it or shown need of it.
    UnheardOf,
    /// The catalog had it merged, launched or retired.
    NotOnOffer,
}

/// A time after a launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Horizon {
    /// How long it is, in days.
    pub days: i64,
    /// When it is over.
    pub ends_at: String,
    /// Whether everything up to its end has been seen; otherwise the numbers can grow.
    pub over: bool,
}

/// Some accounts, and how many of them used the feature. Without the scope `evidence:read` there are no numbers of fewer than 5
/// accounts, nor of more where they would tell those of a few others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Cohort {
    /// How many accounts; `null` if they are too few to show.
    pub accounts: Option<u64>,
    /// Those that used the feature within each of the horizons; `null` if they are too few to show.
    pub used: Option<Vec<Share>>,
}

/// How well rankings foretold what would be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Foresight {
    /// Launches that could be judged, the newest 500 at most.
    pub launches: u64,
    /// Their pairs, without those that were used by the same share of accounts.
    pub pairs: u64,
    /// The pairs that the scores before had in the right order; one with equal scores counts half.
    pub in_order: f64,
    /// The one divided by the other; `null` with fewer than 5 launches. Chance alone gives a half.
    pub share: Option<f64>,
    /// Of rankings that know nothing, 95 % have a share from here ...
    pub chance_low: Option<f64>,
    /// ... to here.
    pub chance_high: Option<f64>,
}

impl Outcome {
    /// The document of an outcome. Cohorts of fewer than `accounts_shown_min` accounts carry no numbers, nor do those from which
    /// they could be told.
    #[must_use]
    pub fn computed(
        scope: &Scope<'_>,
        outcome: &domain::outcome::Outcome,
        foresight: &domain::foresight::Foresight,
        accounts_shown_min: u64,
    ) -> Self {
        let shown = |cohort: &domain::outcome::Cohort| cohort.accounts >= accounts_shown_min;
        let few = |accounts: u64| (1..accounts_shown_min).contains(&accounts);
        let (either, active) = (outcome.asked_or_needed.accounts, outcome.asked_or_needed_active.accounts);
        // The two add up to the active accounts, so either tells the other; and the one leaves of those who asked or showed need
        // those who were not active.
        let halves = shown(&outcome.asked_or_needed_active) && shown(&outcome.neither) && !few(either - active);
        // What both did, or only one, is told by the two together with those who did either.
        let (asked, needed) = (outcome.asked.accounts, outcome.needed.accounts);
        let parts = [asked, needed, either - asked, either - needed, asked + needed - either];
        let apart = !parts.into_iter().any(few);
        Self {
            team: scope.team.to_string(),
            feature: outcome.feature.to_string(),
            title: outcome.title.clone(),
            as_of: scope.as_of.to_rfc3339(),
            data_through: scope.data_through.to_rfc3339(),
            launched_at: outcome.launched_at.to_rfc3339(),
            decided_on: outcome.decided_on.to_rfc3339(),
            before: Before::computed(&outcome.before),
            horizons: outcome
                .horizons
                .iter()
                .map(|horizon| Horizon {
                    days: horizon.days,
                    ends_at: horizon.ends_at.to_rfc3339(),
                    over: horizon.over,
                })
                .collect(),
            asked: Cohort::computed(&outcome.asked, apart && shown(&outcome.asked)),
            needed: Cohort::computed(&outcome.needed, apart && shown(&outcome.needed)),
            asked_or_needed: Cohort::computed(&outcome.asked_or_needed, shown(&outcome.asked_or_needed)),
            asked_or_needed_active: Cohort::computed(&outcome.asked_or_needed_active, halves),
            neither: Cohort::computed(&outcome.neither, halves),
            active: Cohort::computed(&outcome.active, shown(&outcome.active)),
            foresight: Foresight::computed(foresight),
        }
    }
}

impl Foresight {
    /// As it was computed.
    pub(crate) fn computed(foresight: &domain::foresight::Foresight) -> Self {
        Self {
            launches: foresight.launches,
            pairs: foresight.pairs,
            in_order: foresight.in_order,
            share: foresight.share.map(|share| share.share),
            chance_low: foresight.share.map(|share| share.chance_low),
            chance_high: foresight.share.map(|share| share.chance_high),
        }
    }
}

impl Before {
    fn computed(before: &domain::launch::Before) -> Self {
        use domain::launch::Before as Found;
        let place = if let Found::Listed(place) = before { Some(place) } else { None };
        Self {
            state: match before {
                Found::Listed(_) => BeforeState::Listed,
                Found::UnheardOf => BeforeState::UnheardOf,
                Found::NotOnOffer => BeforeState::NotOnOffer,
            },
            rank: place.map(|place| place.rank),
            rank_low: place.map(|place| place.rank_low),
            rank_high: place.map(|place| place.rank_high),
            listed: place.map(|place| place.listed),
            score: place.map(|place| place.score),
        }
    }
}

impl Cohort {
    fn computed(cohort: &domain::outcome::Cohort, shown: bool) -> Self {
        Self {
            accounts: shown.then_some(cohort.accounts),
            used: shown.then(|| cohort.used.iter().map(Share::computed).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        foresight::foresight,
        ids::{FeatureId, TeamId},
        launch::Launch,
        outcome::{Group, outcome},
        time::Timestamp,
    };

    use super::*;

    /// Which of asked, needed, asked or needed, of these the active, neither and active are shown, of so many accounts that were
    /// active and asked, needed, both or neither, and that were not active and asked.
    fn shown(accounts: [u64; 5]) -> String {
        shown_from(5, accounts)
    }

    fn shown_from(accounts_shown_min: u64, [asked, needed, both, neither, lapsed]: [u64; 5]) -> String {
        let launch = Launch {
            feature: FeatureId::parse("f").unwrap(),
            title: "F".to_owned(),
            launched_at: Timestamp(0),
            building_at: None,
            live: true,
        };
        let group = |accounts, active, asked, needed| Group { active, asked, needed, used: [true; 2], accounts };
        let groups = [
            group(asked, true, true, false),
            group(needed, true, false, true),
            group(both, true, true, true),
            group(neither, true, false, false),
            group(lapsed, false, true, false),
        ];
        let found = outcome(&launch, domain::launch::Before::UnheardOf, &groups, Timestamp(0));
        let team = TeamId::parse("t").unwrap();
        let scope = Scope { team: &team, segment: None, as_of: Timestamp(0), data_through: Timestamp(0) };
        let document = Outcome::computed(&scope, &found, &foresight(&[]), accounts_shown_min);
        [
            ('a', document.asked),
            ('n', document.needed),
            ('e', document.asked_or_needed),
            ('E', document.asked_or_needed_active),
            ('-', document.neither),
            ('A', document.active),
        ]
        .into_iter()
        .filter(|(_, cohort)| cohort.accounts.is_some())
        .map(|(name, _)| name)
        .collect()
    }

    #[test]
    fn a_cohort_is_shown_only_if_neither_it_nor_what_it_leaves_of_another_is_a_few() {
        assert_eq!(shown([10, 10, 10, 10, 10]), "aneE-A");
        assert_eq!(shown([10, 0, 0, 10, 0]), "aeE-A", "nobody is not a few");
        assert_eq!(shown([10, 10, 10, 4, 10]), "aneA", "either half tells the other");
        assert_eq!(shown([10, 10, 10, 10, 4]), "aneA", "those not active are few");
        assert_eq!(shown([10, 10, 4, 10, 0]), "eE-A", "those that did both are few");
        assert_eq!(shown([4, 10, 10, 10, 0]), "eE-A", "those that only asked are few");
        assert_eq!(shown([0, 10, 4, 10, 0]), "eE-A", "those that asked are few");
        assert_eq!(shown([1, 1, 1, 1, 0]), "");
    }

    #[test]
    fn every_cohort_is_shown_to_whom_any_number_of_accounts_is() {
        assert_eq!(shown_from(0, [1, 1, 1, 1, 1]), "aneE-A");
        assert_eq!(shown_from(0, [0; 5]), "aneE-A");
    }
}
