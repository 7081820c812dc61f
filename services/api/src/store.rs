//! The rankings that are answered from: the last few snapshots of every team, in memory.
//!
//! Readers share immutable snapshots and hold the lock only to find one; the one writer is the follower.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use domain::{ids::TeamId, time::Timestamp};

use crate::published::Published;

/// Every team's rankings.
#[derive(Debug)]
pub struct Store {
    held: RwLock<Held>,
    teams_max: usize,
    snapshots_kept_max: usize,
}

#[derive(Debug, Default)]
struct Held {
    /// Oldest first; never empty.
    teams: BTreeMap<TeamId, VecDeque<Arc<Published>>>,
    loaded: bool,
}

/// What became of a ranking that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is the team's current one now.
    Taken,
    /// A later one is held.
    Older,
    /// Its team would be one too many.
    TooManyTeams,
}

impl Store {
    /// An empty store, not loaded yet.
    pub fn new(teams_max: usize, snapshots_kept_max: usize) -> Self {
        Self { held: RwLock::default(), teams_max, snapshots_kept_max: snapshots_kept_max.max(1) }
    }

    /// Takes a ranking unless a later one of its team is held already.
    pub fn offer(&self, published: Published) -> Offered {
        let mut held = self.write();
        if let Some(snapshots) = held.teams.get_mut(published.team()) {
            if let Some(current) = snapshots.back() {
                if published.as_of() < current.as_of() {
                    return Offered::Older;
                }
                // The same record read again.
                if published.snapshot() == current.snapshot() {
                    snapshots.pop_back();
                }
            }
            while snapshots.len() >= self.snapshots_kept_max {
                snapshots.pop_front();
            }
            snapshots.push_back(Arc::new(published));
            return Offered::Taken;
        }
        if held.teams.len() >= self.teams_max {
            return Offered::TooManyTeams;
        }
        held.teams.insert(published.team().clone(), VecDeque::from([Arc::new(published)]));
        Offered::Taken
    }

    /// Forgets a team. Whether it was held.
    pub fn remove(&self, team: &str) -> bool {
        self.write().teams.remove(team).is_some()
    }

    /// From now on a team that is not held is unknown; before, it may be one that has not been read yet.
    pub fn set_loaded(&self) {
        self.write().loaded = true;
    }

    /// Whether all that was published before the start has been read.
    pub fn loaded(&self) -> bool {
        self.read().loaded
    }

    /// The team's current ranking.
    pub fn current(&self, team: &str) -> Option<Arc<Published>> {
        self.read().teams.get(team)?.back().cloned()
    }

    /// A ranking of the team that was current a while ago.
    pub fn snapshot(&self, team: &str, snapshot: &str) -> Option<Arc<Published>> {
        let held = self.read();
        held.teams.get(team)?.iter().find(|published| published.snapshot() == snapshot).cloned()
    }

    /// Current rankings of up to `limit` teams in the order of their ids, and whether there are more.
    pub(crate) fn teams(&self, after: Option<&TeamId>, limit: usize) -> (Vec<Arc<Published>>, bool) {
        let held = self.read();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest =
            held.teams.range::<TeamId, _>((from, Bound::Unbounded)).filter_map(|(_, snapshots)| snapshots.back());
        let page = rest.by_ref().take(limit).cloned().collect();
        (page, rest.next().is_some())
    }

    /// Teams held.
    pub fn len(&self) -> usize {
        self.read().teams.len()
    }

    /// Whether no team is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The oldest instant that a current ranking is of.
    pub(crate) fn oldest_as_of(&self) -> Option<Timestamp> {
        self.read().teams.values().filter_map(|snapshots| Some(snapshots.back()?.as_of())).min()
    }

    /// Circles of merged features, over all current rankings.
    pub(crate) fn merge_cycles(&self) -> usize {
        let held = self.read();
        held.teams.values().filter_map(VecDeque::back).map(|current| current.ranking().merge_cycles.len()).sum()
    }

    // Nothing panics with the lock held, so a poisoned store is as good as another.
    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn published(team: &str, snapshot: &str, as_of: &str) -> Published {
        let ranking = wire::ranking::Ranking {
            team: team.to_owned(),
            snapshot: Some(snapshot.to_owned()),
            as_of: as_of.to_owned(),
            ..example::ranking()
        };
        Published::new(ranking).unwrap()
    }

    fn current(store: &Store, team: &str) -> Option<String> {
        store.current(team).map(|published| published.snapshot().to_owned())
    }

    #[test]
    fn an_older_ranking_is_ignored_whatever_its_digits() {
        let store = Store::new(9, 9);
        assert_eq!(store.offer(published("t", "s2", "2026-01-01T00:00:00.5Z")), Offered::Taken);
        // As text this one would come later.
        assert_eq!(store.offer(published("t", "s1", "2026-01-01T00:00:00Z")), Offered::Older);
        assert_eq!(current(&store, "t").as_deref(), Some("s2"));
        assert_eq!(store.offer(published("t", "s3", "2026-01-01T00:00:00.5Z")), Offered::Taken);
        assert_eq!(current(&store, "t").as_deref(), Some("s3"));
    }

    #[test]
    fn the_last_snapshots_are_kept_and_no_more() {
        let store = Store::new(9, 2);
        for (snapshot, second) in [("s1", 1), ("s2", 2), ("s3", 3), ("s3", 3)] {
            store.offer(published("t", snapshot, &format!("2026-01-01T00:00:0{second}Z")));
        }
        assert!(store.snapshot("t", "s1").is_none());
        assert!(store.snapshot("t", "s2").is_some());
        assert_eq!(current(&store, "t").as_deref(), Some("s3"));
    }

    #[test]
    fn circles_of_merges_are_counted_over_current_rankings_alone() {
        let store = Store::new(9, 9);
        for (team, second, cycles) in [("a", 1, 3), ("a", 2, 1), ("b", 1, 1)] {
            let mut ranking = published(team, "s", &format!("2026-01-01T00:00:0{second}Z")).ranking().clone();
            ranking.snapshot = Some(format!("s{second}"));
            ranking.merge_cycles = vec![vec!["x".to_owned(), "y".to_owned()]; cycles];
            store.offer(Published::new(ranking).unwrap());
        }
        assert_eq!(store.merge_cycles(), 2);
    }

    #[test]
    fn teams_are_bounded_and_a_removed_one_makes_room() {
        let store = Store::new(1, 2);
        let offer = |team| store.offer(published(team, "s", "2026-01-01T00:00:00Z"));
        assert_eq!(offer("a"), Offered::Taken);
        assert_eq!(offer("b"), Offered::TooManyTeams);
        assert!(store.remove("a"));
        assert!(!store.remove("a"));
        assert_eq!(offer("b"), Offered::Taken);
        assert_eq!(current(&store, "a"), None);
    }
}
