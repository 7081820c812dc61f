//! Why a ranking is another than it was.

use std::collections::BTreeMap;

use domain::{
    diff::{Comparison, Ends, Switch},
    ranking::Ranking,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Scope, computed::FORMULA};

/// Why a team's ranking at one instant is another than at another, feature by feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Diff {
    /// The team.
    pub team: String,
    /// The segment the population is restricted to; `null` for all accounts.
    pub segment: Option<String>,
    /// The instant that the diff starts from.
    pub from: DiffEnd,
    /// The instant that it leads to. It may be the earlier one: then everything has the other sign.
    pub to: DiffEnd,
    /// Name of the formula.
    pub formula: String,
    /// The features that are listed at either end, and those with a part that is not 0 though they are not; by their place at
    /// `to`, those that are not listed there after them.
    pub features: Vec<FeatureDiff>,
}

/// One end of a diff.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiffEnd {
    /// The instant T.
    pub as_of: String,
    /// Every event with a time up to this instant is in the numbers.
    pub data_through: String,
    /// Active accounts.
    pub accounts: u64,
    /// Features listed.
    pub listed: u64,
}

/// Why one feature's score is another than it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FeatureDiff {
    /// The feature's id.
    pub feature: String,
    /// The feature's title; its id where the catalog gives none.
    pub title: String,
    /// Its places; `null` where it is not listed.
    pub rank: Ranks,
    /// Its scores, 0 to 100; 0 where it is not listed.
    pub score: Scores,
    /// The change of the score.
    pub change: f64,
    /// What made the change. In half billionths of a point all numbers are whole, and the parts add up to the change exactly.
    pub parts: Parts,
}

/// A feature's places at both ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Ranks {
    /// At the start.
    pub from: Option<u32>,
    /// At the end.
    pub to: Option<u32>,
}

/// A feature's scores at both ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Scores {
    /// At the start.
    pub from: f64,
    /// At the end.
    pub to: f64,
}

/// A change of score in eight parts, in points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Parts {
    /// The parameters of the formula, the lengths of its windows among them.
    pub parameters: f64,
    /// The feature was launched or retired, or came back from that.
    pub status: f64,
    /// Features were merged or unmerged.
    pub merges: f64,
    /// Which accounts are active, and their tiers.
    pub population: f64,
    /// Requests that are new, or other than they were.
    pub requests_new: f64,
    /// Requests that were withdrawn.
    pub requests_withdrawn: f64,
    /// Requests that grew older.
    pub fading: f64,
    /// Need signals that came or went out of the window.
    pub need: f64,
}

impl Diff {
    /// The document of a diff. `scopes` and `rankings` are those of its two ends.
    #[must_use]
    pub fn computed(
        scopes: &Ends<Scope<'_>>,
        rankings: &Ends<Ranking>,
        comparison: &Comparison,
        diff: &domain::diff::Diff,
    ) -> Self {
        let ranks = Ends::of(|end| {
            let items = &rankings.at(end).items;
            items.iter().map(|item| (item.feature.as_str(), item.rank)).collect::<BTreeMap<_, _>>()
        });
        let title = |feature: &domain::ids::FeatureId| {
            let of = |team: &domain::diff::TeamAt| {
                team.catalog.features.get(feature).map(|state| state.definition.title.to_string())
            };
            of(&comparison.team.to).or_else(|| of(&comparison.team.from)).unwrap_or_else(|| feature.to_string())
        };
        let mut features: Vec<FeatureDiff> = diff
            .features
            .iter()
            .map(|found| {
                let id = found.feature.as_str();
                FeatureDiff {
                    feature: id.to_owned(),
                    title: title(&found.feature),
                    rank: Ranks { from: ranks.from.get(id).copied(), to: ranks.to.get(id).copied() },
                    score: Scores { from: points(found.score.from), to: points(found.score.to) },
                    change: found.change(),
                    parts: Parts::computed(found),
                }
            })
            .collect();
        // The sort is stable: the rest stay by ascending id.
        features.sort_by_key(|feature| (feature.rank.to.unwrap_or(u32::MAX), feature.rank.from.unwrap_or(u32::MAX)));
        let end = |scope: &Scope<'_>, ranking: &Ranking| DiffEnd {
            as_of: scope.as_of.to_rfc3339(),
            data_through: scope.data_through.to_rfc3339(),
            accounts: ranking.population.accounts,
            listed: ranking.items.len() as u64,
        };
        Self {
            team: scopes.to.team.to_string(),
            segment: scopes.to.segment.map(ToOwned::to_owned),
            from: end(&scopes.from, &rankings.from),
            to: end(&scopes.to, &rankings.to),
            formula: FORMULA.to_owned(),
            features,
        }
    }
}

impl Parts {
    /// Every part with its name, in the order of the switches.
    #[must_use]
    pub fn named(&self) -> [(&'static str, f64); 8] {
        let parts = [
            self.parameters,
            self.status,
            self.merges,
            self.population,
            self.requests_new,
            self.requests_withdrawn,
            self.fading,
            self.need,
        ];
        let mut named = Switch::ALL.map(|switch| (switch.as_str(), 0.0));
        for (named, part) in named.iter_mut().zip(parts) {
            named.1 = part;
        }
        named
    }

    fn computed(found: &domain::diff::FeatureDiff) -> Self {
        Self {
            parameters: found.part(Switch::Parameters),
            status: found.part(Switch::Status),
            merges: found.part(Switch::Merges),
            population: found.part(Switch::Population),
            requests_new: found.part(Switch::RequestsNew),
            requests_withdrawn: found.part(Switch::RequestsWithdrawn),
            fading: found.part(Switch::Fading),
            need: found.part(Switch::Need),
        }
    }
}

/// Scores are whole billionths of a point.
fn points(units: i64) -> f64 {
    units as f64 / 1e9
}
