//! From a revocation to the unassign, and the ways to end.

use crate::{
    effect::{Effect, StopReason},
    ids::{Millis, TopicPartition},
    planted::Bug,
};

use super::{Course, Lane, Machine, tenure::Phase};

impl Machine {
    /// Takes no more records of these, and lets what is in flight finish until then.
    pub(super) fn leave(&mut self, partitions: &[TopicPartition], give_up_at: Millis) {
        for partition in partitions {
            self.leave_takeover(*partition);
            let Some(tenure) = self.tenures.get_mut(partition) else {
                // Nothing is known of it: it can go.
                self.effects.push(Effect::Release(vec![*partition]));
                continue;
            };
            let sooner = match tenure.phase {
                Phase::Leaving { give_up_at: before } => before.min(give_up_at),
                Phase::Arriving | Phase::Replaying(_) | Phase::Consuming => give_up_at,
            };
            tenure.phase = Phase::Leaving { give_up_at: sooner };
            tenure.open = None;
            tenure.suspect = None;
            // What is not read cannot be finished.
            if self.flights.values().any(|flight| flight.is_reading() && flight.has(*partition)) {
                self.split(*partition);
            }
        }
    }

    /// Fenced: a last commit would be refused too.
    pub(super) fn hurry(&mut self) {
        for tenure in self.tenures.values_mut() {
            if let Phase::Leaving { give_up_at } = &mut tenure.phase {
                *give_up_at = self.now;
            }
        }
    }

    /// Leaves what takes too long to the next owner.
    pub(super) fn give_up(&mut self) {
        for partition in self.leaving() {
            if self.is_late(partition) {
                self.split(partition);
                if let Some(tenure) = self.tenures.get_mut(&partition) {
                    tenure.known = None;
                }
            }
        }
    }

    /// Releases what has nothing under way.
    pub(super) fn release(&mut self) {
        let hasty = self.has(Bug::ReleaseBeforeCommitAnswered);
        let mut released = self.leaving();
        released.retain(|partition| {
            let done =
                !self.tenures[partition].is_dirty() && !self.flights.values().any(|flight| flight.has(*partition));
            // Late or not: a commit that is queued could go out with a later generation, when the partition is another's.
            done && (hasty || !self.lane.carries(*partition))
        });
        for partition in &released {
            self.forget(*partition);
        }
        if !released.is_empty() {
            self.effects.push(Effect::Release(released));
        }
        if self.is_shutting_down() && self.tenures.is_empty() && self.lane.is_idle() {
            self.stop(StopReason::Shutdown);
        }
    }

    /// Drops everything: only a new membership can settle what the last commit became.
    pub(super) fn rejoin(&mut self) {
        self.tenures.clear();
        self.flights.clear();
        self.clear_takeovers();
        self.lane = Lane::default();
        if self.is_shutting_down() {
            self.stop(StopReason::Shutdown);
        } else {
            self.effects.push(Effect::Rejoin);
        }
    }

    pub(super) fn forget(&mut self, partition: TopicPartition) {
        self.leave_takeover(partition);
        self.split(partition);
        self.tenures.remove(&partition);
    }

    pub(super) fn shut_down(&mut self) {
        self.course = Course::ShuttingDown;
        let held: Vec<TopicPartition> = self.tenures.keys().copied().collect();
        let give_up_at = self.now.plus(self.config.release_wait_ms_max);
        self.leave(&held, give_up_at);
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        self.course == Course::ShuttingDown
    }

    fn leaving(&self) -> Vec<TopicPartition> {
        self.tenures.iter().filter(|(_, tenure)| tenure.is_leaving()).map(|(partition, _)| *partition).collect()
    }

    fn is_late(&self, partition: TopicPartition) -> bool {
        let phase = self.tenures.get(&partition).map(|tenure| tenure.phase);
        matches!(phase, Some(Phase::Leaving { give_up_at }) if give_up_at <= self.now)
    }
}
