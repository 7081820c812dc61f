//! The state machine of one member.
//!
//! - `tenure`: what is known of one partition.
//! - `takeover`: from an assignment to the first new record.
//! - `seal`: from drained records to a declared group.
//! - `commit`: the one commit that may be under way.
//! - `flight`: from a declared group to durable rows.
//! - `release`: from a revocation to the unassign.

mod commit;
mod config;
mod flight;
mod release;
mod seal;
mod takeover;
mod tenure;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, mem};

pub use config::Config;

use crate::{
    effect::{Effect, StopReason},
    ids::{FlightId, Millis, Offset, RequestId, TopicPartition},
    input::Input,
    planted::Bug,
    range::Range,
};

use self::{
    commit::Lane,
    flight::Flight,
    takeover::Takeover,
    tenure::{Phase, Tenure},
};

/// One member of the consumer group.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    now: Millis,
    effects: Vec<Effect>,
    ids: u64,
    tenures: BTreeMap<TopicPartition, Tenure>,
    takeovers: Vec<Takeover>,
    flights: BTreeMap<FlightId, Flight>,
    lane: Lane,
    course: Course,
    #[cfg(any(test, feature = "simulator"))]
    bug: Option<Bug>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Running,
    ShuttingDown,
    Stopped,
}

impl Machine {
    /// A member that holds nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            now: Millis::default(),
            effects: Vec::new(),
            ids: 0,
            tenures: BTreeMap::new(),
            takeovers: Vec::new(),
            flights: BTreeMap::new(),
            lane: Lane::default(),
            course: Course::Running,
            #[cfg(any(test, feature = "simulator"))]
            bug: None,
        }
    }

    /// Takes what happened and the time, and says what to do. Time never goes back.
    pub fn step(&mut self, now: Millis, input: Input) -> Vec<Effect> {
        self.now = self.now.max(now);
        if self.course != Course::Stopped {
            self.take(input);
            self.settle();
        }
        mem::take(&mut self.effects)
    }

    /// When to step with [`Input::Tick`] if nothing else happens before; `None` while nothing waits for time.
    #[must_use]
    pub fn wake_at(&self) -> Option<Millis> {
        let takeovers = self.takeovers.iter().filter_map(Takeover::wake_at);
        let flights = self.flights.values().filter_map(Flight::wake_at);
        let leaving = self.tenures.values().filter_map(|tenure| match tenure.phase {
            Phase::Leaving { give_up_at } => Some(give_up_at),
            Phase::Arriving | Phase::Replaying(_) | Phase::Consuming => None,
        });
        takeovers.chain(flights).chain(leaving).chain(self.lane.wake_at(&self.config)).filter(|at| *at > self.now).min()
    }

    /// Whether the partition's records are wanted: the shell holds at most one open range beyond those in flight.
    #[must_use]
    pub fn may_drain(&self, partition: TopicPartition) -> bool {
        self.tenures.get(&partition).is_some_and(|tenure| match tenure.phase {
            Phase::Replaying(_) => true,
            Phase::Consuming => {
                tenure.pending.len() < self.config.ranges_in_flight()
                    || tenure.open.is_none_or(|open| {
                        open.records < self.config.group_records_max && open.bytes < self.config.group_bytes_max
                    })
            }
            Phase::Arriving | Phase::Leaving { .. } => false,
        })
    }

    /// Below this everything is durable; `None` while the partition is not held, or not yet known.
    #[must_use]
    pub fn low_water(&self, partition: TopicPartition) -> Option<Offset> {
        self.tenures.get(&partition).and_then(|tenure| tenure.known.map(|_| tenure.low))
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Assigned(partitions) => self.assigned(&partitions),
            Input::Revoke(partitions) => {
                let give_up_at = self.now.plus(self.config.release_wait_ms_max);
                self.leave(&partitions, give_up_at);
            }
            Input::Lost(partitions) => {
                let now = self.now;
                self.leave(&partitions, now);
            }
            Input::Fetched(id, fetched) => self.fetched(id, &fetched),
            Input::FetchFailed(id) | Input::LookFailed(id) => self.asking_failed(id),
            Input::Drained(drained) => self.drained(drained),
            Input::FlushDue => self.flush(),
            Input::Committed(id, answer) => self.committed(id, answer),
            Input::Inserted(id, answer) => self.inserted(id, answer),
            Input::Looked(id, looked) => self.looked(id, &looked),
            Input::Checked(id, dead) => self.checked(id, dead),
            Input::Shutdown => self.shut_down(),
            Input::Tick => {}
        }
    }

    /// Does whatever has become possible. The order: what ends comes before what begins.
    fn settle(&mut self) {
        if self.course == Course::Stopped {
            return;
        }
        self.give_up();
        self.resume_takeovers();
        self.seal();
        self.resume_flights();
        self.commit();
        self.release();
    }

    fn next_request(&mut self) -> RequestId {
        self.ids += 1;
        RequestId(self.ids)
    }

    fn next_flight(&mut self) -> FlightId {
        self.ids += 1;
        FlightId(self.ids)
    }

    fn stop(&mut self, reason: StopReason) {
        if self.course != Course::Stopped {
            self.course = Course::Stopped;
            self.effects.push(Effect::Stop(reason));
        }
    }

    /// The partition's range is there.
    fn durable(&mut self, partition: TopicPartition, range: Range) {
        let skips = self.has(Bug::LowWaterSkips);
        if let Some(tenure) = self.tenures.get_mut(&partition)
            && tenure.durable(range, skips)
        {
            self.effects.push(Effect::Durable(partition, tenure.low));
        }
    }

    #[cfg(any(test, feature = "simulator"))]
    pub(crate) fn with_bug(config: Config, bug: Option<Bug>) -> Self {
        Self { bug, ..Self::new(config) }
    }

    #[cfg(any(test, feature = "simulator"))]
    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    #[cfg(not(any(test, feature = "simulator")))]
    #[expect(clippy::unused_self, reason = "only the simulator plants bugs")]
    const fn has(&self, _: Bug) -> bool {
        false
    }
}
