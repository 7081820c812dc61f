//! One published ranking, checked and made ready to be answered from.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use domain::{
    ids::{InvalidId, TeamId},
    limits::TIME_MIN,
    time::{InvalidTime, Timestamp},
};
use wire::ranking::Ranking;

use crate::{
    answer::{Answer, format::Format},
    page,
    stream::event::Event,
};

/// So many pages and forms of one snapshot are kept encoded, beside its first page.
const PAGES_KEPT_MAX: usize = 4;

/// A snapshot of one team's ranking, with its first page encoded.
#[derive(Debug)]
pub struct Published {
    team: TeamId,
    as_of: Timestamp,
    snapshot: String,
    ranking: Ranking,
    first_page: Answer,
    event: Event,
    /// Others that were asked for, the latest last.
    pages: Mutex<Vec<(Part, Answer)>>,
}

/// Which features, and in which form.
type Part = ((usize, usize), Format);

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
    Encode(#[source] io::Error),
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
        let first = page::bounds(page::features(&ranking), 0, page::ITEMS_DEFAULT);
        let first_page = page::published(&ranking, &snapshot, first, Format::Json).map_err(Unusable::Encode)?;
        let event = Event::published(&snapshot, &first_page.body);
        // Of the same memory as the event: both are kept for as long as the snapshot.
        let first_page = Answer { body: event.data(), ..first_page };
        Ok(Self { team, as_of, snapshot, ranking, first_page, event, pages: Mutex::default() })
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

    /// Up to `limit` features from the `start`th on; those to choose from come first. It is encoded once for many who ask.
    pub(crate) fn page(&self, start: usize, limit: usize, format: Format) -> io::Result<Answer> {
        let features = page::features(&self.ranking);
        let part = (page::bounds(features, start, limit), format);
        if part == (page::bounds(features, 0, page::ITEMS_DEFAULT), Format::Json) {
            return Ok(self.first_page.clone());
        }
        // Nothing panics with the lock held.
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kept)) = pages.iter().find(|(of, _)| *of == part) {
            return Ok(kept.clone());
        }
        let page = page::published(&self.ranking, &self.snapshot, part.0, format)?;
        if pages.len() >= PAGES_KEPT_MAX {
            pages.remove(0);
        }
        pages.push((part, page.clone()));
        Ok(page)
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
