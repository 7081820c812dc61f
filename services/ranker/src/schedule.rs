//! Which teams are due for a new ranking. No I/O: time is an argument, in whole Unix seconds.

use std::collections::BTreeMap;

use domain::ids::TeamId;
use opentelemetry::trace::SpanContext;

/// Every known team, what changed for it, and when it was last published.
#[derive(Debug)]
pub(crate) struct Schedule {
    refresh_s: i64,
    teams_max: usize,
    refused: bool,
    teams: BTreeMap<TeamId, Team>,
}

#[derive(Debug, Default)]
struct Team {
    changed: bool,
    noticed_s: Option<i64>,
    published_s: Option<i64>,
    /// When the first event happens that was dated ahead.
    upcoming_s: Option<i64>,
    /// How often in a row its ranking did not come about, and until when it is therefore left alone.
    failures: u32,
    resting_until_s: i64,
    links: Vec<SpanContext>,
}

impl Schedule {
    /// No teams yet, and never more than `teams_max`; each will be published at least every `refresh_s` seconds.
    pub(crate) fn new(refresh_s: i64, teams_max: usize) -> Self {
        Self { refresh_s, teams_max, refused: false, teams: BTreeMap::new() }
    }

    /// The team has new rows, written under the span `link` and noticed at `now_s`. A team too many is passed over.
    pub(crate) fn changed(&mut self, team: TeamId, link: Option<SpanContext>, now_s: i64) {
        if !self.teams.contains_key(&team) && self.teams.len() >= self.teams_max {
            // Once: whoever sends events of ever new teams must not flood the log as well.
            if !self.refused {
                tracing::warn!(flywheel.team = %team, teams_max = self.teams_max, "a team is not ranked, there are too many");
            }
            self.refused = true;
            return;
        }
        let team = self.teams.entry(team).or_default();
        team.changed = true;
        team.noticed_s = Some(now_s);
        if team.links.len() < kit::propagation::LINKS_MAX {
            team.links.extend(link);
        }
    }

    /// Something that touches every known team has changed.
    pub(crate) fn all_changed(&mut self, link: Option<&SpanContext>, now_s: i64) {
        let teams: Vec<TeamId> = self.teams.keys().cloned().collect();
        for team in teams {
            self.changed(team, link.cloned(), now_s);
        }
    }

    /// The teams to publish at `now_s`: changed since their last ranking, at most one ranking a second each; or reached by
    /// an event that was dated ahead; or unchanged for `refresh_s`. Those that have waited longest come first.
    pub(crate) fn due(&self, now_s: i64) -> Vec<TeamId> {
        let mut due: Vec<(Option<i64>, &TeamId)> = self
            .teams
            .iter()
            .filter(|(_, team)| now_s >= team.resting_until_s)
            .filter(|(_, team)| match team.published_s {
                None => true,
                Some(published_s) => {
                    let reached = team.upcoming_s.is_some_and(|upcoming_s| now_s > upcoming_s);
                    ((team.changed || reached) && now_s > published_s) || now_s - published_s >= self.refresh_s
                }
            })
            .map(|(id, team)| (team.published_s, id))
            .collect();
        due.sort();
        due.into_iter().map(|(_, id)| id.clone()).collect()
    }

    /// Begins a ranking: what changes from here on is for the next one. Returns the spans of what changed until now.
    pub(crate) fn begin(&mut self, team: &TeamId) -> Vec<SpanContext> {
        self.teams.get_mut(team).map_or_else(Vec::new, |team| {
            team.changed = false;
            std::mem::take(&mut team.links)
        })
    }

    /// The team's ranking as of `as_of_s` is published; the next event that was dated ahead happens at `upcoming_s`.
    ///
    /// What happened later in that second is not in it, though its rows may have been noticed: they are for the next.
    pub(crate) fn published(&mut self, team: &TeamId, as_of_s: i64, upcoming_s: Option<i64>) {
        if let Some(team) = self.teams.get_mut(team) {
            team.published_s = Some(as_of_s);
            team.upcoming_s = upcoming_s;
            team.changed |= team.noticed_s.is_some_and(|noticed_s| noticed_s >= as_of_s);
            team.failures = 0;
        }
    }

    /// The ranking that was begun did not come about: it is still due, and its spans with it.
    pub(crate) fn failed(&mut self, team: &TeamId, links: Vec<SpanContext>) {
        if let Some(team) = self.teams.get_mut(team) {
            team.changed = true;
            team.links.splice(0..0, links);
            team.links.truncate(kit::propagation::LINKS_MAX);
        }
    }

    /// The team's ranking failed for a reason of the team's own at `now_s`: it is left alone for a time that doubles with
    /// every failure in a row, up to the time between two refreshes. Not for outages: what is back is used at once.
    pub(crate) fn rest(&mut self, team: &TeamId, now_s: i64) {
        if let Some(team) = self.teams.get_mut(team) {
            let rest_s = 1_i64.checked_shl(team.failures).unwrap_or(i64::MAX).min(self.refresh_s);
            team.failures = (team.failures + 1).min(32);
            team.resting_until_s = now_s + rest_s;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team() -> TeamId {
        TeamId::parse("a").unwrap()
    }

    fn published_at(now_s: i64) -> Schedule {
        let mut schedule = Schedule::new(60, 2);
        schedule.changed(team(), None, now_s - 1);
        schedule.begin(&team());
        schedule.published(&team(), now_s, None);
        schedule
    }

    #[test]
    fn a_new_team_is_due_at_once() {
        let mut schedule = Schedule::new(60, 2);
        assert_eq!(schedule.due(100), []);
        schedule.changed(team(), None, 100);
        assert_eq!(schedule.due(100), [team()]);
    }

    #[test]
    fn a_team_too_many_is_not_ranked() {
        let mut schedule = Schedule::new(60, 2);
        for id in ["a", "b", "c"] {
            schedule.changed(TeamId::parse(id).unwrap(), None, 100);
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
        schedule.begin(&team());
        schedule.published(&team(), 101, None);
        assert_eq!(schedule.due(102), [team()]);
        schedule.begin(&team());
        schedule.published(&team(), 102, None);
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
        let mut schedule = Schedule::new(60, 2);
        schedule.changed(team(), None, 98);
        schedule.begin(&team());
        schedule.changed(team(), None, 99);
        schedule.published(&team(), 100, None);
        assert_eq!(schedule.due(101), [team()]);
    }

    #[test]
    fn a_ranking_that_fails_for_a_reason_of_its_own_rests_ever_longer() {
        let mut schedule = published_at(100);
        schedule.changed(team(), None, 101);
        for (now_s, rest_s) in [(101, 1), (102, 2), (104, 4), (108, 8)] {
            assert_eq!(schedule.due(now_s), [team()]);
            let links = schedule.begin(&team());
            schedule.failed(&team(), links);
            schedule.rest(&team(), now_s);
            assert_eq!(schedule.due(now_s + rest_s - 1), [], "after {now_s}");
        }
        schedule.begin(&team());
        schedule.published(&team(), 116, None);
        schedule.changed(team(), None, 117);
        assert_eq!(schedule.due(117), [team()]);
    }

    #[test]
    fn a_ranking_that_failed_in_an_outage_is_due_at_once() {
        let mut schedule = published_at(100);
        schedule.changed(team(), None, 101);
        let links = schedule.begin(&team());
        schedule.failed(&team(), links);
        assert_eq!(schedule.due(101), [team()]);
    }

    #[test]
    fn an_event_that_was_dated_ahead_makes_its_team_due_when_it_happens() {
        let mut schedule = published_at(100);
        schedule.begin(&team());
        schedule.published(&team(), 101, Some(108));
        assert_eq!(schedule.due(108), []);
        assert_eq!(schedule.due(109), [team()]);
    }

    #[test]
    fn who_waited_longest_comes_first() {
        let mut schedule = published_at(100);
        let other = TeamId::parse("b").unwrap();
        schedule.changed(other.clone(), None, 49);
        schedule.begin(&other);
        schedule.published(&other, 50, None);
        assert_eq!(schedule.due(200), [other, team()]);
    }
}
