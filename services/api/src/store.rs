//! The rankings that are answered from: the last few snapshots of every team, in memory.
//!
//! Readers share immutable snapshots and hold the lock only to find one; the one writer is the follower. Who follows a team
//! is woken when it changes: see `following`.

pub(crate) mod following;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use domain::{ids::TeamId, time::Timestamp};

use crate::published::Published;
use following::{Link, Rankings};

/// Every team's rankings.
#[derive(Debug)]
pub struct Store {
    held: RwLock<Held>,
    teams_max: usize,
    snapshots_kept_max: usize,
}

#[derive(Debug, Default)]
struct Held {
    teams: BTreeMap<TeamId, Rankings>,
    /// Rankings taken so far: each one's number is higher than that of any before it.
    taken: u64,
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

    /// Takes a ranking unless a later one of its team is held already. No ranking of its team was published between it and
    /// the one held last.
    pub fn offer(&self, published: Published) -> Offered {
        self.take(published, Link::Next)
    }

    /// [`Store::offer`], where others of its team may have been published since the one held last.
    pub fn offer_unlinked(&self, published: Published) -> Offered {
        self.take(published, Link::Unknown)
    }

    fn take(&self, published: Published, link: Link) -> Offered {
        let mut held = self.write();
        let number = held.taken + 1;
        let teams = held.teams.len();
        let (wake, offered) = match held.teams.get_mut(published.team()) {
            Some(rankings) => rankings.offer(published, link, number, self.snapshots_kept_max),
            None if teams >= self.teams_max => (None, Offered::TooManyTeams),
            None => {
                held.teams.insert(published.team().clone(), Rankings::new(published, number));
                (None, Offered::Taken)
            }
        };
        held.taken = number;
        // Thousands may wake: not with the lock held, which they take.
        drop(held);
        if let Some(wake) = wake {
            wake.send_replace(());
        }
        offered
    }

    /// Forgets a team. Whether it was held.
    pub fn remove(&self, team: &str) -> bool {
        let removed = self.write().teams.remove(team);
        // Whoever follows it wakes as it is dropped, after the lock.
        removed.is_some()
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
        Some(self.read().teams.get(team)?.current())
    }

    /// A ranking of the team that was current a while ago.
    pub fn snapshot(&self, team: &str, snapshot: &str) -> Option<Arc<Published>> {
        let held = self.read();
        held.teams.get(team)?.find(snapshot).map(|entry| Arc::clone(&entry.published))
    }

    /// Current rankings of up to `limit` teams in the order of their ids, of those `among` where it names some, and whether there
    /// are more.
    pub(crate) fn teams(
        &self,
        among: Option<&BTreeSet<TeamId>>,
        after: Option<&TeamId>,
        limit: usize,
    ) -> (Vec<Arc<Published>>, bool) {
        let held = self.read();
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        match among {
            None => page(held.teams.range::<TeamId, _>(range).map(|(_, rankings)| rankings.current()), limit),
            Some(teams) => {
                let held = teams.range::<TeamId, _>(range).filter_map(|team| held.teams.get(team));
                page(held.map(|rankings| rankings.current()), limit)
            }
        }
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
        self.read().teams.values().map(|rankings| rankings.current().as_of()).min()
    }

    /// Circles of merged features, over all current rankings.
    pub(crate) fn merge_cycles(&self) -> usize {
        let held = self.read();
        held.teams.values().map(|rankings| rankings.current().ranking().merge_cycles.len()).sum()
    }

    // Nothing panics with the lock held, so a poisoned store is as good as another.
    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Up to `limit` of them, and whether there are more.
fn page(mut current: impl Iterator<Item = Arc<Published>>, limit: usize) -> (Vec<Arc<Published>>, bool) {
    let page = current.by_ref().take(limit).collect();
    (page, current.next().is_some())
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
