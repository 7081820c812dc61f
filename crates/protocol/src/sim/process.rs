//! A process: the machine, Kafka's client and the shell between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    effect::{Commit, Effect, Look},
    ids::{Millis, Offset, RequestId, TopicPartition},
    input::{CommitAnswer, Input, InsertAnswer},
    machine::Machine,
    range::Range,
    token::Group,
};

use super::{
    clickhouse::{Outcome, Request, Row},
    kafka::{MemberId, Sync},
};

/// One run of an instance.
pub(super) struct Process {
    pub(super) instance: usize,
    pub(super) machine: Machine,
    pub(super) paused: bool,
    pub(super) client: Client,
    /// Answers that have come, in no order.
    pub(super) answers: Vec<Input>,
    pub(super) fetches: Vec<(RequestId, Vec<TopicPartition>)>,
    pub(super) looks: Vec<Look>,
    pub(super) checks: Vec<(RequestId, Group)>,
    pub(super) unsent_inserts: Vec<(RequestId, Vec<Request>)>,
    pub(super) inserting: BTreeMap<RequestId, Outstanding>,
    /// Where each partition is read, and to where.
    pub(super) reading: BTreeMap<TopicPartition, (i64, Option<i64>)>,
    /// Records in memory.
    pub(super) held: BTreeSet<(TopicPartition, i64)>,
    /// Rows that a look has found.
    pub(super) seen: BTreeSet<Row>,
    /// For the oracle: what this process's commits have declared in the present tenure.
    pub(super) declared: BTreeSet<(TopicPartition, Range, Group)>,
    /// For the oracle: when each commit was asked for, and the last of those that the machine knows to have succeeded.
    pub(super) committed_at: BTreeMap<RequestId, Millis>,
    pub(super) proven_at: Option<Millis>,
}

/// The client's side of the group, as librdkafka has it.
#[derive(Default)]
pub(super) struct Client {
    pub(super) member: Option<MemberId>,
    pub(super) generation: u32,
    pub(super) owned: BTreeSet<TopicPartition>,
    /// Rebalance events, in order.
    pub(super) events: VecDeque<Input>,
    /// Taken away, and not unassigned yet: until then it does not join again.
    pub(super) unreleased: BTreeSet<TopicPartition>,
    /// Commits that wait to be sent; they get the generation that the client has then.
    pub(super) queue: VecDeque<(RequestId, Vec<Commit>)>,
}

/// The tables that an insert still waits for.
#[derive(Default)]
pub(super) struct Outstanding {
    pub(super) left: usize,
    pub(super) acknowledged: usize,
    pub(super) refused: usize,
    pub(super) unclear: usize,
}

impl Process {
    pub(super) fn new(instance: usize, machine: Machine) -> Self {
        Self {
            instance,
            machine,
            paused: false,
            client: Client::default(),
            answers: Vec::new(),
            fetches: Vec::new(),
            looks: Vec::new(),
            checks: Vec::new(),
            unsent_inserts: Vec::new(),
            inserting: BTreeMap::new(),
            reading: BTreeMap::new(),
            held: BTreeSet::new(),
            seen: BTreeSet::new(),
            declared: BTreeSet::new(),
            committed_at: BTreeMap::new(),
            proven_at: None,
        }
    }

    /// Keeps what the machine asks for until the world lets it happen. Returns whether it joins the group again.
    pub(super) fn take(&mut self, effect: Effect, now: Millis) -> bool {
        match effect {
            Effect::FetchCommitted(id, partitions) => self.fetches.push((id, partitions)),
            Effect::Consume { partition, from, until } => {
                self.reading.insert(partition, (from.0, until.map(|until| until.0)));
            }
            Effect::Commit(id, commits) => {
                self.committed_at.insert(id, now);
                self.client.queue.push_back((id, commits));
            }
            Effect::Look(look) => self.looks.push(look),
            Effect::CheckDead(id, group) => self.checks.push((id, group)),
            Effect::Durable(partition, through) => {
                self.held.retain(|(of, offset)| *of != partition || *offset >= through.0);
            }
            Effect::Release(partitions) => {
                for partition in partitions {
                    self.client.unreleased.remove(&partition);
                    self.forget(partition);
                }
                return self.client.unreleased.is_empty();
            }
            Effect::Rejoin => {
                self.client = Client::default();
                self.reading.clear();
                self.held.clear();
                self.seen.clear();
                self.declared.clear();
            }
            // The world makes the body of an insert from the log and sees to the end.
            Effect::Sealed(_) | Effect::Insert(_) | Effect::Stop(_) => {}
        }
        false
    }

    fn forget(&mut self, partition: TopicPartition) {
        self.reading.remove(&partition);
        self.held.retain(|(of, _)| *of != partition);
        self.seen.retain(|row| row.partition != partition);
        self.declared.retain(|(of, _, _)| *of != partition);
    }

    /// The client learns the result of a rebalance.
    pub(super) fn synced(&mut self, sync: Sync) {
        let client = &mut self.client;
        client.generation = sync.generation;
        let revoked: Vec<TopicPartition> = client.owned.difference(&sync.assignment).copied().collect();
        let assigned: Vec<TopicPartition> = sync.assignment.difference(&client.owned).copied().collect();
        client.owned = sync.assignment;
        if !revoked.is_empty() {
            client.unreleased.extend(revoked.iter().copied());
            client.events.push_back(Input::Revoke(revoked));
        }
        if !assigned.is_empty() {
            client.events.push_back(Input::Assigned(assigned));
        }
    }

    /// The client learns that it is no member any more.
    pub(super) fn expelled(&mut self) {
        let client = &mut self.client;
        client.member = None;
        let lost: Vec<TopicPartition> = std::mem::take(&mut client.owned).into_iter().collect();
        if !lost.is_empty() {
            client.unreleased.extend(lost.iter().copied());
            client.events.push_back(Input::Lost(lost));
        }
    }

    /// Where draining of a partition goes on.
    pub(super) fn next_read(&self, partition: TopicPartition, log_end: i64) -> Option<(i64, i64)> {
        let (next, until) = *self.reading.get(&partition)?;
        let end = until.unwrap_or(log_end).min(log_end);
        (next < end && self.machine.may_drain(partition)).then_some((next, end))
    }

    pub(super) fn commit_answered(&mut self, id: RequestId, answer: CommitAnswer) {
        self.answers.push(Input::Committed(id, answer));
    }

    /// One table has answered; when all have, the insert has.
    pub(super) fn table_answered(&mut self, id: RequestId, outcome: Outcome) {
        let Some(outstanding) = self.inserting.get_mut(&id) else { return };
        match outcome {
            Outcome::Acknowledged => outstanding.acknowledged += 1,
            Outcome::Refused => outstanding.refused += 1,
            Outcome::Unclear => outstanding.unclear += 1,
        }
        outstanding.left -= 1;
        if outstanding.left == 0 {
            let answer = match outstanding {
                Outstanding { refused: 0, unclear: 0, .. } => InsertAnswer::Ok,
                Outstanding { acknowledged: 0, unclear: 0, .. } => InsertAnswer::Failed,
                _ => InsertAnswer::Ambiguous,
            };
            self.inserting.remove(&id);
            self.answers.push(Input::Inserted(id, answer));
        }
    }

    /// The oracle's view of whether the group knew us lately.
    pub(super) fn proof_age_ms(&self, now: Millis) -> Option<u64> {
        self.proven_at.map(|at| now.since(at))
    }

    /// The low-water mark that the machine believes in.
    pub(super) fn low(&self, partition: TopicPartition) -> Offset {
        self.machine.low_water(partition).unwrap_or(Offset(0))
    }
}
