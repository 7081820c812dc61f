//! Where a reader goes on who was interrupted: after the snapshot that it saw last, whichever copy of the API told it of that.
//!
//! What is held is continued from memory. What is not is looked up in ClickHouse, where every snapshot was before anybody could
//! read of it, up to the first that is held. Who was away for too long starts again with the current ranking, and is told so.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use domain::{ids::TeamId, time::Timestamp};
use tokio::{sync::Mutex, time::timeout};

use super::NOTHING_SEEN;
use crate::{
    error::Error,
    history::{Basis, History, PublishedSince, SnapshotOf},
    published::{self, Published},
    store::{Store, following::Place},
};

/// So many snapshots that are no longer held are told of; who missed more starts again.
const RESUMED_MAX: usize = 120;

/// Who cannot resume within this time, others' turns included, starts again.
const RESUMING_MAX: Duration = Duration::from_secs(10);

/// How a stream goes on.
#[derive(Debug)]
pub(super) enum Resume {
    /// After this place. What is not later than the instant, the reader has seen.
    Follow(Place, Timestamp),
    /// With these first.
    CatchUp(Older),
    /// From the current ranking on.
    Reset,
}

/// Snapshots to tell of, and where to go on after them.
#[derive(Debug)]
pub(super) struct Older {
    rest: VecDeque<(Timestamp, String)>,
    pub(super) then: Place,
    /// What is not later than this, the reader has seen by then.
    pub(super) seen: Timestamp,
}

/// How a stream goes on after the snapshot `last`. One at a time looks into ClickHouse, when it has the turn.
pub(super) async fn after(store: &Store, history: &History, turn: &Mutex<()>, team: &TeamId, last: &str) -> Resume {
    if let Some(place) = store.place(team, last) {
        return Resume::Follow(place, NOTHING_SEEN);
    }
    let Some(since) = published::instant(last) else { return Resume::Reset };
    let looked_up = async {
        let _turn = turn.lock().await;
        // Another one may have found it out meanwhile.
        if let Some(place) = store.place(team, last) {
            return Ok(Resume::Follow(place, NOTHING_SEEN));
        }
        let newest = store.current(team.as_str()).map(|current| current.snapshot().to_owned());
        let published = PublishedSince { team: team.clone(), since, snapshots_max: RESUMED_MAX + 2, newest };
        let snapshots = history.ask(Basis::Fixed, published).await?;
        Ok::<_, Error>(plan(store, team, last, since, &snapshots))
    };
    let looked_up = timeout(RESUMING_MAX, looked_up).await.unwrap_or(Err(Error::TooSlow));
    looked_up.unwrap_or_else(|error| {
        tracing::warn!(%error, "a stream could not be resumed and starts again");
        Resume::Reset
    })
}

/// `snapshots` are the first that were published at `since` or later, with their instants in Unix microseconds.
fn plan(store: &Store, team: &TeamId, last: &str, since: Timestamp, snapshots: &[(i64, String)]) -> Resume {
    let all = snapshots.len() <= RESUMED_MAX + 1;
    let mut later = snapshots.iter().skip_while(|(_, snapshot)| snapshot != last);
    // Nobody here ever told of it.
    if later.next().is_none() {
        return Resume::Reset;
    }
    let mut rest = VecDeque::new();
    for (as_of, snapshot) in later {
        let held = store.place(team, snapshot);
        rest.push_back((Timestamp(*as_of), snapshot.clone()));
        if let Some(then) = held {
            let run: Vec<&str> = std::iter::once(last).chain(rest.iter().map(|(_, id)| id.as_str())).collect();
            store.vouch(team, &run);
            return match store.place(team, last) {
                Some(place) => Resume::Follow(place, NOTHING_SEEN),
                None => Resume::CatchUp(Older { rest, then, seen: NOTHING_SEEN }),
            };
        }
    }
    // The reader, or ClickHouse, is ahead of what we have read.
    let seen = rest.back().map_or(since, |(as_of, _)| *as_of);
    match store.place_at(team, seen) {
        Some(then) if all => Resume::CatchUp(Older { rest, then, seen }),
        _ => Resume::Reset,
    }
}

/// The next one to tell of. Thousands may want the same one: they come one by one, and what the first one reads is kept for the rest.
pub(super) async fn next(
    store: &Store,
    history: &History,
    turn: &Mutex<()>,
    team: &TeamId,
    older: &mut Older,
) -> Result<Option<Arc<Published>>, Error> {
    let Some((as_of, snapshot)) = older.rest.pop_front() else { return Ok(None) };
    if let Some(held) = store.snapshot(team.as_str(), &snapshot) {
        return Ok(Some(held));
    }
    let ranking = {
        let _turn = turn.lock().await;
        history.ask(Basis::Fixed, SnapshotOf { team: team.clone(), as_of, snapshot }).await?
    };
    let published = Published::new(wire::ranking::Ranking::clone(&ranking)).map_err(Error::internal)?;
    Ok(Some(Arc::new(published)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn team() -> TeamId {
        "dynamodb".parse().unwrap()
    }

    fn at(second: usize) -> (Timestamp, String) {
        let ranking = published(second);
        (ranking.as_of(), ranking.snapshot().to_owned())
    }

    fn published(second: usize) -> Published {
        let (minute, second) = (second / 60, second % 60);
        let ranking = wire::ranking::Ranking {
            snapshot: Some(format!("20260101T00{minute:02}{second:02}Z-000000000000")),
            as_of: format!("2026-01-01T00:{minute:02}:{second:02}Z"),
            ..example::ranking()
        };
        Published::new(ranking).unwrap()
    }

    /// A store that has read the snapshots of these seconds, the first few before it was loaded.
    fn store(before: impl IntoIterator<Item = usize>, since: impl IntoIterator<Item = usize>) -> Store {
        let store = Store::new(9, 9);
        for second in before {
            store.offer_unlinked(published(second));
        }
        for second in since {
            store.offer(published(second));
        }
        store
    }

    /// The plan of a reader who saw that of second `last`, where ClickHouse has those of `stored`.
    fn planned(store: &Store, last: usize, stored: impl IntoIterator<Item = usize>) -> Resume {
        let (since, last) = at(last);
        let stored = stored.into_iter().map(at).filter(|(as_of, _)| *as_of >= since).take(RESUMED_MAX + 2);
        let stored: Vec<_> = stored.map(|(as_of, snapshot)| (as_of.0, snapshot)).collect();
        plan(store, &team(), &last, since, &stored)
    }

    #[test]
    fn who_was_away_for_a_while_is_told_of_all_that_was_stored_since_up_to_what_is_held() {
        let store = store([10], [11, 12]);
        let Resume::CatchUp(older) = planned(&store, 7, 1..=12) else { panic!() };
        assert_eq!(older.rest, [8, 9, 10].map(at));
        assert_eq!(Some(older.then), store.place(&team(), &at(10).1));
    }

    #[test]
    fn where_all_that_was_stored_is_held_it_is_held_for_the_next_one_too() {
        let store = store([8, 9, 10], [11]);
        assert_eq!(store.place(&team(), &at(8).1), None);
        assert!(matches!(planned(&store, 8, 1..=11), Resume::Follow(..)));
        assert!(store.place(&team(), &at(8).1).is_some());
    }

    #[test]
    fn who_is_ahead_of_us_is_not_told_again() {
        let store = store([10], []);
        let Resume::CatchUp(older) = planned(&store, 12, 1..=13) else { panic!() };
        assert_eq!((older.rest, older.seen), (VecDeque::from([at(13)]), at(13).0));
        assert_eq!(Some(older.then), store.place(&team(), &at(10).1));
    }

    #[test]
    fn who_missed_too_many_or_names_what_never_was_starts_again() {
        let newest = RESUMED_MAX + 20;
        let store = store([newest], []);
        assert!(matches!(planned(&store, 1, 1..=newest), Resume::Reset));
        assert!(matches!(planned(&store, 3, [1, 2, newest]), Resume::Reset));
        assert!(matches!(planned(&store, newest - RESUMED_MAX, 1..=newest), Resume::CatchUp(_)));
    }
}
