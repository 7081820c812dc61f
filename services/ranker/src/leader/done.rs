//! What follows from what a task has done.

use std::{collections::BTreeMap, time::Duration};

use domain::{ids::TeamId, time::Timestamp};
use opentelemetry::trace::SpanContext;

use super::{Done, Leader, Past, What};
use crate::{
    clock,
    compute::{Computed, Failure, Outcome},
    led::Term,
    publisher::Unpublished,
    ready::{Ready, TooLarge},
    shard::Shard,
    writer::{Unwritten, Writer},
};

impl Leader {
    /// Acts on what a task has done.
    pub(super) fn done(&mut self, done: Done) {
        match done {
            Done::Of { shard, term, what } => self.done_of(shard, term, what),
            Done::Computed(batch) => {
                self.batches -= 1;
                self.computing -= batch.len();
                for (shard, term, computed) in batch {
                    self.computed(shard, term, computed);
                }
            }
        }
    }

    /// What was done for a term that is over is forgotten: the shard's next leader computes anew, be it us.
    fn is_over(&self, shard: Shard, term: Term) -> bool {
        self.led.get(&shard).is_none_or(|led| led.term() != term)
    }

    fn done_of(&mut self, shard: Shard, term: Term, what: What) {
        if self.is_over(shard, term) {
            if let What::Published(rankings, Err(_)) = what {
                self.metrics.fenced(rankings.len());
            } else if let What::Opened(Ok((writer, _))) = what {
                drop_aside(writer);
            }
            return;
        }
        match what {
            What::Opened(Ok((writer, newest))) => self.opened(shard, writer, &newest),
            What::Opened(Err(error)) => {
                self.trouble.failed(&error);
                self.open(shard, self.trouble.retry());
            }
            What::Published(rankings, Ok(())) => self.published(shard, rankings),
            What::Published(rankings, Err(error)) => self.not_published(shard, rankings, error),
        }
    }

    fn computed(&mut self, shard: Shard, term: Term, computed: Computed) {
        if self.is_over(shard, term) {
            return;
        }
        let Computed { team, links, outcome } = computed;
        match outcome {
            Ok(Outcome { ready, week_ago, rows }) => {
                self.past.insert(team, Past { week_ago: Some(week_ago), rows });
                if let Some(led) = self.led.get_mut(&shard) {
                    led.push(ready);
                }
            }
            Err(Failure::Together) => {
                self.alone(&team);
                self.schedule.failed(&team, links);
            }
            Err(Failure::Alone(error)) => {
                self.alone(&team);
                self.not_computed(&team, links, &error);
            }
        }
    }

    /// The team is asked for alone until it has a ranking again, or it would fail with every batch that it is in.
    fn alone(&mut self, team: &TeamId) {
        self.past.entry(team.clone()).or_insert(Past { week_ago: None, rows: 0 }).rows = u64::MAX;
    }

    fn opened(&mut self, shard: Shard, writer: Writer, newest: &BTreeMap<TeamId, Timestamp>) {
        let Some(led) = self.led.get_mut(&shard) else { return };
        // A snapshot that is still the newest is published after all; another has been published since, or never will be.
        let dropped = led.opened(writer, |ready| newest.get(&ready.team) == Some(&ready.as_of));
        let newest_s: BTreeMap<TeamId, i64> =
            newest.iter().map(|(team, as_of)| (team.clone(), clock::seconds(*as_of))).collect();
        if let Ok(now_s) = clock::now_s() {
            if let Some(ahead_s) =
                newest_s.iter().filter(|(team, _)| self.schedule.shard(team) == shard).map(|(_, s)| s - now_s).max()
                && ahead_s > self.config.refresh_s
            {
                tracing::warn!(
                    flywheel.shard = shard.0,
                    ahead_s,
                    "snapshots are dated ahead of this clock; their teams wait for it"
                );
            }
            self.schedule.lead(shard, &newest_s, now_s);
        }
        tracing::info!(flywheel.shard = shard.0, dropped, "shard taken over");
    }

    fn published(&mut self, shard: Shard, rankings: Vec<Ready>) {
        for ranking in rankings {
            self.cycles.published(&ranking.team, ranking.merge_cycles);
            self.schedule.published(&ranking.team, clock::seconds(ranking.as_of), ranking.upcoming.map(clock::seconds));
            self.metrics.published(ranking.begun.elapsed());
            tracing::debug!(
                flywheel.team = %ranking.team,
                flywheel.snapshot = ranking.snapshot,
                computing_ms = (ranking.computed - ranking.begun).as_millis(),
                publishing_ms = ranking.computed.elapsed().as_millis(),
                "ranking published"
            );
        }
        self.metrics.merge_cycles(self.cycles.count());
        if let Some(led) = self.led.get_mut(&shard) {
            led.posted();
        }
    }

    /// One team's failure keeps no other waiting: where ClickHouse is away altogether, looking fails too.
    fn not_computed(&mut self, team: &TeamId, links: Vec<SpanContext>, error: &anyhow::Error) {
        self.schedule.failed(team, links);
        let Ok(now_s) = clock::now_s() else { return };
        if self.schedule.rest(team, now_s) {
            if error.is::<TooLarge>() {
                tracing::warn!(flywheel.team = %team, error = format!("{error:#}"), "a ranking cannot be published");
            } else {
                tracing::warn!(flywheel.team = %team, error = format!("{error:#}"), "a ranking did not come about, trying on");
            }
        }
    }

    fn not_published(&mut self, shard: Shard, rankings: Vec<Ready>, error: Unpublished) {
        let (poll, pause) = (Duration::from_millis(self.config.poll_ms), self.trouble.retry());
        let Some(led) = self.led.get_mut(&shard) else { return };
        led.posted();
        match error {
            Unpublished::NotStored(error) => {
                // Those that were stored before wait on; the others are computed again, as they are then.
                let (stored, unstored): (Vec<Ready>, Vec<Ready>) =
                    rankings.into_iter().partition(|ranking| ranking.row.is_none());
                led.put_back(stored, pause);
                for ranking in unstored {
                    self.schedule.may_be_stored(&ranking.team, clock::seconds(ranking.as_of));
                    self.schedule.failed(&ranking.team, ranking.links);
                }
                self.trouble.failed(&error.context("cannot store snapshots"));
            }
            Unpublished::NotWritten(Unwritten::Fenced(error)) => {
                // The tenure lasts as far as we know: the group has moved on, and the next try has its new generation. If the
                // shard is another's, the group will say so.
                self.metrics.fenced(rankings.len());
                led.put_back(rankings, poll);
                tracing::debug!(flywheel.shard = shard.0, error = format!("{error:#}"), "rankings were fenced");
            }
            Unpublished::NotWritten(Unwritten::Aborted(error)) => {
                led.put_back(rankings, pause);
                self.trouble.failed(&error.context("cannot publish"));
            }
            Unpublished::NotWritten(Unwritten::Refused(error)) => self.refused(shard, rankings, error),
            Unpublished::NotWritten(Unwritten::Broken { refused, cause }) => {
                led.closed();
                self.schedule.give_up(shard);
                if refused {
                    self.trouble.failed(&cause);
                    self.refused(shard, rankings, cause);
                } else {
                    self.metrics.fenced(rankings.len());
                    led.put_back(rankings, Duration::ZERO);
                    self.trouble.failed(&cause.context("cannot publish"));
                }
                self.open(shard, pause);
            }
        }
    }

    /// The topic does not take one of these. Which, is seen when each goes alone; that one rests, so that it keeps no other
    /// waiting.
    fn refused(&mut self, shard: Shard, rankings: Vec<Ready>, error: anyhow::Error) {
        if rankings.len() > 1 {
            tracing::debug!(flywheel.shard = shard.0, error = format!("{error:#}"), "rankings go one by one");
            if let Some(led) = self.led.get_mut(&shard) {
                led.put_back_apart(rankings);
            }
            return;
        }
        let error = error.context("the topic refuses it");
        for ranking in rankings {
            self.not_computed(&ranking.team, ranking.links, &error);
        }
    }

    /// A task panicked: all shards are taken over anew, in their tenures.
    pub(super) fn crashed(&mut self, error: &anyhow::Error) {
        self.give_up_all();
        self.trouble.failed(error);
    }
}

/// Closing a client blocks its thread for a moment.
fn drop_aside(writer: Writer) {
    tokio::task::spawn_blocking(move || drop(writer));
}
