//! What became of a launch.

use domain::ids::{FeatureId, TeamId};
use wire::{Scope, outcome::Outcome};

use super::{Enquiry, Moment, Turn};
use crate::{error::Error, withheld::Told};

/// What became of a feature's launch, as far as it was known at a moment.
#[derive(Debug)]
pub(crate) struct OutcomeOf {
    pub(crate) team: TeamId,
    pub(crate) feature: FeatureId,
    pub(crate) moment: Moment,
    pub(crate) told: Told,
}

impl Enquiry for OutcomeOf {
    type Answer = Outcome;
    const NAME: &'static str = "outcome";

    async fn answer(self, turn: &Turn) -> Result<Self::Answer, Error> {
        let Self { team, feature, moment, told } = self;
        let found = turn.store.outcome(&team, &feature, moment.computed(), moment.data_through).await;
        let (found, foresight) = found
            .map_err(|error| Error::history(&error))?
            .ok_or_else(|| Error::NotLaunched { team: team.to_string(), feature: feature.to_string() })?;
        let scope = Scope { team: &team, segment: None, as_of: moment.as_of, data_through: moment.data_through };
        Ok(Outcome::computed(&scope, &found, &foresight, told.accounts_min()))
    }
}
