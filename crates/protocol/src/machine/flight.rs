//! From a declared group to durable rows.

use std::collections::BTreeMap;

use crate::{
    effect::{Effect, Insert, Look, Part, StopReason},
    ids::{FlightId, Millis, RequestId, TopicPartition},
    input::{InsertAnswer, Looked, Presence},
    planted::Bug,
    range::Range,
    token::{Group, Token},
};

use super::Machine;

/// A group's ranges, as far as they are ours.
#[derive(Debug)]
pub(super) struct Flight {
    group: Group,
    parts: BTreeMap<TopicPartition, Held>,
    leg: Leg,
    number: u32,
    /// An acknowledgement means that the rows are there: it is our first try, and nobody else can have used the token.
    trusted: bool,
    /// Somebody looked, so the shell knows what is missing.
    looked: bool,
    /// An insert under the present number was sent.
    sent: bool,
    /// One of those was acknowledged: the token is taken, every copy of the insert is dropped from now on.
    acknowledged: bool,
    /// After that, no insert of the group was running: no row appears any more that a look would miss.
    dead: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    range: Range,
    /// The shell has its records.
    held: bool,
}

#[derive(Debug)]
enum Leg {
    /// Records are read again.
    Reading,
    /// Waits for a commit that declares it, or that proves us members again.
    Declaring,
    Inserting(RequestId),
    Looking(RequestId, Vec<Part>),
    Checking(RequestId),
    /// Tries the same again at that time.
    Pausing(Millis, Next),
}

#[derive(Clone, Copy, Debug)]
enum Next {
    Insert,
    Look,
    Check,
}

impl Flight {
    /// A group that we have just made.
    pub(super) fn new(group: Group, parts: &[Part]) -> Self {
        let parts = parts.iter().map(|part| (part.partition, Held { range: part.range, held: true })).collect();
        let leg = Leg::Declaring;
        Self {
            group,
            parts,
            leg,
            number: 0,
            trusted: true,
            looked: false,
            sent: false,
            acknowledged: false,
            dead: false,
        }
    }

    /// What another tenure declared, and a look has missed.
    pub(super) fn replay(group: Group, parts: &[Part], number: u32) -> Self {
        let mut flight = Self { number, trusted: false, looked: true, leg: Leg::Reading, ..Self::new(group, parts) };
        for part in flight.parts.values_mut() {
            part.held = false;
        }
        flight
    }

    pub(super) fn wake_at(&self) -> Option<Millis> {
        match self.leg {
            Leg::Pausing(at, _) => Some(at),
            Leg::Reading | Leg::Declaring | Leg::Inserting(_) | Leg::Looking(..) | Leg::Checking(_) => None,
        }
    }

    pub(super) fn has(&self, partition: TopicPartition) -> bool {
        self.parts.contains_key(&partition)
    }

    pub(super) fn is_reading(&self) -> bool {
        matches!(self.leg, Leg::Reading)
    }

    fn parts(&self) -> Vec<Part> {
        self.parts.iter().map(|(partition, held)| Part { partition: *partition, range: held.range }).collect()
    }

    fn waits_for(&self, id: RequestId) -> bool {
        match self.leg {
            Leg::Inserting(of) | Leg::Looking(of, _) | Leg::Checking(of) => of == id,
            Leg::Reading | Leg::Declaring | Leg::Pausing(..) => false,
        }
    }
}

impl Machine {
    /// The records of a part were read again.
    pub(super) fn held(&mut self, part: Part) {
        for flight in self.flights.values_mut() {
            if let Some(held) = flight.parts.get_mut(&part.partition).filter(|held| held.range == part.range) {
                held.held = true;
            }
        }
    }

    /// Another owner finishes this partition's part; what it inserts may take the group's token.
    pub(super) fn split(&mut self, partition: TopicPartition) {
        let trusts = self.has(Bug::TrustAcknowledgementAfterSplit);
        self.flights.retain(|_, flight| {
            if flight.parts.remove(&partition).is_some() && !trusts {
                flight.trusted = false;
            }
            !flight.parts.is_empty()
        });
    }

    pub(super) fn resume_flights(&mut self) {
        let ids: Vec<FlightId> = self.flights.keys().copied().collect();
        let forgets = self.has(Bug::ForgetRetries);
        for id in ids {
            let Some(flight) = self.flights.get_mut(&id) else { continue };
            match flight.leg {
                Leg::Reading if flight.parts.values().all(|part| part.held) => flight.leg = Leg::Declaring,
                Leg::Pausing(..) if forgets => {}
                Leg::Pausing(at, next) if at <= self.now => match next {
                    Next::Insert => flight.leg = Leg::Declaring,
                    Next::Look => self.look(id),
                    Next::Check => self.check(id),
                },
                _ => {}
            }
            if self.flights.get(&id).is_some_and(|flight| self.may_insert(flight)) {
                self.insert(id);
            }
        }
    }

    /// Partitions whose commit a group waits for.
    pub(super) fn unproven(&self) -> Vec<TopicPartition> {
        let waiting = self.flights.values().filter(|flight| matches!(flight.leg, Leg::Declaring));
        waiting.flat_map(|flight| flight.parts.keys().copied()).collect()
    }

    fn may_insert(&self, flight: &Flight) -> bool {
        let declared = |(partition, part): (&TopicPartition, &Held)| {
            let tenure = self.tenures.get(partition);
            let confirmed = tenure.and_then(|tenure| tenure.confirmed);
            confirmed.is_some_and(|declared| part.range.end() <= declared)
                || self.has(Bug::ReplayWithoutConfirming) && flight.looked
                || self.has(Bug::InsertBeforeIntent) && self.lane.carries(*partition)
        };
        let proven = self.is_proven()
            || self.has(Bug::NoFenceCheck)
            || self.has(Bug::InsertBeforeIntent)
            || self.has(Bug::ReplayWithoutConfirming) && flight.looked;
        matches!(flight.leg, Leg::Declaring) && flight.parts.iter().all(declared) && proven
    }

    fn insert(&mut self, id: FlightId) {
        let request = self.next_request();
        let whole = self.has(Bug::InsertWhole);
        let Some(flight) = self.flights.get_mut(&id) else { return };
        flight.leg = Leg::Inserting(request);
        flight.sent = true;
        let insert = Insert {
            id: request,
            flight: id,
            token: Token { group: flight.group, number: flight.number },
            parts: flight.parts(),
            only_missing: flight.looked && !whole,
        };
        self.effects.push(Effect::Insert(insert));
    }

    fn look(&mut self, id: FlightId) {
        let request = self.next_request();
        let Some(flight) = self.flights.get_mut(&id) else { return };
        let parts = flight.parts();
        flight.leg = Leg::Looking(request, parts.clone());
        self.effects.push(Effect::Look(Look { id: request, flight: Some(id), parts, beyond: Vec::new() }));
    }

    fn check(&mut self, id: FlightId) {
        let request = self.next_request();
        let Some(flight) = self.flights.get_mut(&id) else { return };
        flight.leg = Leg::Checking(request);
        self.effects.push(Effect::CheckDead(request, flight.group));
    }

    pub(super) fn inserted(&mut self, request: RequestId, answer: InsertAnswer) {
        let pause_ends = self.now.plus(self.config.retry_pause_ms);
        let believes = self.has(Bug::AmbiguousIsOk);
        let Some((id, flight)) = self.waiting(request) else { return };
        match answer {
            InsertAnswer::Ok if flight.trusted => self.arrived(id),
            InsertAnswer::Ambiguous if believes => self.arrived(id),
            InsertAnswer::Ok => {
                flight.acknowledged = true;
                self.look(id);
            }
            InsertAnswer::Failed => flight.leg = Leg::Pausing(pause_ends, Next::Insert),
            InsertAnswer::Ambiguous => {
                flight.trusted = false;
                flight.leg = Leg::Pausing(pause_ends, Next::Look);
            }
        }
    }

    pub(super) fn looked(&mut self, request: RequestId, looked: &Looked) {
        if self.surveyed(request, looked) {
            return;
        }
        let unacknowledged = self.has(Bug::NumberUnacknowledged);
        let running = self.has(Bug::NumberWhileRunning);
        let Some((id, flight)) = self.waiting(request) else { return };
        let Leg::Looking(_, asked) = &flight.leg else { return };
        let answers = asked.iter().zip(&looked.presence);
        let mut missing = answers.filter(|(_, presence)| **presence != Presence::Present);
        // A part that went to another owner since does not count.
        if missing.all(|(part, _)| !flight.has(part.partition)) && asked.len() == looked.presence.len() {
            return self.arrived(id);
        }
        flight.looked = true;
        if !(flight.acknowledged || unacknowledged && flight.sent) {
            flight.leg = Leg::Declaring;
        } else if flight.dead || running {
            self.number(id);
        } else {
            self.check(id);
        }
    }

    pub(super) fn checked(&mut self, request: RequestId, dead: bool) {
        let pause_ends = self.now.plus(self.config.retry_pause_ms);
        let hasty = self.has(Bug::NumberOnOldLook);
        let Some((id, flight)) = self.waiting(request) else { return };
        if !dead {
            flight.leg = Leg::Pausing(pause_ends, Next::Check);
        } else if hasty {
            self.number(id);
        } else {
            flight.dead = true;
            self.look(id);
        }
    }

    /// The token is taken, and not by these rows: the next one.
    fn number(&mut self, id: FlightId) {
        let number_max = self.config.token_number_max;
        let Some(flight) = self.flights.get_mut(&id) else { return };
        if flight.number >= number_max {
            let reason = StopReason::RowsMissing(flight.group, number_max + 1);
            return self.stop(reason);
        }
        flight.number += 1;
        (flight.sent, flight.acknowledged, flight.dead) = (false, false, false);
        flight.leg = Leg::Declaring;
    }

    pub(super) fn asking_failed(&mut self, request: RequestId) {
        let pause_ends = self.now.plus(self.config.retry_pause_ms);
        if !self.takeover_failed(request)
            && let Some((_, flight)) = self.waiting(request)
            && matches!(flight.leg, Leg::Looking(..))
        {
            flight.leg = Leg::Pausing(pause_ends, Next::Look);
        }
    }

    /// All of the flight's rows are there.
    fn arrived(&mut self, id: FlightId) {
        let Some(flight) = self.flights.remove(&id) else { return };
        for (partition, part) in flight.parts {
            self.durable(partition, part.range);
        }
    }

    fn waiting(&mut self, request: RequestId) -> Option<(FlightId, &mut Flight)> {
        self.flights.iter_mut().find(|(_, flight)| flight.waits_for(request)).map(|(id, flight)| (*id, flight))
    }
}
