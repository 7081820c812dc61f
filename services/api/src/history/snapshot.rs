//! A published ranking that is no longer in memory.

use domain::{ids::TeamId, time::Timestamp};
use wire::ranking::Ranking;

use super::{Enquiry, Turn};
use crate::error::Error;

/// The snapshot with this id, which is of the instant `as_of`. It never changes.
#[derive(Debug)]
pub(crate) struct SnapshotOf {
    pub(crate) team: TeamId,
    pub(crate) as_of: Timestamp,
    pub(crate) snapshot: String,
}

impl Enquiry for SnapshotOf {
    type Answer = Ranking;
    const NAME: &'static str = "snapshot";

    async fn answer(self, turn: &Turn) -> Result<Self::Answer, Error> {
        let found = turn.store.snapshot(&self.team, self.as_of, &self.snapshot).await;
        let document = found
            .map_err(|error| Error::history(&error))?
            .ok_or_else(|| Error::UnknownSnapshot { team: self.team.to_string(), snapshot: self.snapshot })?;
        serde_json::from_str(&document).map_err(Error::internal)
    }
}
