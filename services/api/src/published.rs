//! One published ranking, checked and made ready to be answered from.

use axum::{body::Bytes, http::HeaderValue};
use domain::{
    ids::{InvalidId, TeamId},
    limits::TIME_MIN,
    time::{InvalidTime, Timestamp},
};
use wire::ranking::Ranking;

use crate::{
    page::{self, Page},
    stream::event::Event,
};

/// A snapshot of one team's ranking, with its first page encoded.
#[derive(Clone, Debug)]
pub struct Published {
    team: TeamId,
    as_of: Timestamp,
    snapshot: String,
    ranking: Ranking,
    first_page: Page,
    event: Event,
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
        let event = Event::published(&snapshot, &first_page.body);
        // Of the same memory as the event: both are kept for as long as the snapshot.
        let first_page = Page { body: event.data(), ..first_page };
        Ok(Self { team, as_of, snapshot, ranking, first_page, event })
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

    /// The event that tells of it, with its first page.
    pub(crate) fn event(&self) -> &Event {
        &self.event
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

/// Whether this can be the id of a snapshot.
pub(crate) fn is_snapshot(snapshot: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    (1..=128).contains(&snapshot.len()) && snapshot.bytes().all(valid)
}

/// The instant that a snapshot's id begins with: `20261121T184500Z-1f2e3d4c5b6a` is of 2026-11-21T18:45:00Z. None of an id that
/// no snapshot can have: there were no events then, or ClickHouse knows no such time.
pub(crate) fn instant(snapshot: &str) -> Option<Timestamp> {
    let (instant, _) = snapshot.split_once('-')?;
    let (date, time) = instant.split_once('T')?;
    if !(date.is_ascii() && time.is_ascii() && date.len() == 8 && time.len() >= 7) {
        return None;
    }
    let rfc3339 =
        format!("{}-{}-{}T{}:{}:{}", &date[..4], &date[4..6], &date[6..], &time[..2], &time[2..4], &time[4..]);
    Timestamp::parse_rfc3339(&rfc3339).ok().filter(|as_of| (TIME_MIN..SNAPSHOTS_END).contains(as_of))
}

/// No snapshot is of 2200 or later.
const SNAPSHOTS_END: Timestamp = Timestamp(7_258_118_400_000_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_s_id_says_of_which_instant_it_is() {
        let read = |id| instant(id).map(Timestamp::to_rfc3339);
        assert_eq!(read("20261121T184500Z-1f2e3d4c5b6a").as_deref(), Some("2026-11-21T18:45:00Z"));
        for none in ["19991231T235959Z-1", "22000101T000000Z-1", "00010101T000000Z-1"] {
            assert_eq!(read(none), None, "{none}");
        }
        for none in ["", "s1", "20261121T184500Z", "2026-11-21T18:45:00Z-1", "20261121T18é00Z-1", "99999999T999999Z-1"]
        {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
