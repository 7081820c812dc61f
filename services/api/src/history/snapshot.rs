//! Published rankings that are no longer in memory.

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

/// The ids and instants of the first `snapshots_max` snapshots of `since` or later, where `newest` is the newest that this api knows: once a
/// later one is known, it is another question.
#[derive(Debug)]
pub(crate) struct PublishedSince {
    pub(crate) team: TeamId,
    pub(crate) since: Timestamp,
    pub(crate) snapshots_max: usize,
    #[expect(dead_code, reason = "it tells one question from another, by what `Debug` shows")]
    pub(crate) newest: Option<String>,
}

impl Enquiry for PublishedSince {
    /// Instants are Unix microseconds.
    type Answer = Vec<(i64, String)>;
    const NAME: &'static str = "published_since";

    async fn answer(self, turn: &Turn) -> Result<Self::Answer, Error> {
        let found = turn.store.snapshots_since(&self.team, self.since, self.snapshots_max).await;
        let found = found.map_err(|error| Error::history(&error))?;
        Ok(found.into_iter().map(|(as_of, snapshot)| (as_of.0, snapshot)).collect())
    }
}
