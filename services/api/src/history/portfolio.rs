//! All teams side by side.

use std::collections::BTreeSet;

use domain::ids::TeamId;
use wire::portfolio::Portfolio;

use super::{Enquiry, Moment, Turn};
use crate::error::Error;

/// So many of each team's features are shown; its ranking has the rest.
const FIRST_MAX: usize = 3;

/// All teams at a moment, or those `among` them that the reader may read.
#[derive(Debug)]
pub(crate) struct PortfolioAt {
    pub(crate) moment: Moment,
    pub(crate) among: Option<BTreeSet<TeamId>>,
}

impl Enquiry for PortfolioAt {
    type Answer = Portfolio;
    const NAME: &'static str = "portfolio";

    async fn answer(self, turn: &Turn) -> Result<Self::Answer, Error> {
        let Moment { as_of, data_through } = self.moment;
        let found = turn.store.portfolio(self.among.as_ref(), self.moment.computed(), data_through, FIRST_MAX).await;
        Ok(Portfolio::computed(as_of, data_through, &found.map_err(|error| Error::history(&error))?))
    }
}
