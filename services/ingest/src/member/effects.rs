//! What the protocol wants, carried out.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use anyhow::{Context as _, bail};
use domain::record::InputTopic;
use protocol::{
    Commit, CommitAnswer, Effect, Input, InsertAnswer, Look, Looked, Offset, Part, Presence, Range, RequestId,
    TopicPartition,
};

use wire::topics::USAGE;

use crate::{
    kafka::input_topic,
    repeats::{Window, history},
};

use super::{
    Ingest,
    lane::{Lane, Reading, Search, Stage},
    rows::Rows,
    tasks::Cargo,
    trouble::Work,
};

/// Whether the protocol is left out, to have something to compare it with: nothing is declared, no insert has a token and
/// nobody looks. What is written then is at least once.
const UNPROTECTED: bool = cfg!(feature = "unprotected");

impl Ingest {
    pub(super) fn carry_out(&mut self, effect: Effect) -> anyhow::Result<()> {
        match effect {
            Effect::FetchCommitted(id, partitions) => self.tasks.fetch(id, self.member.consumer(), partitions),
            Effect::Consume { partition, from, until } => self.consume(partition, from, until),
            Effect::Sealed(parts) => self.sealed(&parts),
            Effect::Commit(id, commits) => self.commit(id, commits),
            Effect::Insert(insert) => self.insert(insert)?,
            Effect::Look(look) => self.look(look),
            Effect::CheckDead(id, group) => self.tasks.check_dead(id, group),
            Effect::Durable(partition, through) => self.durable(partition, through),
            Effect::Release(partitions) => self.release(&partitions)?,
            Effect::Rejoin => self.rejoin()?,
            Effect::Stop(reason) => self.ended = Some(reason),
        }
        Ok(())
    }

    /// Reads a partition from an offset on, once the pairs that it had below are known.
    fn consume(&mut self, partition: TopicPartition, from: Offset, until: Option<Offset>) {
        let Some(lane) = self.lanes.get_mut(&partition) else { return };
        let reading = Reading { from, until };
        let goes_on = lane.position == Some(from);
        lane.position = Some(from);
        lane.open = Rows::default();
        lane.opened_at = None;
        if goes_on {
            lane.stage = Stage::Seeking(reading, Instant::now());
        } else {
            // What lies between was skipped because it is durable, so ClickHouse has it.
            lane.stage = Stage::Remembering(reading);
            let window = std::mem::replace(&mut lane.window, window(partition));
            self.tasks.remember(partition, lane.tenure, from, window);
        }
    }

    /// The pairs are known: the window can judge what is read.
    pub(super) fn remembered(&mut self, partition: TopicPartition, tenure: u64, window: Window) {
        self.trouble.ends(Work::Asking);
        let Some(lane) = self.lanes.get_mut(&partition).filter(|lane| lane.tenure == tenure) else { return };
        let Stage::Remembering(reading) = lane.stage else { return };
        lane.window = window;
        lane.stage = Stage::Seeking(reading, Instant::now());
    }

    fn sealed(&mut self, parts: &[Part]) {
        for Part { partition, range } in parts {
            self.seal(*partition, *range);
        }
    }

    /// The open rows of a partition are a range now.
    pub(super) fn seal(&mut self, partition: TopicPartition, range: Range) {
        let Some(lane) = self.lanes.get_mut(&partition) else { return };
        let floor = Offset(lane.window.floor());
        let is_usage = partition.topic.0 == USAGE;
        // The range's own rows are never asked for: they would wait for themselves, and on a replay repeat themselves.
        let before = floor.min(range.first());
        let search = if is_usage || floor.0 == 0 { Search::Done } else { Search::Due(before) };
        lane.seal(range, search, Instant::now());
        self.search(partition);
    }

    /// Begins the searches that can: what lies below the window must be durable, so that ClickHouse knows it.
    fn search(&mut self, partition: TopicPartition) {
        let low = self.machine.low_water(partition);
        let Some(lane) = self.lanes.get_mut(&partition) else { return };
        for held in &mut lane.held {
            if let Search::Due(before) = held.search
                && low.is_some_and(|low| before <= low)
            {
                held.search = Search::Asked;
                self.tasks.search(partition, lane.tenure, held.range, Arc::clone(&held.rows), before);
            }
        }
    }

    /// A range's repeats of pairs below the window are known.
    pub(super) fn searched(
        &mut self,
        partition: TopicPartition,
        tenure: u64,
        range: Range,
        repeats: &BTreeSet<Offset>,
    ) -> anyhow::Result<()> {
        self.trouble.ends(Work::Asking);
        let lane = self.lanes.get_mut(&partition).filter(|lane| lane.tenure == tenure);
        let Some(held) = lane.and_then(|lane| lane.held.iter_mut().find(|held| held.range == range)) else {
            return Ok(());
        };
        if !repeats.is_empty() {
            let rows = Arc::get_mut(&mut held.rows).context("rows are to be changed while somebody reads them")?;
            rows.tables.turn_into_repeats(partition.topic.0, repeats);
        }
        held.search = Search::Done;
        self.insert_deferred()
    }

    /// Tries again the inserts that waited for a search, or for a partition that is not ours any more.
    fn insert_deferred(&mut self) -> anyhow::Result<()> {
        std::mem::take(&mut self.deferred).into_iter().try_for_each(|insert| self.insert(insert))
    }

    fn commit(&mut self, id: RequestId, commits: Vec<Commit>) {
        let commits = if UNPROTECTED { undeclared(commits) } else { commits };
        self.commit_sent_at = Some(Instant::now());
        if let Err(error) = self.member.commit(id, &commits) {
            tracing::debug!(error = error.to_string(), "a commit was not sent");
            self.inputs.push_back(Input::Committed(id, CommitAnswer::Failed));
        }
    }

    fn insert(&mut self, insert: protocol::Insert) -> anyhow::Result<()> {
        let mut cargo = Vec::new();
        for part in &insert.parts {
            let Some(lane) = self.lanes.get(&part.partition) else {
                // Given away since; the others' rows are asked for again.
                self.inputs.push_back(Input::Inserted(insert.id, InsertAnswer::Failed));
                return Ok(());
            };
            let Some(held) = lane.held(part.range) else {
                bail!("{} {} is to be inserted and is not held", part.partition, part.range);
            };
            if held.search != Search::Done {
                self.deferred.push(insert);
                return Ok(());
            }
            let there = if insert.only_missing { self.seen.get(part).cloned() } else { None };
            cargo.push(Cargo { rows: Arc::clone(&held.rows), partition: part.partition, there });
        }
        self.tasks.insert(insert.id, insert.token, cargo);
        Ok(())
    }

    fn look(&mut self, look: Look) {
        if !UNPROTECTED {
            return self.tasks.look(look);
        }
        let presence = look.parts.iter().map(|_| Presence::Absent).collect();
        self.inputs.push_back(Input::Looked(look.id, Looked { presence, beyond: Vec::new() }));
    }

    fn durable(&mut self, partition: TopicPartition, through: Offset) {
        let durable = self.lanes.get_mut(&partition).map(|lane| lane.durable(through)).unwrap_or_default();
        for held in &durable {
            self.metrics.durable(partition.topic.0, &held.rows);
        }
        self.seen.retain(|part, _| part.partition != partition || part.range.end() > through);
        let timestamp_ms = durable.last().map(|held| held.rows.timestamp_ms);
        self.progress().durable(partition.topic.0, partition.partition, through, timestamp_ms);
        self.search(partition);
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> anyhow::Result<()> {
        for partition in partitions {
            self.forget(*partition);
        }
        self.insert_deferred()?;
        Ok(self.member.release(partitions)?)
    }

    fn rejoin(&mut self) -> anyhow::Result<()> {
        tracing::warn!("a commit may or may not have arrived, joining the group anew");
        for partition in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.forget(partition);
        }
        self.deferred.clear();
        // What is still to be told is the old membership's.
        self.inputs.clear();
        self.memberships += 1;
        // Kafka does not rebalance for a static member that returns under its id: what is on its way from one member to another
        // just then would stay without an owner. The id is left behind until its session ends.
        if self.config.instance.take().is_some() {
            tracing::info!("a member without an instance id from now on");
        }
        self.member = Self::member(&self.config, &self.kafka)?;
        Ok(())
    }

    fn forget(&mut self, partition: TopicPartition) {
        self.lanes.remove(&partition);
        self.seen.retain(|part, _| part.partition != partition);
        self.progress().revoked(partition.topic.0, partition.partition);
    }
}

/// The same commits without what they declare.
fn undeclared(commits: Vec<Commit>) -> Vec<Commit> {
    commits.into_iter().map(|commit| Commit { metadata: String::new(), ..commit }).collect()
}

/// A window for the partition that remembers nothing yet.
fn window(partition: TopicPartition) -> Window {
    let (limits, rule) = history::rule_of(input_topic(partition.topic.0).unwrap_or(InputTopic::Usage));
    Window::new(limits, rule)
}

impl Lane {
    /// The lane of a partition that has just become ours.
    pub(super) fn of(partition: TopicPartition, tenure: u64) -> Self {
        Self::new(tenure, window(partition))
    }
}
