//! One team's rankings in the order in which they were published, and those who follow them.

use std::{collections::VecDeque, sync::Arc};

use domain::{ids::TeamId, time::Timestamp};
use tokio::sync::watch;

use super::{Offered, Store};
use crate::published::Published;

/// The last few rankings of a team.
#[derive(Debug)]
pub(super) struct Rankings {
    current: Entry,
    /// Those before it, oldest first.
    before: VecDeque<Entry>,
    /// Made when the first one follows.
    changed: Option<watch::Sender<()>>,
}

/// A ranking and its place among those of all teams.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) published: Arc<Published>,
    number: u64,
    /// The number of the one that was published just before it; none where others may have been.
    follows: Option<u64>,
}

/// How a ranking stands to the one that is held before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It is the next that was published.
    Next,
    /// Others may have been published between them.
    Unknown,
}

/// How far a follower has come: the number of the ranking it saw last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u64);

/// What comes after a place.
#[derive(Debug)]
pub(crate) enum Step {
    /// The ranking published next.
    Next(Arc<Published>, Place),
    /// The current ranking; some before it are no longer held, or never were.
    Gap(Arc<Published>, Place),
    /// Nothing yet.
    UpToDate,
    /// The team has no rankings any more.
    Gone,
}

impl Rankings {
    pub(super) fn new(first: Published, number: u64) -> Self {
        let current = Entry { published: Arc::new(first), number, follows: None };
        Self { current, before: VecDeque::new(), changed: None }
    }

    /// Takes a ranking unless it is older than the current one. Whom to wake then.
    pub(super) fn offer(
        &mut self,
        published: Published,
        link: Link,
        number: u64,
        kept_max: usize,
    ) -> (Option<watch::Sender<()>>, Offered) {
        if published.as_of() < self.current.published.as_of() {
            return (None, Offered::Older);
        }
        // The same record read again takes the place of the first, which nobody needs to hear of.
        if published.snapshot() == self.current.published.snapshot() {
            self.current.published = Arc::new(published);
            return (None, Offered::Taken);
        }
        let follows = (link == Link::Next).then_some(self.current.number);
        let taken = Entry { published: Arc::new(published), number, follows };
        self.before.push_back(std::mem::replace(&mut self.current, taken));
        while self.before.len() >= kept_max {
            self.before.pop_front();
        }
        (self.changed.clone(), Offered::Taken)
    }

    pub(super) fn current(&self) -> Arc<Published> {
        Arc::clone(&self.current.published)
    }

    pub(super) fn find(&self, snapshot: &str) -> Option<&Entry> {
        self.all().find(|entry| entry.published.snapshot() == snapshot)
    }

    /// Newest first.
    fn all(&self) -> impl Iterator<Item = &Entry> {
        std::iter::once(&self.current).chain(self.before.iter().rev())
    }

    /// The latest ones between which none is missing, newest first.
    fn linked(&self) -> impl Iterator<Item = &Entry> {
        let first = self.all().position(|entry| entry.follows.is_none()).map_or(usize::MAX, |first| first + 1);
        self.all().take(first)
    }

    fn after(&self, place: Place) -> Step {
        if self.current.number <= place.0 {
            return Step::UpToDate;
        }
        for entry in self.all() {
            match entry.follows {
                Some(before) if before <= place.0 => {
                    return Step::Next(Arc::clone(&entry.published), Place(entry.number));
                }
                Some(_) => {}
                None => break,
            }
        }
        Step::Gap(self.current(), Place(self.current.number))
    }
}

impl Store {
    /// Wakes whenever the team's rankings change, and errs when the team is gone. None if it has none.
    pub(crate) fn follow(&self, team: &TeamId) -> Option<watch::Receiver<()>> {
        let mut held = self.write();
        let changed = &mut held.teams.get_mut(team)?.changed;
        Some(changed.get_or_insert_with(|| watch::Sender::new(())).subscribe())
    }

    /// What follows `place` in the team's rankings.
    pub(crate) fn after(&self, team: &TeamId, place: Place) -> Step {
        self.read().teams.get(team).map_or(Step::Gone, |rankings| rankings.after(place))
    }

    /// The team's current ranking and its place.
    pub(crate) fn newest(&self, team: &TeamId) -> Option<(Arc<Published>, Place)> {
        let held = self.read();
        let rankings = held.teams.get(team)?;
        Some((rankings.current(), Place(rankings.current.number)))
    }

    /// The place of the team's ranking `snapshot`, if every later one is held.
    pub(crate) fn place(&self, team: &TeamId, snapshot: &str) -> Option<Place> {
        let held = self.read();
        let found = held.teams.get(team)?.linked().find(|entry| entry.published.snapshot() == snapshot)?;
        Some(Place(found.number))
    }

    /// The place of the last ranking of the team that is not later than `as_of`, if every later one is held.
    pub(crate) fn place_at(&self, team: &TeamId, as_of: Timestamp) -> Option<Place> {
        let held = self.read();
        let found = held.teams.get(team)?.linked().find(|entry| entry.published.as_of() <= as_of)?;
        Some(Place(found.number))
    }

    /// Notes that the team's rankings `snapshots`, one after the other, are all that were published between the first and the
    /// last of them. Nothing happens unless they are held like this.
    pub(crate) fn vouch(&self, team: &TeamId, snapshots: &[&str]) {
        let mut held = self.write();
        let Some(rankings) = held.teams.get_mut(team) else { return };
        let Rankings { current, before, .. } = rankings;
        let mut all: Vec<&mut Entry> = before.iter_mut().chain([current]).collect();
        let run = all
            .windows(snapshots.len().max(1))
            .position(|run| run.iter().map(|entry| entry.published.snapshot()).eq(snapshots.iter().copied()));
        if let Some(first) = run {
            for at in first + 1..first + snapshots.len() {
                all[at].follows = Some(all[at - 1].number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn team() -> TeamId {
        "dynamodb".parse().unwrap()
    }

    fn published(second: u32) -> Published {
        let ranking = wire::ranking::Ranking {
            snapshot: Some(format!("s{second}")),
            as_of: format!("2026-01-01T00:00:{second:02}Z"),
            ..example::ranking()
        };
        Published::new(ranking).unwrap()
    }

    /// Everything after `place`: `+` and the snapshot for a next one, `!` for one after a gap.
    fn walk(store: &Store, mut place: Place) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let (sign, step, at) = match store.after(&team(), place) {
                Step::Next(step, at) => ('+', step, at),
                Step::Gap(step, at) => ('!', step, at),
                Step::UpToDate => return seen,
                Step::Gone => return vec!["gone".to_owned()],
            };
            seen.push(format!("{sign}{}", step.snapshot()));
            place = at;
        }
    }

    #[test]
    fn who_keeps_up_sees_each_ranking_once_and_who_does_not_sees_the_newest() {
        let store = Store::new(9, 3);
        store.offer(published(1));
        let start = store.place(&team(), "s1").unwrap();
        assert_eq!(walk(&store, start), Vec::<String>::new());
        for second in [2, 3, 3, 2] {
            store.offer(published(second));
        }
        assert_eq!(walk(&store, start), ["+s2", "+s3"]);
        store.offer(published(4));
        assert_eq!(walk(&store, start), ["+s2", "+s3", "+s4"]);
        store.offer(published(5));
        assert_eq!(walk(&store, start), ["!s5"]);
        store.remove("dynamodb");
        assert_eq!(walk(&store, start), ["gone"]);
    }

    #[test]
    fn where_rankings_may_be_missing_no_place_is_given_until_somebody_vouches_for_them() {
        let store = Store::new(9, 9);
        for second in 1..=3 {
            store.offer_unlinked(published(second));
        }
        store.offer(published(4));
        assert_eq!(store.place(&team(), "s2"), None);
        assert_eq!(store.place_at(&team(), published(2).as_of()), None);
        assert_eq!(walk(&store, store.place(&team(), "s3").unwrap()), ["+s4"]);
        store.vouch(&team(), &["s1", "s3"]);
        assert_eq!(store.place(&team(), "s1"), None);
        store.vouch(&team(), &["s1", "s2", "s3"]);
        assert_eq!(walk(&store, store.place(&team(), "s1").unwrap()), ["+s2", "+s3", "+s4"]);
        assert_eq!(store.place_at(&team(), published(2).as_of()), store.place(&team(), "s2"));
    }

    #[tokio::test]
    async fn followers_wake_when_something_changed_and_when_the_team_goes() {
        let store = Store::new(9, 9);
        assert!(store.follow(&team()).is_none());
        store.offer(published(1));
        let mut changed = store.follow(&team()).unwrap();
        store.offer(published(1));
        assert!(!changed.has_changed().unwrap());
        store.offer(published(2));
        changed.changed().await.unwrap();
        store.remove("dynamodb");
        changed.changed().await.unwrap_err();
    }
}
