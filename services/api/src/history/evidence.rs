//! What is behind one feature's place.

use std::{fmt, sync::Arc};

use domain::{
    assumptions::Assumptions,
    ids::{FeatureId, TeamId},
};
use wire::{
    evidence::{Evidence, Listed, Said},
    ranking::{Item, Ranking},
};

use super::{Enquiry, Moment, Turn};
use crate::{
    error::Error,
    parameters::ranking::Question,
    published::Published,
    shown,
    withheld::{ACCOUNTS_SHOWN_MIN, Told},
};

/// So many of the latest requests are shown.
const REQUESTS_MAX: u32 = 20;

/// The evidence for a feature of a team.
#[derive(Debug)]
pub(crate) struct EvidenceOf {
    pub(crate) team: TeamId,
    pub(crate) feature: FeatureId,
    pub(crate) of: Of,
    pub(crate) moment: Moment,
    /// An account is worse off if its own p99 is above so many microseconds.
    pub(crate) bound_us: u64,
    pub(crate) told: Told,
}

/// Of which ranking the feature's place is shown.
pub(crate) enum Of {
    /// Of one that was published.
    Published(Arc<Published>),
    /// Of the one that is computed for the moment.
    Computed,
}

impl fmt::Debug for Of {
    /// A published ranking is told from others by its id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published(published) => write!(f, "Published({:?})", published.snapshot()),
            Self::Computed => f.write_str("Computed"),
        }
    }
}

impl Enquiry for EvidenceOf {
    type Answer = Evidence;
    const NAME: &'static str = "evidence";

    async fn answer(self, turn: &Turn) -> Result<Self::Answer, Error> {
        let Self { team, feature, of, moment, bound_us, told } = self;
        let at = moment.computed();
        let computed;
        let ranking = match &of {
            Of::Published(published) => published.ranking(),
            Of::Computed => {
                computed = turn.ranking(&team, moment, &Question::default(), Told::OfMany).await?;
                &computed
            }
        };
        let away = |error| Error::history(&error);
        let catalog = turn.store.catalog(&team, at).await.map_err(away)?;
        let assumptions = Assumptions::of(catalog.parameters());
        let (found, experience, latest) = tokio::try_join!(
            turn.store.evidence(&team, &feature, at, &catalog, &assumptions),
            turn.store.experience(&team, &feature, at, &catalog, &assumptions.parameters, bound_us),
            turn.store.latest_requests(&team, &feature, at, &catalog, REQUESTS_MAX, ::store::Texts::Left),
        )
        .map_err(away)?;
        if !found.known {
            return Err(Error::UnknownFeature { team: team.to_string(), feature: feature.to_string() });
        }
        let window_days = assumptions.parameters.activity_window_days;
        let within = match shown::may_lie_within(&found, told) {
            true => turn.store.segments_within(&team, at, window_days, ACCOUNTS_SHOWN_MIN).await.map_err(away)?,
            false => Vec::new(),
        };
        let place = place(ranking, &found.feature);
        Ok(Evidence {
            team: team.to_string(),
            feature: found.feature.to_string(),
            merged: found.merged.iter().map(ToString::to_string).collect(),
            as_of: ranking.as_of.clone(),
            data_through: ranking.data_through.clone(),
            formula: ranking.formula.clone(),
            snapshot: ranking.snapshot.clone(),
            confidence: ranking.confidence,
            parameters: ranking.parameters.clone(),
            population: ranking.population.clone(),
            listed: place.map(|(listed, _)| listed),
            item: place.map(|(_, item)| item.clone()),
            segments: shown::segments(&found, &within, told),
            tiers: shown::tiers(&found, told),
            signals: shown::signals(&found.signals, told),
            experience: shown::experience(&experience, told),
            latest_requests: latest.iter().map(shown::said).collect(),
        })
    }
}

impl Turn {
    /// What was last said about a feature, with whose it was and in which words. They are personal data: whoever asks for them is
    /// told at once, and nothing of it is kept or shared.
    pub(crate) async fn written(&self, team: &TeamId, feature: &FeatureId, moment: Moment) -> Result<Vec<Said>, Error> {
        let (at, away) = (moment.computed(), |error| Error::history(&error));
        let catalog = self.store.catalog(team, at).await.map_err(away)?;
        let texts = ::store::Texts::Read;
        let latest =
            self.store.latest_requests(team, feature, at, &catalog, REQUESTS_MAX, texts).await.map_err(away)?;
        Ok(latest.iter().map(shown::written).collect())
    }
}

/// Where the ranking has the feature.
fn place<'a>(ranking: &'a Ranking, feature: &FeatureId) -> Option<(Listed, &'a Item)> {
    let find = |list: &'a [Item]| list.iter().find(|item| item.feature == feature.as_str());
    let item = find(&ranking.items).map(|item| (Listed::Items, item));
    item.or_else(|| find(&ranking.iterate).map(|item| (Listed::Iterate, item)))
}
