//! The world: processes, Kafka, ClickHouse and the network between them, one action at a time.
//!
//! This file lets things happen and heals; `group` has what passes between a process and Kafka, `inserts` what passes between
//! it and ClickHouse.

mod group;
mod inserts;

use std::collections::BTreeMap;

use crate::{
    effect::{Commit, Effect, StopReason},
    ids::{Millis, Offset, RequestId, TopicPartition},
    input::{CommitAnswer, Input},
    machine::{Config, Machine},
};

use super::{
    clickhouse::{ClickHouse, Row, table_of},
    kafka::{Kafka, MemberId},
    oracle::{Oracle, Violation},
    process::Process,
    schedule::{Action, Kind, Plan, Settings},
};

/// Numbers processes, never twice.
pub(super) type ProcessId = usize;

/// Instances that the operator runs; a paused one may have a second process beside it.
const INSTANCES: usize = 3;
const PROCESSES_MAX: usize = 4;
const ROUNDS_MAX: usize = 400;

/// Everything.
pub(super) struct World {
    settings: Settings,
    config: Config,
    plan: Plan,
    now: Millis,
    kafka: Kafka,
    clickhouse: ClickHouse,
    processes: BTreeMap<ProcessId, Process>,
    processes_made: usize,
    /// Commits on their way to the broker.
    commits: Vec<SentCommit>,
    oracle: Oracle,
    /// Every fault has ended.
    healed: bool,
    /// What happened, if somebody wants to know.
    pub(super) story: Option<Vec<String>>,
}

struct SentCommit {
    process: ProcessId,
    id: RequestId,
    member: Option<MemberId>,
    generation: u32,
    commits: Vec<Commit>,
    /// Its client has given up and uses another connection, so later commits may overtake it.
    abandoned: bool,
}

impl World {
    pub(super) fn new(settings: Settings, plan: Plan) -> Self {
        let config = Config {
            epoch: 7,
            ranges_in_flight_max: settings.ranges_in_flight_max,
            group_records_max: 5,
            group_bytes_max: u64::MAX,
            fence_age_ms_max: 500,
            release_wait_ms_max: 300,
            idle_commit_ms: 100,
            retry_pause_ms: 20,
            token_number_max: 50,
        };
        let mut world = Self {
            settings,
            config,
            plan,
            now: Millis(0),
            kafka: Kafka::new(plan.breach),
            clickhouse: ClickHouse::new(plan.breach),
            processes: BTreeMap::new(),
            processes_made: 0,
            commits: Vec::new(),
            oracle: Oracle { harm_only: plan.harm_only, ..Oracle::default() },
            healed: false,
            story: None,
        };
        world.start(0);
        world.start(1);
        world
    }

    pub(super) fn verdict(&self) -> Result<(), Violation> {
        self.oracle.violation.clone().map_or(Ok(()), Err)
    }

    pub(super) fn tell(&mut self, line: String) {
        if let Some(story) = &mut self.story {
            story.push(line);
        }
    }

    /// Lets one thing happen; nothing, if it cannot.
    pub(super) fn act(&mut self, action: Action) {
        let Action { kind, pick, .. } = action;
        match kind {
            Kind::Produce => self.produce(pick),
            Kind::ArriveCommit => _ = self.arrive_commit(pick, pick.is_multiple_of(7)),
            Kind::LoseCommit => self.lose_commit(pick),
            Kind::RefuseCommit => self.refuse_commit(pick),
            Kind::AdvanceRequest => _ = self.advance_request(pick, pick.is_multiple_of(9)),
            Kind::BreakRequest => self.break_request(pick),
            Kind::RestartClickHouse => self.restart_clickhouse(),
            Kind::Time => self.now = self.now.plus([5, 30, 150, 700][pick % 4]),
            Kind::Rebalance => _ = self.rebalance(pick.is_multiple_of(4)),
            Kind::Start => self.start(pick),
            Kind::Expire => {
                if let Some(id) = nth(self.kafka.members.keys(), pick) {
                    self.kafka.remove(id);
                }
            }
            _ => {
                let Some(id) = nth(self.processes.keys(), action.process) else { return };
                self.act_in(id, kind, pick);
            }
        }
    }

    /// What a process does, or what is done to it.
    fn act_in(&mut self, id: ProcessId, kind: Kind, pick: usize) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        match kind {
            Kind::Pause => process.paused = true,
            Kind::Wake => process.paused = false,
            Kind::Crash => self.crash(id),
            _ if process.paused => {}
            Kind::Work => _ = self.work(id, pick),
            Kind::Flush => self.step(id, Input::FlushDue),
            Kind::Answer => _ = self.answer(id, pick, pick.is_multiple_of(5)),
            Kind::Drain => _ = self.drain(id, pick),
            Kind::SendCommit => _ = self.send_commit(id),
            Kind::SendInsert => _ = self.send_insert(id, pick),
            Kind::AbandonInsert => self.abandon_insert(id),
            Kind::FailLook => self.fail_look(id),
            Kind::Heartbeat => _ = self.heartbeat(id),
            Kind::Shutdown => self.step(id, Input::Shutdown),
            _ => {}
        }
    }

    /// Whatever can go on for this process, beginning with a different thing each time. Returns whether anything did.
    fn work(&mut self, id: ProcessId, pick: usize) -> bool {
        const THINGS: usize = 14;
        (0..THINGS).any(|turn| match (pick + turn) % THINGS {
            0 => self.event(id),
            1 | 2 => self.answer(id, pick, false),
            3 => self.tick(id),
            4 => self.send_commit(id),
            5 => self.arrive_commit_of(id),
            6 => self.fetch(id),
            7 => self.send_insert(id, 0),
            8 | 9 => self.advance_request_of(id),
            10 => self.look(id) || self.check(id),
            11 => self.drain(id, pick),
            12 => self.heartbeat(id),
            _ => self.rebalance(false),
        })
    }

    /// Ends every fault and lets everything go on until all is well, or for too long.
    pub(super) fn heal(&mut self) {
        self.healed = true;
        for process in self.processes.values_mut() {
            process.paused = false;
        }
        while self.arrive_commit(0, false) || self.advance_request(0, false) {}
        for round in 0..ROUNDS_MAX {
            let alive: Vec<ProcessId> = self.processes.keys().copied().collect();
            self.expire_the_dead();
            if alive.is_empty() {
                self.start(round);
            }
            for id in alive {
                let mut turns = 0;
                while self.work(id, turns) && turns < 200 {
                    turns += 1;
                }
                self.step(id, Input::FlushDue);
            }
            self.rebalance(round % 8 == 7);
            self.now = self.now.plus(25);
            if self.oracle.violation.is_some() || self.is_well() {
                return;
            }
        }
        let stuck = self.kafka.log_ends.keys().find(|partition| !self.is_well_in(**partition)).copied();
        if let Some(partition) = stuck {
            let low = self.processes.values().map(|process| process.low(partition)).max();
            self.oracle.fail(Violation::Stuck(partition, low.unwrap_or(Offset(0))));
        }
    }

    /// The sessions of members that no client stands for time out.
    fn expire_the_dead(&mut self) {
        let processes = &self.processes;
        let is_dead =
            |id: MemberId, of: ProcessId| processes.get(&of).is_none_or(|process| process.client.member != Some(id));
        let members = self.kafka.members.iter();
        let dead: Vec<MemberId> =
            members.filter(|(id, member)| is_dead(**id, member.process)).map(|(id, _)| *id).collect();
        for id in dead {
            self.kafka.remove(id);
        }
    }

    /// Whether every record is durable and committed. That each is there once is checked as it is applied.
    fn is_well(&self) -> bool {
        self.kafka.log_ends.keys().all(|partition| self.is_well_in(*partition))
    }

    fn is_well_in(&self, partition: TopicPartition) -> bool {
        let end = self.kafka.log_ends[&partition];
        let committed = self.kafka.committed.get(&partition).map_or(0, |(offset, _)| offset.0);
        let rows =
            (0..end).filter_map(|offset| table_of(partition, offset).map(|table| Row { table, partition, offset }));
        committed == end && rows.into_iter().all(|row| self.clickhouse.has(row))
    }

    fn start(&mut self, pick: usize) {
        let instance = pick % INSTANCES;
        let mut others = self.processes.values().filter(|process| process.instance == instance);
        // Only where the other is hung, as an operator or a supervisor would.
        if self.processes.len() < PROCESSES_MAX && others.all(|other| other.paused) {
            let machine = Machine::with_bug(self.config, self.plan.bug);
            self.processes.insert(self.processes_made, Process::new(instance, machine));
            self.processes_made += 1;
        }
    }

    fn crash(&mut self, id: ProcessId) {
        self.processes.remove(&id);
        for commit in self.commits.iter_mut().filter(|commit| commit.process == id) {
            commit.abandoned = true;
        }
    }

    fn step(&mut self, id: ProcessId, input: Input) {
        if self.story.is_some() {
            self.tell(format!("  process {id} at {}: {input:?}", self.now.0));
        }
        let Some(process) = self.processes.get_mut(&id) else { return };
        let effects = process.machine.step(self.now, input);
        for effect in effects {
            if self.story.is_some() {
                self.tell(format!("    -> {effect:?}"));
            }
            self.carry_out(id, effect);
        }
    }

    fn carry_out(&mut self, id: ProcessId, effect: Effect) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        match &effect {
            Effect::Insert(insert) => {
                self.oracle.inserting(insert, process, &self.clickhouse, self.now, self.config.fence_age_ms_max);
                // The body is made now, and goes out whenever the process gets to it.
                match inserts::requests(id, insert, process) {
                    Ok(requests) => process.unsent_inserts.push((insert.id, requests)),
                    Err((partition, offset)) => self.oracle.fail(Violation::NotHeld(partition, offset)),
                }
            }
            Effect::Stop(StopReason::Shutdown) => {
                // A static member does not say goodbye.
                if let Some(member) = process.client.member.filter(|_| !self.settings.static_members) {
                    self.kafka.remove(member);
                }
                return self.crash(id);
            }
            Effect::Stop(reason) => return self.oracle.fail(Violation::Stopped(reason.clone())),
            Effect::Rejoin => {
                for commit in self.commits.iter_mut().filter(|commit| commit.process == id) {
                    commit.abandoned = true;
                }
            }
            _ => {}
        }
        let rejoins = process.take(effect, self.now);
        if rejoins && let Some(member) = process.client.member {
            self.kafka.rejoin(member);
        }
    }

    fn tick(&mut self, id: ProcessId) -> bool {
        let due =
            self.processes.get(&id).and_then(|process| process.machine.wake_at()).is_some_and(|at| at <= self.now);
        if due {
            self.step(id, Input::Tick);
        }
        due
    }

    fn event(&mut self, id: ProcessId) -> bool {
        let Some(process) = self.processes.get_mut(&id) else { return false };
        let Some(event) = process.client.events.pop_front() else { return false };
        self.step(id, event);
        true
    }

    fn answer(&mut self, id: ProcessId, pick: usize, twice: bool) -> bool {
        let Some(process) = self.processes.get_mut(&id).filter(|process| !process.answers.is_empty()) else {
            return false;
        };
        let at = pick % process.answers.len();
        let answer = if twice { process.answers[at].clone() } else { process.answers.swap_remove(at) };
        // The first answer counts, as it does for the machine.
        if let Input::Committed(commit, outcome) = &answer
            && let Some(sent_at) = process.committed_at.remove(commit)
        {
            match outcome {
                CommitAnswer::Ok => process.proven_at = Some(sent_at),
                CommitAnswer::Fenced => process.proven_at = None,
                CommitAnswer::Failed | CommitAnswer::Unknown => {}
            }
        }
        self.step(id, answer);
        true
    }
}

fn nth<'a, T: Copy + 'a>(mut items: impl ExactSizeIterator<Item = &'a T>, pick: usize) -> Option<T> {
    let length = items.len().max(1);
    items.nth(pick % length).copied()
}
