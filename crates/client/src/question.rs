//! What can be asked, and what the answer is.

use std::marker::PhantomData;

use domain::ids::{FeatureId, TeamId};
use wire::{
    diff::Diff, evidence::Evidence, history::History, outcome::Outcome, portfolio::Portfolio, ranking::Ranking,
    teams::Teams,
};

/// A question whose answer is a `T`.
#[derive(Debug)]
pub struct Question<T> {
    /// Of the path, each without its slashes.
    segments: Vec<String>,
    parameters: Vec<(&'static str, String)>,
    what: String,
    answer: PhantomData<fn() -> T>,
}

impl Question<Teams> {
    /// The teams that have a ranking, a page of them.
    #[must_use]
    pub fn teams() -> Self {
        Self::new(&["teams"], "list of teams".to_owned())
    }
}

impl Question<Ranking> {
    /// A team's ranking, or a page of it.
    #[must_use]
    pub fn ranking(team: &TeamId) -> Self {
        Self::new(&["teams", team.as_str(), "rankings"], format!("ranking of team `{team}`"))
    }

    /// A team's ranking as it was published, or a page of it.
    #[must_use]
    pub fn snapshot(team: &TeamId, snapshot: &str) -> Self {
        let what = format!("ranking {snapshot:?} of team `{team}`");
        Self::new(&["teams", team.as_str(), "rankings", snapshot], what)
    }
}

impl Question<Diff> {
    /// Why a team's ranking is another than it was at `from`, an RFC 3339 time.
    #[must_use]
    pub fn diff(team: &TeamId, from: &str) -> Self {
        Self::new(&["teams", team.as_str(), "rankings", "diff"], format!("diff of team `{team}`"))
            .with("from", Some(from))
    }
}

impl Question<Evidence> {
    /// What is behind a feature's place.
    #[must_use]
    pub fn evidence(team: &TeamId, feature: &FeatureId) -> Self {
        Self::of_feature(team, feature, &[], "evidence")
    }
}

impl Question<History> {
    /// Where published rankings had a feature.
    #[must_use]
    pub fn history(team: &TeamId, feature: &FeatureId) -> Self {
        Self::of_feature(team, feature, &["history"], "history")
    }
}

impl Question<Outcome> {
    /// What became of a feature's launch.
    #[must_use]
    pub fn outcome(team: &TeamId, feature: &FeatureId) -> Self {
        Self::of_feature(team, feature, &["outcome"], "outcome")
    }
}

impl Question<Portfolio> {
    /// All teams side by side.
    #[must_use]
    pub fn portfolio() -> Self {
        Self::new(&["portfolio"], "portfolio".to_owned())
    }
}

impl<T> Question<T> {
    fn new(segments: &[&str], what: String) -> Self {
        let segments = ["v1"].iter().chain(segments).map(|segment| (*segment).to_owned()).collect();
        Self { segments, parameters: Vec::new(), what, answer: PhantomData }
    }

    fn of_feature(team: &TeamId, feature: &FeatureId, part: &[&str], what: &str) -> Self {
        let segments = [&["teams", team.as_str(), "features", feature.as_str()], part].concat();
        Self::new(&segments, format!("{what} of `{feature}` of team `{team}`"))
    }

    /// With the parameter as the API's document names it, if there is a value. The API refuses those it does not know.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.parameters.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// The same, from this page on.
    pub(crate) fn at_page(mut self, cursor: String) -> Self {
        self.parameters.retain(|(name, _)| *name != "cursor");
        self.parameters.push(("cursor", cursor));
        self
    }

    /// The segments of the path, not yet encoded.
    pub(crate) fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The parameters that are given.
    #[must_use]
    pub fn parameters(&self) -> &[(&'static str, String)] {
        &self.parameters
    }

    /// What it asks for, in words, such as "ranking of team `storage`".
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
}

// By hand: the derived one would ask the same of the answer.
impl<T> Clone for Question<T> {
    fn clone(&self) -> Self {
        Self {
            segments: self.segments.clone(),
            parameters: self.parameters.clone(),
            what: self.what.clone(),
            answer: PhantomData,
        }
    }
}
