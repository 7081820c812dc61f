//! How far the data reach, and what has changed in them: what an answer depends on beside its question.
//!
//! Ingest notes in `team_changes` which teams a batch was of, once its rows are there. An answer is kept under how many changes
//! its team had; when that number is another, the answer is another question's. It is read before the facts, like the watermark:
//! an answer may hold more than its number says, and never less.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use domain::{
    ids::TeamId,
    limits::TIME_MIN,
    time::{MICROS_PER_SECOND, Timestamp},
};
use futures::FutureExt as _;

use super::flights::{Boarded, Flights};
use crate::error::{Error, ParameterError};

/// What was seen stands so long: an answer misses what came in the last second.
const SIGHT_MAX: Duration = Duration::from_secs(1);

/// ClickHouse has so long to tell: it takes milliseconds, and who cannot have an answer should learn it soon.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// Changes are counted from an instant on, which moves up this often, lest more and more are counted. Then no kept answer stands.
const COUNTED_MAX: Duration = Duration::from_secs(600);

/// A change may become visible after others with a later moment, but not by more than this.
const LATE_US_MAX: i64 = 60 * MICROS_PER_SECOND;

/// The changes of so many teams are told apart. Of more, none are, and no answer stands longer than a sight does.
const TEAMS_MAX: u32 = 20_000;

/// Looks at ClickHouse, for all who ask at once together.
pub(super) struct Look {
    store: ::store::Store,
    seen: Arc<Mutex<Option<Seen>>>,
    flights: Flights<Result<Arc<Sight>, Error>>,
}

#[derive(Clone)]
struct Seen {
    at: Instant,
    counted_since: Since,
    sight: Arc<Sight>,
}

/// Where counting began.
#[derive(Clone, Copy)]
struct Since {
    chosen: Instant,
    /// By ClickHouse's clock, in Unix microseconds.
    change: i64,
}

/// How far the data reached, and how many changes there were.
#[derive(Debug)]
pub(crate) struct Sight {
    watermark: Timestamp,
    changes: Changes,
}

#[derive(Debug)]
struct Changes {
    since: i64,
    /// None where there are too many teams to tell.
    by_team: Option<HashMap<String, u64>>,
    /// Tells a sight from any other.
    number: u64,
}

/// An instant that is asked about, and how far the data for it reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) as_of: Timestamp,
    pub(crate) data_through: Timestamp,
}

/// What tells the data of an answer from earlier and later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// They never change, or only with what the enquiry names.
    Fixed,
    /// So many changes since then.
    Counted { since: i64, changes: u64 },
    /// Of this sight alone.
    Sight(u64),
}

impl Moment {
    /// The instant to compute for. No event is older than [`TIME_MIN`], and ClickHouse knows no time before 1900: all instants
    /// before the first possible event are alike.
    pub(crate) fn computed(self) -> Timestamp {
        self.as_of.max(TIME_MIN.plus_micros(-1))
    }
}

impl Look {
    pub(super) fn new(store: ::store::Store) -> Self {
        Self { store, seen: Arc::default(), flights: Flights::default() }
    }

    /// What was seen a moment ago, if anything was.
    pub(super) fn recent(&self) -> Option<Arc<Sight>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref().filter(|seen| seen.at.elapsed() < SIGHT_MAX).map(|seen| Arc::clone(&seen.sight))
    }

    /// What is seen now, or was a moment ago.
    pub(super) async fn look(&self) -> Result<Arc<Sight>, Error> {
        let depart = || look(self.store.clone(), Arc::clone(&self.seen)).boxed();
        match self.flights.board("", || self.recent().map(Ok), depart) {
            Boarded::Landed(sight) => sight,
            Boarded::Joined(looking) | Boarded::First(looking) => looking.await,
        }
    }
}

async fn look(store: ::store::Store, seen: Arc<Mutex<Option<Seen>>>) -> Result<Arc<Sight>, Error> {
    // Who takes so long to tell this little is away.
    let away = |error: anyhow::Error| match Error::history(&error) {
        Error::TooSlow => Error::HistoryAway,
        error => error,
    };
    let at = Instant::now();
    let store = store.until(at + LOOK_MAX);
    let before = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let counted_since = match before.as_ref().map(|seen| seen.counted_since) {
        Some(since) if since.chosen.elapsed() < COUNTED_MAX => since,
        _ => Since { chosen: at, change: store.newest_change().await.map_err(away)?.saturating_sub(LATE_US_MAX) },
    };
    let read = async { tokio::try_join!(store.watermark(), store.changes_of_teams(counted_since.change, TEAMS_MAX)) };
    let (watermark, by_team) = read.await.map_err(away)?;
    let watermark = watermark.ok_or_else(|| {
        let silent = "has not reported yet how far it has read every partition".to_owned();
        Error::Unready(BTreeMap::from([("ingest", silent)]))
    })?;
    let by_team = (by_team.len() < TEAMS_MAX as usize).then(|| by_team.into_iter().collect());
    let number = before.map_or(0, |seen| seen.sight.changes.number + 1);
    let sight = Arc::new(Sight { watermark, changes: Changes { since: counted_since.change, by_team, number } });
    let now = Seen { at, counted_since, sight: Arc::clone(&sight) };
    *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    Ok(sight)
}

impl Sight {
    /// The instant that `parameter` names; now, to the second, where it names none.
    pub(crate) fn moment(&self, parameter: &str, asked: Option<Timestamp>) -> Result<Moment, Error> {
        let now = now();
        let as_of = asked.unwrap_or(Timestamp(now.0.div_euclid(MICROS_PER_SECOND) * MICROS_PER_SECOND));
        if as_of > now {
            let detail = format!("is in the future: it is {} now", now.to_rfc3339());
            return Err(Error::Parameters(vec![ParameterError { parameter: parameter.to_owned(), detail }]));
        }
        Ok(Moment { as_of, data_through: as_of.min(self.watermark) })
    }

    /// The instant of a published ranking. The ranker's clock may be ahead of ours.
    pub(crate) fn of_published(&self, as_of: Timestamp) -> Moment {
        Moment { as_of, data_through: as_of.min(self.watermark) }
    }

    /// The data of `team`. What is said of an account is every team's, and noted under no name.
    pub(crate) fn of_team(&self, team: &TeamId) -> Basis {
        self.basis(|by_team| [team.as_str(), ""].into_iter().filter_map(|team| by_team.get(team)).sum())
    }

    /// The data of every team.
    pub(crate) fn of_everybody(&self) -> Basis {
        self.basis(|by_team| by_team.values().sum())
    }

    fn basis(&self, count: impl FnOnce(&HashMap<String, u64>) -> u64) -> Basis {
        let Changes { since, by_team, number } = &self.changes;
        match by_team {
            Some(by_team) => Basis::Counted { since: *since, changes: count(by_team) },
            None => Basis::Sight(*number),
        }
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(by_team: Option<&[(&str, u64)]>, number: u64) -> Sight {
        let by_team = by_team.map(|teams| teams.iter().map(|(team, changes)| ((*team).to_owned(), *changes)).collect());
        Sight { watermark: Timestamp(1_000), changes: Changes { since: 7, by_team, number } }
    }

    #[test]
    fn an_answer_is_another_when_its_team_or_an_account_changed_and_only_then() {
        let team: TeamId = "a".parse().unwrap();
        let basis = |teams: &[(&str, u64)]| sight(Some(teams), 0).of_team(&team);
        let before = basis(&[("a", 3), ("b", 1), ("", 2)]);
        assert_eq!(basis(&[("a", 3), ("b", 9), ("", 2)]), before, "another team's changes are none of it");
        assert_ne!(basis(&[("a", 4), ("b", 1), ("", 2)]), before);
        assert_ne!(basis(&[("a", 3), ("b", 1), ("", 3)]), before);
        let everybody = |teams: &[(&str, u64)]| sight(Some(teams), 0).of_everybody();
        assert_ne!(everybody(&[("a", 3), ("b", 9)]), everybody(&[("a", 3), ("b", 1)]));
    }

    #[test]
    fn of_too_many_teams_no_two_sights_are_alike() {
        let team: TeamId = "a".parse().unwrap();
        let basis = |number| sight(None, number).of_team(&team);
        assert_ne!(basis(1), basis(2));
    }

    #[test]
    fn the_data_reach_no_further_than_the_watermark() {
        let sight = sight(Some(&[]), 0);
        let of = |as_of| sight.moment("as_of", Some(Timestamp(as_of))).unwrap().data_through;
        assert_eq!((of(999), of(1_001)), (Timestamp(999), Timestamp(1_000)));
        let ahead = sight.moment("as_of", Some(Timestamp(i64::MAX)));
        assert!(matches!(ahead, Err(Error::Parameters(_))), "{ahead:?}");
    }
}
