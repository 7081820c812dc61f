//! The one commit that may be under way: it declares new ranges, acknowledges old ones and proves that we are still a member.

use std::collections::BTreeSet;

use crate::{
    effect::{Commit, Effect, StopReason},
    ids::{Millis, RequestId, TopicPartition},
    input::CommitAnswer,
    planted::Bug,
};

use super::{Config, Machine, tenure::Mark};

/// What is known of our commits.
#[derive(Debug, Default)]
pub(super) struct Lane {
    unanswered: Option<Unanswered>,
    retry_at: Option<Millis>,
    /// When the last successful commit was sent: the group knew us then, or later.
    proven_at: Option<Millis>,
    /// Since when there is something to commit.
    dirty_since: Option<Millis>,
}

#[derive(Debug)]
struct Unanswered {
    id: RequestId,
    sent_at: Millis,
    marks: Vec<(TopicPartition, Mark)>,
}

impl Lane {
    pub(super) fn wake_at(&self, config: &Config) -> impl Iterator<Item = Millis> {
        let idle = self.dirty_since.map(|since| since.plus(config.idle_commit_ms));
        self.retry_at.into_iter().chain(idle)
    }

    /// Whether a commit of the partition is queued or under way.
    pub(super) fn carries(&self, partition: TopicPartition) -> bool {
        self.unanswered.as_ref().is_some_and(|commit| commit.marks.iter().any(|(of, _)| *of == partition))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.unanswered.is_none()
    }
}

impl Machine {
    /// Whether the group knew us so lately that an insert may go out.
    pub(super) fn is_proven(&self) -> bool {
        let age = self.lane.proven_at.map(|at| self.now.since(at));
        age.is_some_and(|age| age <= self.config.fence_age_ms_max)
    }

    /// Commits if a group waits for it, if a partition leaves, or if the low-water mark has been uncommitted for long.
    pub(super) fn commit(&mut self) {
        let dirty = self.tenures.iter().filter(|(_, tenure)| tenure.is_dirty());
        let mut partitions: BTreeSet<TopicPartition> = dirty.map(|(partition, _)| *partition).collect();
        self.lane.dirty_since = match self.lane.dirty_since {
            _ if partitions.is_empty() => None,
            Some(since) => Some(since),
            None => Some(self.now),
        };
        if !self.lane.is_idle() || self.lane.retry_at.is_some_and(|at| at > self.now) {
            return;
        }
        let suspects =
            self.tenures.iter().filter(|(_, tenure)| tenure.suspect.is_some()).map(|(partition, _)| *partition);
        let needed: Vec<TopicPartition> = self.unproven().into_iter().chain(suspects).collect();
        let idle = self.lane.dirty_since.is_some_and(|since| self.now.since(since) >= self.config.idle_commit_ms);
        let leaving = partitions.iter().any(|partition| self.tenures[partition].is_leaving());
        if needed.is_empty() && !idle && !leaving {
            return;
        }
        partitions.extend(needed);

        let (mut commits, mut marks) = (Vec::new(), Vec::new());
        for partition in partitions {
            let Some(tenure) = self.tenures.get(&partition).filter(|tenure| tenure.known.is_some()) else { continue };
            let metadata = tenure.metadata().encode();
            commits.push(Commit { partition, offset: tenure.low, metadata });
            marks.push((partition, tenure.mark()));
        }
        if commits.is_empty() {
            return;
        }
        let id = self.next_request();
        self.lane = Lane {
            unanswered: Some(Unanswered { id, sent_at: self.now, marks }),
            retry_at: None,
            dirty_since: None,
            ..self.lane
        };
        self.effects.push(Effect::Commit(id, commits));
        if self.has(Bug::InsertBeforeIntent) {
            self.resume_flights();
        }
    }

    pub(super) fn committed(&mut self, id: RequestId, answer: CommitAnswer) {
        let Some(commit) = self.lane.unanswered.take_if(|commit| commit.id == id) else { return };
        let retry_at = Some(self.now.plus(self.config.retry_pause_ms));
        match answer {
            CommitAnswer::Ok => {
                self.lane.proven_at = Some(commit.sent_at);
                self.convict(&commit.marks);
                for (partition, mark) in commit.marks {
                    // Given up meanwhile: nothing of it is committed again.
                    if let Some(tenure) = self.tenures.get_mut(&partition).filter(|tenure| tenure.known.is_some()) {
                        tenure.known = Some(mark);
                        tenure.confirmed = Some(mark.declared);
                    }
                }
            }
            // The client learns from the group what is still ours, and tells us; a try before that is refused again.
            CommitAnswer::Fenced => {
                self.lane.proven_at = None;
                self.lane.retry_at = retry_at;
                self.hurry();
            }
            CommitAnswer::Failed => self.lane.retry_at = retry_at,
            CommitAnswer::Unknown if self.has(Bug::UnknownCommitIsFailed) => self.lane.retry_at = retry_at,
            CommitAnswer::Unknown => self.rejoin(),
        }
    }

    /// Nobody else has had these partitions between their assignment and this commit, so what was fetched was true when the
    /// look saw rows that it does not declare. A paused owner that wakes sees such rows too: its commit is fenced.
    fn convict(&mut self, marks: &[(TopicPartition, Mark)]) {
        for (partition, mark) in marks {
            if let Some(seen) = self.tenures.get(partition).and_then(|tenure| tenure.suspect) {
                self.stop(StopReason::RowsBeyond(*partition, mark.declared, seen));
            }
        }
    }
}
