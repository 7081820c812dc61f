//! What passes between a process and Kafka.

use crate::{
    ids::{Offset, TopicPartition},
    input::{CommitAnswer, Drained, Fetched, Input},
};

use super::{
    super::{
        kafka::{Member, MemberId},
        schedule::Breach,
    },
    ProcessId, SentCommit, World, nth,
};

impl World {
    pub(super) fn produce(&mut self, pick: usize) {
        if let Some(partition) = nth(self.kafka.log_ends.keys(), pick)
            && let Some(end) = self.kafka.log_ends.get_mut(&partition)
        {
            *end += 1 + (pick / 7 % 4) as i64;
        }
    }

    pub(super) fn drain(&mut self, id: ProcessId, pick: usize) -> bool {
        let Some(process) = self.processes.get_mut(&id) else { return false };
        let ends = self.kafka.log_ends.iter();
        let readable: Vec<(TopicPartition, (i64, i64))> = ends
            .filter_map(|(partition, end)| process.next_read(*partition, *end).map(|read| (*partition, read)))
            .collect();
        if readable.is_empty() {
            return false;
        }
        let (partition, (next, end)) = readable[pick % readable.len()];
        let end = end.min(next + 1 + (pick / 11 % 3) as i64);
        process.held.extend((next..end).map(|offset| (partition, offset)));
        if let Some(reading) = process.reading.get_mut(&partition) {
            reading.0 = end;
        }
        let records = (end - next).unsigned_abs();
        let drained = Drained { partition, first: Offset(next), end: Offset(end), records, bytes: records };
        self.step(id, Input::Drained(drained));
        true
    }

    /// The client talks to its coordinator: joins, learns of a rebalance, or learns that it is out.
    pub(super) fn heartbeat(&mut self, id: ProcessId) -> bool {
        let Some(process) = self.processes.get_mut(&id) else { return false };
        let instance = self.settings.static_members.then_some(process.instance);
        match process.client.member {
            None if process.client.unreleased.is_empty() && process.client.events.is_empty() => {
                process.client.member = Some(self.kafka.join(id, instance));
                true
            }
            None => false,
            Some(member) if !self.kafka.members.contains_key(&member) => {
                if self.kafka.is_replaced(instance) {
                    // Fenced by its successor: fatal.
                    self.crash(id);
                } else {
                    process.expelled();
                }
                true
            }
            Some(member) => match self.kafka.sync(member) {
                Some(sync) => {
                    process.synced(sync);
                    true
                }
                None => false,
            },
        }
    }

    pub(super) fn rebalance(&mut self, expel: bool) -> bool {
        let processes = &self.processes;
        let ready = |id: MemberId, member: &Member| {
            processes.get(&member.process).is_some_and(|process| {
                !process.paused && process.client.member == Some(id) && process.client.unreleased.is_empty()
            })
        };
        self.kafka.rebalance(ready, expel)
    }

    pub(super) fn fetch(&mut self, id: ProcessId) -> bool {
        let Some(process) = self.processes.get_mut(&id) else { return false };
        let Some((request, partitions)) = process.fetches.pop() else { return false };
        let fetched = partitions.into_iter().map(|partition| Fetched {
            partition,
            topic_id: 3,
            committed: self.kafka.committed.get(&partition).cloned(),
            log_first: Offset(0),
            log_end: Offset(self.kafka.log_ends[&partition]),
        });
        process.answers.push(Input::Fetched(request, fetched.collect()));
        true
    }

    /// The client sends a queued commit, with the generation that it has now.
    pub(super) fn send_commit(&mut self, id: ProcessId) -> bool {
        let Some(process) = self.processes.get_mut(&id) else { return false };
        let client = &mut process.client;
        let Some((request, commits)) = client.queue.pop_front() else { return false };
        let (member, generation) = (client.member, client.generation);
        let sent = |commits, abandoned| SentCommit { process: id, id: request, member, generation, commits, abandoned };
        if self.plan.breach == Some(Breach::CommitsRepeated) {
            self.commits.push(sent(commits.clone(), true));
        }
        self.commits.push(sent(commits, false));
        true
    }

    pub(super) fn arrive_commit_of(&mut self, id: ProcessId) -> bool {
        let at = self.commits.iter().position(|commit| commit.process == id && !commit.abandoned);
        at.is_some_and(|at| self.arrive_commit(at, false))
    }

    /// A commit reaches the broker; with `lost`, its answer does not come back.
    pub(super) fn arrive_commit(&mut self, pick: usize, lost: bool) -> bool {
        if self.commits.is_empty() {
            return false;
        }
        let commit = self.commits.remove(pick % self.commits.len());
        let admitted = self.kafka.admits(commit.member, commit.generation);
        if self.story.is_some() {
            self.tell(format!("  broker, commit {:?} of process {}: admitted {admitted}", commit.id, commit.process));
        }
        if admitted {
            self.kafka.keep(&commit.commits);
            let declared = self.oracle.committed(&commit.commits, &self.clickhouse);
            if let Some(process) = self.processes.get_mut(&commit.process) {
                process.declared.extend(declared);
            }
        }
        let answer = match (lost, admitted) {
            (true, _) => CommitAnswer::Unknown,
            (false, true) => CommitAnswer::Ok,
            (false, false) => CommitAnswer::Fenced,
        };
        if !commit.abandoned
            && let Some(process) = self.processes.get_mut(&commit.process)
        {
            process.commit_answered(commit.id, answer);
        }
        true
    }

    pub(super) fn lose_commit(&mut self, pick: usize) {
        let waiting: Vec<usize> = (0..self.commits.len()).filter(|at| !self.commits[*at].abandoned).collect();
        let Some(at) = nth(waiting.iter(), pick) else { return };
        self.commits[at].abandoned = true;
        let commit = &self.commits[at];
        if let Some(process) = self.processes.get_mut(&commit.process) {
            process.commit_answered(commit.id, CommitAnswer::Unknown);
        }
    }

    pub(super) fn refuse_commit(&mut self, pick: usize) {
        if self.commits.is_empty() {
            return;
        }
        let commit = self.commits.remove(pick % self.commits.len());
        if !commit.abandoned
            && let Some(process) = self.processes.get_mut(&commit.process)
        {
            process.commit_answered(commit.id, CommitAnswer::Failed);
        }
    }
}
