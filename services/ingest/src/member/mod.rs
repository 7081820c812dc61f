//! The loop: one thread that owns the client, the rows and the protocol.
//!
//! It serves the group, takes answers, drains records and decodes them into columns, tells the protocol what happened, and
//! carries out what the protocol wants. It waits for nobody: what takes time runs beside it and sends an answer. When there
//! is nothing to do it sleeps until somebody wakes it.
//!
//! - `lane`: what is known of one partition, and its rows.
//! - `rows`: the rows of a range.
//! - `intake`: from records to rows.
//! - `effects`: what the protocol wants, carried out.
//! - `presence`: how much of a range a look has found.
//! - `report`: how the loop stands, and whether what it wrote is there.
//! - `tasks`: what takes time.
//! - `trouble`: what does not work at the moment.

mod effects;
mod intake;
mod lane;
mod presence;
mod report;
mod rows;
mod tasks;
mod trouble;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use clickhouse::Client;
use kit::config::KafkaConfig;
use protocol::{Input, InsertAnswer, Looked, Machine, Millis, Part, Presence, StopReason, TopicPartition};
use rdkafka::error::RDKafkaErrorCode;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{
    clickhouse::{self as ch, Found},
    config::IngestConfig,
    kafka::{Member, Told},
    metrics::Metrics,
    progress::Progress,
    tables::There,
};

pub(crate) use self::{
    intake::{BATCH_RECORDS_MAX, take_in},
    rows::Rows,
};

use self::{
    lane::{Lane, Reading, Stage},
    tasks::{Answer, Tasks, Written},
    trouble::{Trouble, Work},
};

/// The longest sleep: membership in the group depends on being served.
const IDLE_MAX: Duration = Duration::from_millis(100);

/// How long the group is given to take notice that we leave.
const LEAVE_MAX: Duration = Duration::from_secs(3);

/// How many times longer records may wait while ingest is behind.
const BEHIND_FLUSH_FACTOR: u32 = 10;

/// Ingest is behind when Kafka received so long ago what is drained now, and there is more. That of one partition is enough:
/// what is fresh in the others waits with it, for larger inserts end it sooner.
const BEHIND_AGE_MIN: Duration = Duration::from_secs(1);

/// Everything that the loop owns.
pub(crate) struct Ingest {
    config: IngestConfig,
    kafka: KafkaConfig,
    machine: Machine,
    /// The machine's time begins here.
    begun: Instant,
    member: Member,
    lanes: BTreeMap<TopicPartition, Lane>,
    /// What looks have found of ranges that are not durable yet.
    seen: Found,
    /// Inserts that wait for their repeats to be found.
    deferred: Vec<protocol::Insert>,
    /// What is to be told to the machine next.
    inputs: VecDeque<Input>,
    tasks: Tasks,
    answers: mpsc::Receiver<Answer>,
    progress: Arc<Mutex<Progress>>,
    metrics: Metrics,
    /// The last pass over the partitions left records behind, and what it took was late already.
    behind: bool,
    /// The last pass took nothing new, for want of memory.
    full: bool,
    tenures: u64,
    memberships: u64,
    trouble: Trouble,
    kafka_trouble: Option<String>,
    commit_sent_at: Option<Instant>,
    reported_at: Instant,
    audited_at: Instant,
    ended: Option<StopReason>,
}

impl Ingest {
    /// Joins the group. Runs on the thread that will call [`Ingest::run`].
    pub(crate) fn join(
        config: IngestConfig,
        kafka: KafkaConfig,
        client: &Client,
        progress: Arc<Mutex<Progress>>,
        metrics: Metrics,
        runtime: Handle,
    ) -> anyhow::Result<Self> {
        tracing::info!(
            group = config.group,
            instance = config.instance,
            epoch = config.epoch,
            buffer_bytes_max = config.buffer_bytes_max,
            "joining the consumer group"
        );
        let (sender, answers) = mpsc::channel();
        let tasks = Tasks {
            runtime,
            answers: sender,
            waker: thread::current(),
            client: client.clone(),
            inserting: ch::inserting(client, config.compress),
            insert_max: Duration::from_millis(config.insert_ms_max),
            retry_pause: Duration::from_millis(config.retry_pause_ms),
            metrics: metrics.clone(),
        };
        Ok(Self {
            machine: Machine::new(config.protocol()),
            begun: Instant::now(),
            member: Self::member(&config, &kafka)?,
            config,
            kafka,
            lanes: BTreeMap::new(),
            seen: Found::new(),
            deferred: Vec::new(),
            inputs: VecDeque::new(),
            tasks,
            answers,
            progress,
            metrics,
            behind: false,
            full: false,
            tenures: 0,
            memberships: 0,
            trouble: Trouble::default(),
            kafka_trouble: None,
            commit_sent_at: None,
            reported_at: Instant::now(),
            audited_at: Instant::now(),
            ended: None,
        })
    }

    fn member(config: &IngestConfig, kafka: &KafkaConfig) -> anyhow::Result<Member> {
        let waker = thread::current();
        Member::join(config, kafka, Arc::new(move || waker.unpark()))
    }

    /// Runs until `shutdown`, then finishes what is in flight.
    ///
    /// # Errors
    /// When the client has failed for good, or the protocol finds what it must not guess about.
    pub(crate) fn run(mut self, shutdown: &CancellationToken) -> anyhow::Result<()> {
        let mut stopping = false;
        loop {
            if shutdown.is_cancelled() && !stopping {
                stopping = true;
                // What is drained is declared if it can be; the rest is read again by whoever comes next.
                self.inputs.extend([Input::FlushDue, Input::Shutdown]);
            }
            let mut busy = self.serve_group()?;
            busy |= self.take_answers()?;
            busy |= self.drain()?;
            self.flush_if_due();
            self.report_if_due();
            self.audit_if_due();
            self.inputs.push_back(Input::Tick);
            self.step()?;
            match self.ended.take() {
                Some(StopReason::Shutdown) => {
                    self.member.leave(LEAVE_MAX);
                    tracing::info!("ingest drained");
                    return Ok(());
                }
                Some(reason) => return Err(anyhow!(reason)),
                None => {}
            }
            if !busy {
                thread::park_timeout(self.idle_for());
            }
        }
    }

    /// Tells the machine what has happened and carries out what it wants, until there is nothing left of either.
    fn step(&mut self) -> anyhow::Result<()> {
        while let Some(input) = self.inputs.pop_front() {
            let now = Millis(u64::try_from(self.begun.elapsed().as_millis())?);
            if input != Input::Tick {
                tracing::trace!(?input, "step");
            }
            for effect in self.machine.step(now, input) {
                tracing::trace!(?effect, "carry out");
                self.carry_out(effect)?;
            }
        }
        Ok(())
    }

    /// Returns whether the group had anything to say.
    fn serve_group(&mut self) -> anyhow::Result<bool> {
        let membership = self.memberships;
        let told = self.member.poll()?;
        let busy = !told.is_empty();
        for told in told {
            if self.memberships != membership {
                // That was told to a member that we no longer are.
                break;
            }
            match told {
                Told::Assigned(partitions) => {
                    for partition in &partitions {
                        self.tenures += 1;
                        self.lanes.insert(*partition, Lane::of(*partition, self.tenures));
                        self.progress().assigned(partition.topic.0, partition.partition);
                    }
                    self.inputs.push_back(Input::Assigned(partitions));
                }
                Told::Revoked(partitions) => self.inputs.push_back(Input::Revoke(partitions)),
                Told::Lost(partitions) => self.inputs.push_back(Input::Lost(partitions)),
                Told::Committed(id, answer) => {
                    let took = self.commit_sent_at.take().map(|at| at.elapsed()).unwrap_or_default();
                    self.metrics.committed(took, answer);
                    self.inputs.push_back(Input::Committed(id, answer));
                }
                Told::Unwell(error) => {
                    let missing = error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition);
                    let error = error.to_string();
                    if self.kafka_trouble.as_ref() != Some(&error) {
                        let remedy = missing.then_some("run `flywheel migrate`");
                        tracing::warn!(error, remedy, "kafka cannot be read, trying on");
                        self.kafka_trouble = Some(error);
                    }
                }
            }
            self.step()?;
        }
        Ok(busy)
    }

    /// Returns whether there were any.
    fn take_answers(&mut self) -> anyhow::Result<bool> {
        let mut busy = false;
        while let Ok(answer) = self.answers.try_recv() {
            busy = true;
            match answer {
                Answer::Protocol(input) => {
                    if let Input::Fetched(_, fetched) = &input {
                        self.trouble.ends(Work::Offsets);
                        for fetched in fetched {
                            if let Some(lane) = self.lanes.get_mut(&fetched.partition) {
                                lane.topic_id = Some(fetched.topic_id);
                            }
                            let start = fetched.committed.as_ref().map_or(fetched.log_first, |(offset, _)| *offset);
                            let TopicPartition { topic, partition } = fetched.partition;
                            self.progress().starts_at(topic.0, partition, start);
                        }
                    }
                    self.inputs.push_back(input);
                }
                Answer::Looked(look, found, beyond) => {
                    self.trouble.ends(Work::Asking);
                    let presence = look.parts.iter().map(|part| self.presence(part, &found, look.flight.is_some()));
                    let presence: Vec<Presence> = presence.collect();
                    if look.flight.is_none() {
                        let missing = presence.iter().filter(|presence| **presence != Presence::Present).count();
                        tracing::info!(
                            kafka.partitions = look.beyond.len(),
                            ranges.declared = presence.len(),
                            ranges.missing = missing,
                            "partitions taken over, reading what is missing and then what is new"
                        );
                    }
                    if look.flight.is_none() && presence.contains(&Presence::Present) {
                        // Whoever inserted these rows may not have come to tell the ranker.
                        let tasks = self.tasks.clone();
                        self.tasks
                            .runtime
                            .spawn(async move { tasks.tell_teams(&BTreeMap::from([(String::new(), 1)]), "").await });
                    }
                    // Joined, not replaced: a row that was seen stays, and an older answer may come after a newer one.
                    for (part, there) in found {
                        let seen = self.seen.entry(part).or_default();
                        for (table, offsets) in there {
                            seen.entry(table).or_default().extend(offsets);
                        }
                    }
                    self.inputs.push_back(Input::Looked(look.id, Looked { presence, beyond }));
                }
                Answer::Remembered(partition, tenure, window) => self.remembered(partition, tenure, window),
                Answer::Searched(partition, tenure, range, repeats) => {
                    self.searched(partition, tenure, range, &repeats)?;
                }
                Answer::Inserted(id, written) => {
                    let answer = self.inserted(written);
                    self.inputs.push_back(Input::Inserted(id, answer));
                }
                Answer::Audited(part, findings) => self.audited(part, findings),
                Answer::Topics(topics) => self.are_the_same(&topics),
                Answer::Told => self.trouble.ends(Work::Telling),
                Answer::Failed(work, error) => self.trouble.begins(work, &error),
            }
            self.step()?;
        }
        Ok(busy)
    }

    /// How much of a part there is: row by row for who holds its records.
    fn presence(&self, part: &Part, found: &Found, holds: bool) -> Presence {
        let nothing = There::new();
        let there = found.get(part).unwrap_or(&nothing);
        let held = self.lanes.get(&part.partition).and_then(|lane| lane.held(part.range));
        match held {
            Some(held) if holds => presence::held(&held.rows.tables, there),
            _ => presence::looked_at(part, there),
        }
    }

    fn inserted(&mut self, written: Written) -> InsertAnswer {
        match &written.error {
            Some(error) => self.trouble.begins(Work::Inserting, error),
            None => self.trouble.ends(Work::Inserting),
        }
        self.metrics.batch_written(&written.tables, written.took);
        match written.answer {
            // Without the protocol nobody looks: whatever is unclear is sent again.
            InsertAnswer::Ambiguous if cfg!(feature = "unprotected") => InsertAnswer::Failed,
            answer => answer,
        }
    }

    /// The client reads on where it stood in a topic that was deleted and made again under the same name: then we end, before
    /// offsets of the one are taken for offsets of the other. What was committed names the topic, so the next start ends too.
    fn are_the_same(&mut self, topics: &BTreeMap<&'static str, u32>) {
        let another = self.lanes.iter().find(|(partition, lane)| {
            let now = topics.get(partition.topic.0);
            lane.topic_id.is_some_and(|id| now.is_some_and(|now| *now != id))
        });
        if let Some((partition, _)) = another {
            self.ended = Some(StopReason::Anew(*partition));
        }
    }

    /// Declares what has been open for long enough, or all there is room for.
    fn flush_if_due(&mut self) {
        let flush_age = self.flush_age();
        let due = self.lanes.values().filter_map(|lane| lane.opened_at).any(|at| at.elapsed() >= flush_age);
        let nothing_else_frees_memory = self.full && self.lanes.values().all(|lane| lane.held.is_empty());
        if due || nothing_else_frees_memory {
            for lane in self.lanes.values_mut() {
                lane.opened_at = None;
            }
            self.inputs.push_back(Input::FlushDue);
        }
    }

    /// How long drained records may wait. Longer while there are more than can be taken: fewer, larger inserts catch up sooner.
    fn flush_age(&self) -> Duration {
        Duration::from_millis(self.config.flush_age_ms_max) * if self.behind { BEHIND_FLUSH_FACTOR } else { 1 }
    }

    /// How long nothing happens by itself.
    fn idle_for(&self) -> Duration {
        let now = Instant::now();
        let wakes = self.machine.wake_at().map(|at| self.begun + Duration::from_millis(at.0));
        let flush_age = self.flush_age();
        let flushes = self.lanes.values().filter_map(|lane| lane.opened_at.map(|at| at + flush_age));
        let seeks = self.lanes.values().filter_map(|lane| match lane.stage {
            Stage::Seeking(Reading { .. }, at) => Some(at),
            Stage::Waiting | Stage::Remembering(_) | Stage::Reading(_) => None,
        });
        let next = wakes.into_iter().chain(flushes).chain(seeks).min();
        next.map_or(IDLE_MAX, |at| at.saturating_duration_since(now)).min(IDLE_MAX)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
