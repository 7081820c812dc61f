//! The world: processes, Kafka, ClickHouse and the network between them, one action at a time.

use std::collections::BTreeMap;

use crate::{
    effect::{Commit, Effect, Insert, Look, StopReason},
    ids::{Millis, Offset, RequestId, TopicPartition},
    input::{CommitAnswer, Drained, Fetched, Input, InsertAnswer, Looked, Presence},
    machine::{Config, Machine},
};

use super::{
    clickhouse::{ClickHouse, Outcome, Request, Row, Stage, table_of},
    kafka::{Kafka, MemberId},
    oracle::{Oracle, Violation},
    process::{Outstanding, Process},
    schedule::{Action, Breach, Kind, Plan, Settings},
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
            Kind::ArriveCommit => _ = self.arrive_commit(pick, pick % 7 == 0),
            Kind::LoseCommit => self.lose_commit(pick),
            Kind::RefuseCommit => self.refuse_commit(pick),
            Kind::AdvanceRequest => _ = self.advance_request(pick, pick % 9 == 0),
            Kind::BreakRequest => self.break_request(pick),
            Kind::RestartClickHouse => self.restart_clickhouse(),
            Kind::Time => self.now = self.now.plus([5, 30, 150, 700][pick % 4]),
            Kind::Rebalance => _ = self.rebalance(pick % 4 == 0),
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
            Kind::Answer => _ = self.answer(id, pick, pick % 5 == 0),
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

    // The process.

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
                match requests(id, insert, process) {
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
        match &answer {
            Input::Committed(commit, CommitAnswer::Ok) => {
                let sent = process.committed_at.get(commit).copied();
                process.proven_at = process.proven_at.max(sent);
            }
            Input::Committed(_, CommitAnswer::Fenced) => process.proven_at = None,
            _ => {}
        }
        self.step(id, answer);
        true
    }

    // Kafka.

    fn produce(&mut self, pick: usize) {
        if let Some(partition) = nth(self.kafka.log_ends.keys(), pick)
            && let Some(end) = self.kafka.log_ends.get_mut(&partition)
        {
            *end += 1 + (pick / 7 % 4) as i64;
        }
    }

    fn drain(&mut self, id: ProcessId, pick: usize) -> bool {
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
    fn heartbeat(&mut self, id: ProcessId) -> bool {
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

    fn rebalance(&mut self, expel: bool) -> bool {
        let processes = &self.processes;
        let ready = |id: MemberId, member: &super::kafka::Member| {
            processes.get(&member.process).is_some_and(|process| {
                !process.paused && process.client.member == Some(id) && process.client.unreleased.is_empty()
            })
        };
        self.kafka.rebalance(ready, expel)
    }

    fn fetch(&mut self, id: ProcessId) -> bool {
        let Some(process) = self.processes.get_mut(&id) else { return false };
        let Some((request, partitions)) = process.fetches.pop() else { return false };
        let fetched = partitions.into_iter().map(|partition| Fetched {
            partition,
            committed: self.kafka.committed.get(&partition).cloned(),
            log_first: Offset(0),
            log_end: Offset(self.kafka.log_ends[&partition]),
        });
        process.answers.push(Input::Fetched(request, fetched.collect()));
        true
    }

    /// The client sends a queued commit, with the generation that it has now.
    fn send_commit(&mut self, id: ProcessId) -> bool {
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

    fn arrive_commit_of(&mut self, id: ProcessId) -> bool {
        let at = self.commits.iter().position(|commit| commit.process == id && !commit.abandoned);
        at.is_some_and(|at| self.arrive_commit(at, false))
    }

    /// A commit reaches the broker; with `lost`, its answer does not come back.
    fn arrive_commit(&mut self, pick: usize, lost: bool) -> bool {
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

    fn lose_commit(&mut self, pick: usize) {
        let waiting: Vec<usize> = (0..self.commits.len()).filter(|at| !self.commits[*at].abandoned).collect();
        let Some(at) = nth(waiting.iter(), pick) else { return };
        self.commits[at].abandoned = true;
        let commit = &self.commits[at];
        if let Some(process) = self.processes.get_mut(&commit.process) {
            process.commit_answered(commit.id, CommitAnswer::Unknown);
        }
    }

    fn refuse_commit(&mut self, pick: usize) {
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

    // ClickHouse.

    fn send_insert(&mut self, id: ProcessId, pick: usize) -> bool {
        let Some(process) = self.processes.get_mut(&id).filter(|process| !process.unsent_inserts.is_empty()) else {
            return false;
        };
        let at = pick % process.unsent_inserts.len();
        let (insert, requests) = process.unsent_inserts.remove(at);
        if requests.is_empty() {
            process.answers.push(Input::Inserted(insert, InsertAnswer::Ok));
        } else {
            process.inserting.insert(insert, Outstanding { left: requests.len(), ..Outstanding::default() });
        }
        self.clickhouse.requests.extend(requests);
        true
    }

    fn advance_request_of(&mut self, id: ProcessId) -> bool {
        let goes_on = |request: &Request| request.process == id && (self.healed || !request.slow);
        let at = self.clickhouse.requests.iter().position(goes_on);
        at.is_some_and(|at| self.advance_request(at, false))
    }

    /// A request goes on; with `lies`, an acknowledgement comes back as an error.
    fn advance_request(&mut self, pick: usize, lies: bool) -> bool {
        let requests = self.clickhouse.requests.len();
        if requests == 0 {
            return false;
        }
        if let Some(request) = self.clickhouse.advance(pick % requests) {
            if self.story.is_some() {
                self.tell(format!(
                    "  clickhouse: {} in {:?} is done ({:?})",
                    request.token, request.table, request.stage
                ));
            }
            if request.stage == Stage::Recorded {
                self.oracle.applied(&request.rows, &self.clickhouse);
            }
            self.request_answered(&request, if lies { Outcome::Unclear } else { Outcome::Acknowledged });
        }
        true
    }

    fn break_request(&mut self, pick: usize) {
        let requests = self.clickhouse.requests.len();
        if requests == 0 {
            return;
        }
        let request = self.clickhouse.requests.remove(pick % requests);
        // Once a token is recorded nobody can say that nothing happened.
        let refused = request.stage != Stage::Recorded && pick % 2 == 0;
        self.request_answered(&request, if refused { Outcome::Refused } else { Outcome::Unclear });
    }

    fn restart_clickhouse(&mut self) {
        for request in self.clickhouse.restart() {
            self.request_answered(&request, Outcome::Unclear);
        }
    }

    fn request_answered(&mut self, request: &Request, outcome: Outcome) {
        if let Some(process) = self.processes.get_mut(&request.process) {
            process.table_answered(request.insert, outcome);
        }
    }

    fn abandon_insert(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if let Some((insert, _)) = process.inserting.pop_first() {
            process.answers.push(Input::Inserted(insert, InsertAnswer::Ambiguous));
        }
    }

    fn look(&mut self, id: ProcessId) -> bool {
        let Some(process) = self.processes.get_mut(&id) else { return false };
        let Some(look) = process.looks.pop() else { return false };
        let looked = looked(&look, process, &self.clickhouse);
        process.answers.push(Input::Looked(look.id, looked));
        true
    }

    fn fail_look(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if let Some(look) = process.looks.pop() {
            process.answers.push(Input::LookFailed(look.id));
        }
    }

    fn check(&mut self, id: ProcessId) -> bool {
        let Some(process) = self.processes.get_mut(&id) else { return false };
        let Some((request, group)) = process.checks.pop() else { return false };
        process.answers.push(Input::Checked(request, self.clickhouse.is_dead(group)));
        true
    }
}

/// The shell's part of an insert: a request for each table that has rows to send. The error is a record that it should hold.
fn requests(id: ProcessId, insert: &Insert, process: &Process) -> Result<Vec<Request>, (TopicPartition, Offset)> {
    let mut tables: BTreeMap<_, Vec<Row>> = BTreeMap::new();
    for part in &insert.parts {
        for offset in part.range.first().0..part.range.end().0 {
            let partition = part.partition;
            if !process.held.contains(&(partition, offset)) {
                return Err((partition, Offset(offset)));
            }
            let Some(table) = table_of(partition, offset) else { continue };
            let row = Row { table, partition, offset };
            if !(insert.only_missing && process.seen.contains(&row)) {
                tables.entry(table).or_default().push(row);
            }
        }
    }
    let request = |(table, rows)| {
        let slow = (id as u64 + insert.id.0) % 3 == 0;
        Request { process: id, insert: insert.id, table, token: insert.token, rows, stage: Stage::OnItsWay, slow }
    };
    Ok(tables.into_iter().map(request).collect())
}

/// The shell's part of a look.
fn looked(look: &Look, process: &mut Process, clickhouse: &ClickHouse) -> Looked {
    let mut presence = Vec::new();
    for part in &look.parts {
        let (mut found, mut missing) = (0, 0);
        for offset in part.range.first().0..part.range.end().0 {
            let row = table_of(part.partition, offset).map(|table| Row { table, partition: part.partition, offset });
            match row {
                Some(row) if clickhouse.has(row) => {
                    process.seen.insert(row);
                    found += 1;
                }
                Some(_) => missing += 1,
                // Who has not read the records cannot tell an offset without a row from a missing row.
                None => missing += i32::from(!process.held.contains(&(part.partition, offset))),
            }
        }
        presence.push(match (found, missing) {
            (_, 0) => Presence::Present,
            (0, _) => Presence::Absent,
            _ => Presence::Partial,
        });
    }
    let beyond = look.beyond.iter().filter_map(|(partition, from)| {
        let last = clickhouse.last(*partition)?;
        (last >= from.0).then_some((*partition, Offset(last)))
    });
    Looked { presence, beyond: beyond.collect() }
}

fn nth<'a, T: Copy + 'a>(mut items: impl ExactSizeIterator<Item = &'a T>, pick: usize) -> Option<T> {
    let length = items.len().max(1);
    items.nth(pick % length).copied()
}
