//! From an assignment to the first new record: fetch the commit, look, read again what is declared and missing.

use std::collections::BTreeMap;

use crate::{
    effect::{Effect, Look, Part, StopReason},
    ids::{Epoch, Millis, Offset, RequestId, TopicPartition},
    input::{Fetched, Looked, Presence},
    metadata::Metadata,
    planted::Bug,
    token::Group,
};

use super::{
    Machine,
    flight::Flight,
    tenure::{Pending, Phase, Tenure},
};

/// Partitions that were assigned together.
#[derive(Debug)]
pub(super) struct Takeover {
    partitions: Vec<TopicPartition>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Fetching(RequestId),
    FetchAt(Millis),
    Looking(RequestId, Vec<Part>),
    LookAt(Millis),
}

impl Takeover {
    pub(super) fn wake_at(&self) -> Option<Millis> {
        match self.step {
            Step::FetchAt(at) | Step::LookAt(at) => Some(at),
            Step::Fetching(_) | Step::Looking(..) => None,
        }
    }
}

impl Machine {
    pub(super) fn assigned(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            // A tenure that is still here was never released: the group has given the partition anew.
            self.forget(*partition);
            self.tenures.insert(*partition, Tenure::new());
        }
        self.takeovers.push(Takeover { partitions: partitions.to_vec(), step: Step::FetchAt(self.now) });
        if self.is_shutting_down() {
            let now = self.now;
            self.leave(partitions, now);
        }
    }

    /// The partition is not taken over any more.
    pub(super) fn leave_takeover(&mut self, partition: TopicPartition) {
        for takeover in &mut self.takeovers {
            takeover.partitions.retain(|other| *other != partition);
        }
        self.takeovers.retain(|takeover| !takeover.partitions.is_empty());
    }

    pub(super) fn clear_takeovers(&mut self) {
        self.takeovers.clear();
    }

    pub(super) fn resume_takeovers(&mut self) {
        for at in 0..self.takeovers.len() {
            match self.takeovers[at].step {
                Step::FetchAt(due) if due <= self.now => {
                    let id = self.next_request();
                    self.takeovers[at].step = Step::Fetching(id);
                    self.effects.push(Effect::FetchCommitted(id, self.takeovers[at].partitions.clone()));
                }
                Step::LookAt(due) if due <= self.now => self.survey(at),
                Step::Fetching(_) | Step::FetchAt(_) | Step::Looking(..) | Step::LookAt(_) => {}
            }
        }
    }

    pub(super) fn fetched(&mut self, id: RequestId, answers: &[Fetched]) {
        let Some(at) =
            self.takeovers.iter().position(|takeover| matches!(takeover.step, Step::Fetching(of) if of == id))
        else {
            return;
        };
        for partition in self.takeovers[at].partitions.clone() {
            let Some(answer) = answers.iter().find(|answer| answer.partition == partition) else {
                self.takeovers[at].step = Step::FetchAt(self.now.plus(self.config.retry_pause_ms));
                return;
            };
            match read(answer, self.config.epoch) {
                Ok((epoch, low, pending)) => {
                    let pending = if self.has(Bug::IgnoreDeclared) { Vec::new() } else { pending };
                    if let Some(tenure) = self.tenures.get_mut(&partition) {
                        tenure.epoch = epoch;
                        tenure.low = low;
                        tenure.pending = pending.into();
                    }
                }
                Err(reason) => return self.stop(reason),
            }
        }
        self.survey(at);
    }

    /// Looks for the rows of the declared ranges, and for rows that nobody declared.
    fn survey(&mut self, at: usize) {
        let id = self.next_request();
        let (mut parts, mut beyond) = (Vec::new(), Vec::new());
        for partition in &self.takeovers[at].partitions {
            let Some(tenure) = self.tenures.get(partition) else { continue };
            parts.extend(tenure.pending.iter().map(|pending| Part { partition: *partition, range: pending.range }));
            beyond.push((*partition, tenure.mark().declared));
        }
        self.takeovers[at].step = Step::Looking(id, parts.clone());
        self.effects.push(Effect::Look(Look { id, flight: None, parts, beyond }));
    }

    /// Takes the answer if a takeover asked; returns whether one did.
    pub(super) fn surveyed(&mut self, id: RequestId, looked: &Looked) -> bool {
        let is_asker = |takeover: &Takeover| matches!(&takeover.step, Step::Looking(of, _) if *of == id);
        let Some(at) = self.takeovers.iter().position(is_asker) else { return false };
        let takeover = self.takeovers.remove(at);
        let Step::Looking(_, parts) = takeover.step else { return true };
        let ours = |partition: &TopicPartition| takeover.partitions.contains(partition);

        for partition in &takeover.partitions {
            let beyond = looked.beyond.iter().find(|(of, _)| of == partition);
            if let Some(tenure) = self.tenures.get_mut(partition) {
                tenure.known = Some(tenure.mark());
                tenure.suspect = beyond.map(|(_, seen)| *seen);
            }
        }
        let mut missing: BTreeMap<Group, Vec<Part>> = BTreeMap::new();
        for (part, presence) in parts.iter().zip(&looked.presence).filter(|(part, _)| ours(&part.partition)) {
            let pending = self.tenures.get(&part.partition).map(|tenure| &tenure.pending);
            let group = pending.and_then(|pending| pending.iter().find(|pending| pending.range == part.range));
            match (group, presence) {
                (Some(pending), Presence::Absent | Presence::Partial) => {
                    missing.entry(pending.group).or_default().push(*part);
                }
                (_, Presence::Present) => self.durable(part.partition, part.range),
                (None, _) => {}
            }
        }
        for (group, parts) in missing {
            let flight = Flight::replay(group, &parts, u32::from(self.has(Bug::ReplayWithAnotherToken)));
            let id = self.next_flight();
            self.flights.insert(id, flight);
        }
        for partition in takeover.partitions {
            self.read_on(partition);
        }
        true
    }

    /// Reads the next declared range that is missing; after the last, whatever is new.
    pub(super) fn read_on(&mut self, partition: TopicPartition) {
        let Some(tenure) = self.tenures.get_mut(&partition).filter(|tenure| tenure.suspect.is_none()) else { return };
        let position = tenure.position;
        let next = tenure.pending.iter().find(|pending| !pending.durable && pending.range.first() >= position);
        let (from, until) = match next.map(|pending| pending.range) {
            Some(range) => {
                tenure.phase = Phase::Replaying(range);
                (range.first(), Some(range.end()))
            }
            None => {
                tenure.phase = Phase::Consuming;
                (tenure.mark().declared, None)
            }
        };
        tenure.position = from;
        self.effects.push(Effect::Consume { partition, from, until });
    }

    /// The takeover's question failed: it is asked again after a pause. Returns whether one had asked.
    pub(super) fn takeover_failed(&mut self, id: RequestId) -> bool {
        let at = self.now.plus(self.config.retry_pause_ms);
        for takeover in &mut self.takeovers {
            match takeover.step {
                Step::Fetching(of) if of == id => takeover.step = Step::FetchAt(at),
                Step::Looking(of, _) if of == id => takeover.step = Step::LookAt(at),
                _ => continue,
            }
            return true;
        }
        false
    }
}

/// Reads a partition's commit: its low-water mark and what it declares.
fn read(fetched: &Fetched, raised: u32) -> Result<(Epoch, Offset, Vec<Pending>), StopReason> {
    let partition = fetched.partition;
    let epoch = Epoch::new(fetched.topic_id, raised);
    let Some((low, text)) = &fetched.committed else {
        // A first start. If it is not, the look finds rows that nobody declared.
        return Ok((epoch, fetched.log_first, Vec::new()));
    };
    let mut pending = Vec::new();
    // Whoever commits without metadata declares nothing.
    if !text.is_empty() {
        let metadata = Metadata::parse(text).map_err(|error| StopReason::Metadata(partition, error))?;
        if metadata.epoch.topic() != epoch.topic() {
            return Err(StopReason::Anew(partition));
        }
        if metadata.epoch.raised() > raised {
            return Err(StopReason::Epoch(partition, metadata.epoch.raised(), raised));
        }
        if metadata.low != *low {
            return Err(StopReason::OffsetMoved(partition, *low, metadata.low));
        }
        // Under the epoch that declared them: inserts of theirs may be under way.
        let declared = metadata.declared.iter();
        pending.extend(declared.map(|declared| Pending::of(*declared, partition.topic, metadata.epoch)));
    }
    let declared = pending.last().map_or(*low, |last: &Pending| last.range.end());
    if *low < fetched.log_first || declared > fetched.log_end {
        return Err(StopReason::OutOfLog(partition, *low));
    }
    Ok((epoch, *low, pending))
}
