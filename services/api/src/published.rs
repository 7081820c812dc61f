//! One published ranking, checked and made ready to be answered from.

use axum::{body::Bytes, http::HeaderValue};
use domain::{
    ids::{InvalidId, TeamId},
    time::{InvalidTime, Timestamp},
};
use wire::ranking::Ranking;

use crate::page::{self, Page};

/// A snapshot of one team's ranking, with its first page encoded.
#[derive(Clone, Debug)]
pub struct Published {
    team: TeamId,
    as_of: Timestamp,
    snapshot: String,
    ranking: Ranking,
    first_page: Page,
}

/// The ranking cannot be answered from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// The team's name is not an id.
    #[error("the team is {0}")]
    Team(InvalidId),
    /// `as_of` is not a time.
    #[error("as_of is {0}")]
    AsOf(InvalidTime),
    /// The snapshot's name cannot stand in a cursor or a header.
    #[error("the snapshot is not one to 128 of A-Z, a-z, 0-9, '.', '_', ':' and '-'")]
    Snapshot,
    /// It is of a part of the accounts, not of all.
    #[error("the ranking is restricted to a segment")]
    Segment,
    /// It does not encode.
    #[error("the ranking does not encode as JSON")]
    Encode(#[source] serde_json::Error),
}

impl Published {
    /// Checks `ranking` and encodes its first page.
    ///
    /// # Errors
    /// When it cannot be answered from; the error says why.
    pub fn new(ranking: Ranking) -> Result<Self, Unusable> {
        let team = ranking.team.parse().map_err(Unusable::Team)?;
        let as_of = Timestamp::parse_rfc3339(&ranking.as_of).map_err(Unusable::AsOf)?;
        let snapshot = ranking.snapshot.clone().filter(|id| is_snapshot(id)).ok_or(Unusable::Snapshot)?;
        if ranking.segment.is_some() {
            return Err(Unusable::Segment);
        }
        let first_page = page::published(&ranking, &snapshot, 0, page::ITEMS_DEFAULT).map_err(Unusable::Encode)?;
        Ok(Self { team, as_of, snapshot, ranking, first_page })
    }

    /// The ranking itself.
    pub fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    /// The snapshot's id.
    pub fn snapshot(&self) -> &str {
        &self.snapshot
    }

    /// The instant that the ranking is computed for.
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    pub(crate) fn team(&self) -> &TeamId {
        &self.team
    }

    /// Features in both lists: what the pages go through.
    pub(crate) fn features(&self) -> usize {
        self.ranking.items.len() + self.ranking.iterate.len()
    }

    /// Up to `limit` features from the `start`th on; those to choose from come first.
    pub(crate) fn page(&self, start: usize, limit: usize) -> Result<Page, serde_json::Error> {
        let whole = self.features() <= page::ITEMS_DEFAULT && limit >= self.features();
        if start == 0 && (limit == page::ITEMS_DEFAULT || whole) {
            return Ok(self.first_page.clone());
        }
        page::published(&self.ranking, &self.snapshot, start, limit)
    }

    /// The entity tag of what `part` shows of this snapshot. It is weak: it says nothing of `data_through`.
    pub(crate) fn etag(snapshot: &str, part: &str) -> HeaderValue {
        // Both are of characters that a header takes, which `new` and the ids have checked.
        HeaderValue::from_maybe_shared(Bytes::from(format!("W/\"{snapshot}.{part}\"")))
            .unwrap_or_else(|_| HeaderValue::from_static("W/\"\""))
    }
}

fn is_snapshot(snapshot: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    (1..=128).contains(&snapshot.len()) && snapshot.bytes().all(valid)
}
