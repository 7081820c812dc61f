//! Which of the teams that this process leads are due for a new ranking. No I/O: time is an argument, in whole Unix seconds.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::TeamId;
use opentelemetry::trace::SpanContext;

use crate::shard::Shard;

/// Every known team, what changed for it, and when it was last published.
///
/// Teams of shards that others lead are known too, so that nothing has to be asked when a shard is taken over.
#[derive(Debug)]
pub(crate) struct Schedule {
    limits: Limits,
    shards: i32,
    led: BTreeSet<Shard>,
    refused: bool,
    teams: BTreeMap<TeamId, Team>,
}

/// What the schedule keeps to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// A team is published at least every so many seconds.
    pub(crate) refresh_s: i64,
    /// So many teams are known at most.
    pub(crate) teams_max: usize,
    /// So many teams a second are ranked again because of what was said of an account.
    pub(crate) account_teams_per_s_max: i64,
}

#[derive(Debug, Default)]
struct Team {
    changed: bool,
    noticed_s: Option<i64>,
    published_s: Option<i64>,
    /// As of this second a snapshot may be stored that was not published.
    stored_s: Option<i64>,
    /// When the first event happens that was dated ahead.
    upcoming_s: Option<i64>,
    /// When it is ranked again because of what was said of an account.
    accounts_s: Option<i64>,
    /// Whether a ranking is under way.
    begun: bool,
    /// How often in a row its ranking did not come about, and until when it is therefore left alone.
    failures: u32,
    resting_until_s: i64,
    links: Vec<SpanContext>,
}

impl Schedule {
    /// No teams and no shards yet.
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, shards: 1, led: BTreeSet::new(), refused: false, teams: BTreeMap::new() }
    }

    /// Teams are divided into so many shards from now on; none is led.
    pub(crate) fn divide(&mut self, shards: i32) {
        self.shards = shards;
        self.led.clear();
    }

    /// The team's shard.
    pub(crate) fn shard(&self, team: &TeamId) -> Shard {
        Shard::of(team, self.shards)
    }

    /// The shard is led from `now_s` on. All its teams are due as soon as the second of their newest snapshot is over, but those that
    /// rest: `newest_s` has those that were published a moment ago, or ahead of our clock.
    pub(crate) fn lead(&mut self, shard: Shard, newest_s: &BTreeMap<TeamId, i64>, now_s: i64) {
        self.led.insert(shard);
        for team in newest_s.keys() {
            if self.shard(team) == shard && !self.teams.contains_key(team) {
                self.changed(team.clone(), None, now_s);
            }
        }
        let shards = self.shards;
        for (id, team) in self.teams.iter_mut().filter(|(id, _)| Shard::of(id, shards) == shard) {
            *team = Team {
                changed: true,
                noticed_s: Some(now_s),
                published_s: newest_s.get(id).copied(),
                failures: team.failures,
                resting_until_s: team.resting_until_s,
                ..Team::default()
            };
        }
    }

    /// The shard is not led any more; what is under way for it does not count.
    pub(crate) fn give_up(&mut self, shard: Shard) {
        self.led.remove(&shard);
    }

    /// The team has new rows, written under the span `link` and noticed at `now_s`. A team too many is passed over.
    pub(crate) fn changed(&mut self, team: TeamId, link: Option<SpanContext>, now_s: i64) {
        if !self.teams.contains_key(&team) && self.teams.len() >= self.limits.teams_max {
            // Once: whoever sends events of ever new teams must not flood the log as well.
            if !self.refused {
                tracing::warn!(flywheel.team = %team, teams_max = self.limits.teams_max, "a team is not ranked, there are too many");
            }
            self.refused = true;
            return;
        }
        let led = self.led.contains(&self.shard(&team));
        let team = self.teams.entry(team).or_default();
        team.changed = true;
        team.noticed_s = Some(now_s);
        if led && team.links.len() < kit::propagation::LINKS_MAX {
            team.links.extend(link);
        }
    }

    /// Something was said of an account, which may be any team's: teams are ranked again, but only so many a second.
    pub(crate) fn accounts_changed(&mut self, link: Option<&SpanContext>, now_s: i64) {
        let (shards, led) = (self.shards, &self.led);
        let mut place = self.teams.values().filter_map(|team| team.accounts_s).max().map_or(0, |last_s| {
            // Behind those that wait already.
            let waiting = self.teams.values().filter(|team| team.accounts_s == Some(last_s)).count();
            (last_s - now_s).max(0) * self.limits.account_teams_per_s_max + i64::try_from(waiting).unwrap_or(i64::MAX)
        });
        for (_, team) in self.teams.iter_mut().filter(|(id, _)| led.contains(&Shard::of(id, shards))) {
            if team.links.len() < kit::propagation::LINKS_MAX {
                team.links.extend(link.cloned());
            }
            if team.changed || team.accounts_s.is_some() {
                continue;
            }
            team.accounts_s = Some(now_s + place / self.limits.account_teams_per_s_max);
            place += 1;
        }
    }

    /// The teams to publish at `now_s`: changed since their last ranking, at most one ranking a second each; or reached by
    /// an event that was dated ahead; or unchanged for `refresh_s`. Those that have waited longest come first.
    pub(crate) fn due(&self, now_s: i64) -> Vec<TeamId> {
        let mut due: Vec<(Option<i64>, &TeamId)> = self
            .teams
            .iter()
            .filter(|(id, team)| self.led.contains(&self.shard(id)) && team.is_due(now_s, self.limits.refresh_s))
            .map(|(id, team)| (team.published_s, id))
            .collect();
        due.sort();
        due.into_iter().map(|(_, id)| id.clone()).collect()
    }

    /// Whether the team is one of them.
    pub(crate) fn is_due(&self, team: &TeamId, now_s: i64) -> bool {
        let led = self.led.contains(&self.shard(team));
        led && self.teams.get(team).is_some_and(|team| team.is_due(now_s, self.limits.refresh_s))
    }

    /// Begins a ranking, if the team is still due: what changes from here on is for the next one. Returns the spans of what
    /// changed until now.
    pub(crate) fn begin(&mut self, team: &TeamId, now_s: i64) -> Option<Vec<SpanContext>> {
        let team = if self.is_due(team, now_s) { self.teams.get_mut(team)? } else { return None };
        team.begun = true;
        team.changed = false;
        team.accounts_s = None;
        Some(std::mem::take(&mut team.links))
    }

    /// The team's ranking as of `as_of_s` is published; the next event that was dated ahead happens at `upcoming_s`.
    ///
    /// What happened later in that second is not in it, though its rows may have been noticed: they are for the next.
    pub(crate) fn published(&mut self, team: &TeamId, as_of_s: i64, upcoming_s: Option<i64>) {
        if let Some(team) = self.teams.get_mut(team) {
            team.begun = false;
            team.published_s = Some(as_of_s);
            team.upcoming_s = upcoming_s;
            team.changed |= team.noticed_s.is_some_and(|noticed_s| noticed_s >= as_of_s);
            team.failures = 0;
        }
    }

    /// The ranking that was begun did not come about: it is still due, and its spans with it.
    pub(crate) fn failed(&mut self, team: &TeamId, links: Vec<SpanContext>) {
        if let Some(team) = self.teams.get_mut(team) {
            team.begun = false;
            team.changed = true;
            team.links.splice(0..0, links);
            team.links.truncate(kit::propagation::LINKS_MAX);
        }
    }

    /// A snapshot as of `as_of_s` may have been stored, and its answer was lost: the next is of a later second, so that no instant
    /// has two.
    pub(crate) fn may_be_stored(&mut self, team: &TeamId, as_of_s: i64) {
        if let Some(team) = self.teams.get_mut(team) {
            team.stored_s = team.stored_s.max(Some(as_of_s));
        }
    }

    /// The team's ranking failed for a reason of the team's own at `now_s`: it is left alone for a time that doubles with
    /// every failure in a row, up to the time between two refreshes. Not for outages: what is back is used at once. Whether
    /// it was the first failure in a row.
    pub(crate) fn rest(&mut self, team: &TeamId, now_s: i64) -> bool {
        let Some(team) = self.teams.get_mut(team) else { return false };
        let rest_s = 1_i64.checked_shl(team.failures).unwrap_or(i64::MAX).min(self.limits.refresh_s);
        let first = team.failures == 0;
        team.failures = (team.failures + 1).min(32);
        team.resting_until_s = now_s + rest_s;
        first
    }

    /// The teams of the shards that are led.
    pub(crate) fn led(&self) -> impl Iterator<Item = &TeamId> {
        self.teams.keys().filter(|id| self.led.contains(&self.shard(id)))
    }

    /// When the team that has waited longest was last published, or noticed if it never was.
    pub(crate) fn oldest_s(&self) -> Option<i64> {
        self.led().filter_map(|id| self.teams.get(id)).filter_map(|team| team.published_s.or(team.noticed_s)).min()
    }
}

impl Team {
    fn is_due(&self, now_s: i64, refresh_s: i64) -> bool {
        let stored = self.stored_s.is_some_and(|stored_s| now_s <= stored_s);
        if self.begun || stored || now_s < self.resting_until_s {
            return false;
        }
        let Some(published_s) = self.published_s else { return true };
        let reached = self.upcoming_s.is_some_and(|upcoming_s| now_s > upcoming_s);
        let accounts = self.accounts_s.is_some_and(|accounts_s| now_s >= accounts_s);
        ((self.changed || reached || accounts) && now_s > published_s) || now_s - published_s >= refresh_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { refresh_s: 60, teams_max: 2, account_teams_per_s_max: 2 };
    const ONLY: Shard = Shard(0);

    fn id(team: &str) -> TeamId {
        TeamId::parse(team).unwrap()
    }

    fn team() -> TeamId {
        id("a")
    }

    /// A schedule that leads the only shard.
    fn leading(limits: Limits) -> Schedule {
        let mut schedule = Schedule::new(limits);
        schedule.lead(ONLY, &BTreeMap::new(), 0);
        schedule
    }

    fn publish(schedule: &mut Schedule, team: &TeamId, now_s: i64) {
        schedule.begin(team, now_s).expect("the team is due");
        schedule.published(team, now_s, None);
    }

    fn published_at(now_s: i64) -> Schedule {
        let mut schedule = leading(LIMITS);
        schedule.changed(team(), None, now_s - 1);
        publish(&mut schedule, &team(), now_s);
        schedule
    }

    #[test]
    fn a_new_team_is_due_at_once() {
        let mut schedule = leading(LIMITS);
        assert_eq!(schedule.due(100), []);
        schedule.changed(team(), None, 100);
        assert_eq!(schedule.due(100), [team()]);
    }

    #[test]
    fn a_team_too_many_is_not_ranked() {
        let mut schedule = leading(LIMITS);
        for team in ["a", "b", "c"] {
            schedule.changed(id(team), None, 100);
        }
        assert_eq!(schedule.due(100).len(), 2);
    }

    #[test]
    fn a_changed_team_is_due_in_the_next_second() {
        let mut schedule = published_at(100);
        schedule.changed(team(), None, 100);
        assert_eq!(schedule.due(100), []);
        assert_eq!(schedule.due(101), [team()]);
    }

    #[test]
    fn a_change_of_the_second_that_was_ranked_is_ranked_once_more() {
        let mut schedule = published_at(100);
        schedule.changed(team(), None, 101);
        publish(&mut schedule, &team(), 101);
        assert_eq!(schedule.due(102), [team()]);
        publish(&mut schedule, &team(), 102);
        assert_eq!(schedule.due(103), []);
    }

    #[test]
    fn an_unchanged_team_is_due_after_the_refresh() {
        let schedule = published_at(100);
        assert_eq!(schedule.due(159), []);
        assert_eq!(schedule.due(160), [team()]);
    }

    #[test]
    fn what_changes_while_a_ranking_is_computed_is_for_the_next() {
        let mut schedule = leading(LIMITS);
        schedule.changed(team(), None, 98);
        schedule.begin(&team(), 99).unwrap();
        schedule.changed(team(), None, 99);
        assert_eq!(schedule.due(100), [], "one ranking at a time");
        schedule.published(&team(), 99, None);
        assert_eq!(schedule.due(100), [team()]);
    }

    #[test]
    fn a_ranking_that_fails_for_a_reason_of_its_own_rests_ever_longer() {
        let mut schedule = published_at(100);
        schedule.changed(team(), None, 101);
        for (now_s, rest_s) in [(101, 1), (102, 2), (104, 4), (108, 8)] {
            assert_eq!(schedule.due(now_s), [team()]);
            let links = schedule.begin(&team(), now_s).unwrap();
            schedule.failed(&team(), links);
            assert_eq!(schedule.rest(&team(), now_s), now_s == 101, "whether it is the first");
            assert_eq!(schedule.due(now_s + rest_s - 1), [], "after {now_s}");
        }
        publish(&mut schedule, &team(), 116);
        schedule.changed(team(), None, 117);
        assert_eq!(schedule.due(117), [team()]);
    }

    #[test]
    fn a_team_that_rests_goes_on_resting_when_its_shard_is_led_anew() {
        let mut schedule = published_at(100);
        schedule.changed(team(), None, 100);
        schedule.rest(&team(), 101);
        schedule.rest(&team(), 102);
        schedule.give_up(Shard(0));
        schedule.lead(Shard(0), &BTreeMap::new(), 103);
        assert_eq!(schedule.due(103), []);
        assert_eq!(schedule.due(104), [team()]);
        assert!(!schedule.rest(&team(), 104), "it is not the first failure in a row");
    }

    #[test]
    fn a_ranking_that_failed_in_an_outage_is_due_at_once() {
        let mut schedule = published_at(100);
        schedule.changed(team(), None, 101);
        let links = schedule.begin(&team(), 101).unwrap();
        schedule.failed(&team(), links);
        assert_eq!(schedule.due(101), [team()]);
    }

    #[test]
    fn a_snapshot_that_may_be_stored_is_followed_by_one_of_a_later_second() {
        let mut schedule = leading(LIMITS);
        schedule.changed(team(), None, 100);
        let links = schedule.begin(&team(), 101).unwrap();
        schedule.may_be_stored(&team(), 101);
        schedule.failed(&team(), links);
        assert_eq!(schedule.due(101), []);
        assert_eq!(schedule.due(102), [team()]);
    }

    #[test]
    fn a_snapshot_that_may_be_stored_is_no_publication() {
        let mut schedule = published_at(100);
        schedule.changed(team(), None, 101);
        let links = schedule.begin(&team(), 103).unwrap();
        schedule.may_be_stored(&team(), 103);
        schedule.failed(&team(), links);
        assert_eq!(schedule.oldest_s(), Some(100));
        assert_eq!(schedule.due(103), []);
        publish(&mut schedule, &team(), 104);
        assert_eq!(schedule.oldest_s(), Some(104));
    }

    #[test]
    fn an_event_that_was_dated_ahead_makes_its_team_due_when_it_happens() {
        let mut schedule = published_at(100);
        schedule.changed(team(), None, 101);
        schedule.begin(&team(), 101).unwrap();
        schedule.published(&team(), 102, Some(108));
        assert_eq!(schedule.due(108), []);
        assert_eq!(schedule.due(109), [team()]);
    }

    #[test]
    fn who_waited_longest_comes_first() {
        let mut schedule = published_at(100);
        let other = id("b");
        schedule.changed(other.clone(), None, 49);
        publish(&mut schedule, &other, 50);
        assert_eq!(schedule.due(200), [other, team()]);
    }

    #[test]
    fn teams_of_shards_that_others_lead_are_not_due() {
        let mut schedule = published_at(100);
        schedule.give_up(ONLY);
        schedule.changed(team(), None, 101);
        assert_eq!(schedule.due(200), []);
        assert_eq!(schedule.begin(&team(), 200), None);
        assert_eq!(schedule.oldest_s(), None);
    }

    #[test]
    fn all_teams_of_a_shard_that_is_taken_over_are_due_once_the_second_of_their_newest_snapshot_is_over() {
        let mut schedule = published_at(100);
        schedule.changed(team(), None, 101);
        schedule.begin(&team(), 101).unwrap();
        schedule.give_up(ONLY);
        let ahead = id("published-ahead-of-our-clock");
        schedule.lead(ONLY, &BTreeMap::from([(ahead.clone(), 207)]), 200);
        assert_eq!(schedule.due(200), [team()], "what was under way before does not count");
        assert_eq!(schedule.due(207), [team()]);
        assert_eq!(schedule.due(208), [team(), ahead]);
    }

    #[test]
    fn what_is_said_of_accounts_ranks_so_many_teams_a_second() {
        let teams = ["a", "b", "c", "d", "e"].map(id);
        let mut schedule = leading(Limits { teams_max: 10, ..LIMITS });
        for team in &teams {
            schedule.changed(team.clone(), None, 99);
            publish(&mut schedule, team, 100);
        }
        schedule.accounts_changed(None, 101);
        assert_eq!(schedule.due(101), teams[..2]);
        for team in &teams[..2] {
            publish(&mut schedule, team, 101);
        }
        // Those that wait keep their turn; the others come behind them.
        schedule.accounts_changed(None, 102);
        assert_eq!(schedule.due(102), teams[2..4]);
        for team in &teams[2..4] {
            publish(&mut schedule, team, 102);
        }
        assert_eq!(schedule.due(103), [&teams[4], &teams[0]].map(Clone::clone));
        assert_eq!(schedule.due(104).len(), 3);
    }
}
