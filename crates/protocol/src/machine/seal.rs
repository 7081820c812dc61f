//! From drained records to a declared group.

use std::collections::BTreeMap;

use crate::{
    effect::{Effect, Part, StopReason},
    ids::{Epoch, Offset, Topic, TopicPartition},
    input::Drained,
    range::Range,
    token::{Group, Lead},
};

use super::{
    Machine,
    flight::Flight,
    tenure::{Open, Pending, Phase},
};

impl Machine {
    pub(super) fn drained(&mut self, drained: Drained) {
        let Some(tenure) = self.tenures.get_mut(&drained.partition) else { return };
        let expected = tenure.position;
        let follows = drained.first == expected && drained.end > expected;
        match tenure.phase {
            // It is told where to read later.
            Phase::Arriving | Phase::Leaving { .. } => {}
            Phase::Replaying(range) if follows && drained.end <= range.end() => {
                tenure.position = drained.end;
                if drained.end == range.end() {
                    self.held(Part { partition: drained.partition, range });
                    self.read_on(drained.partition);
                }
            }
            Phase::Consuming if follows && Range::new(open_first(tenure.open, expected), drained.end).is_some() => {
                tenure.position = drained.end;
                let fresh = Open { first: expected, records: 0, bytes: 0, due: false };
                let open = tenure.open.get_or_insert(fresh);
                open.records = open.records.saturating_add(drained.records);
                open.bytes = open.bytes.saturating_add(drained.bytes);
            }
            Phase::Replaying(_) | Phase::Consuming => {
                self.stop(StopReason::OutOfOrder(drained.partition, drained.first, expected));
            }
        }
    }

    pub(super) fn flush(&mut self) {
        for open in self.tenures.values_mut().filter_map(|tenure| tenure.open.as_mut()) {
            open.due = true;
        }
    }

    /// Makes one group of a topic's open ranges once one of them is due or they are many.
    pub(super) fn seal(&mut self) {
        let mut topics: BTreeMap<(Topic, Epoch), Vec<TopicPartition>> = BTreeMap::new();
        for (partition, tenure) in &self.tenures {
            let has_room = tenure.pending.len() < self.config.ranges_in_flight() && tenure.may_seal();
            if tenure.open.is_some() && has_room {
                topics.entry((partition.topic, tenure.epoch)).or_default().push(*partition);
            }
        }
        for ((topic, epoch), partitions) in topics {
            let opens = partitions.iter().filter_map(|partition| self.tenures[partition].open);
            let (mut due, mut records, mut bytes) = (false, 0_u64, 0_u64);
            for open in opens {
                due |= open.due;
                records = records.saturating_add(open.records);
                bytes = bytes.saturating_add(open.bytes);
            }
            if due || records >= self.config.group_records_max || bytes >= self.config.group_bytes_max {
                self.seal_group(topic, epoch, &partitions);
            }
        }
    }

    fn seal_group(&mut self, topic: Topic, epoch: Epoch, partitions: &[TopicPartition]) {
        let mut parts = Vec::new();
        for partition in partitions {
            if let Some(tenure) = self.tenures.get_mut(partition)
                && let Some(open) = tenure.open.take()
                && let Some(range) = Range::new(open.first, tenure.position)
            {
                parts.push(Part { partition: *partition, range });
            }
        }
        // In order of their partitions, so the lowest leads.
        let Some(first) = parts.first() else { return };
        let lead = Lead { partition: first.partition.partition, range: first.range };
        let group = Group { topic, epoch, lead };
        for part in &parts {
            if let Some(tenure) = self.tenures.get_mut(&part.partition) {
                tenure.pending.push_back(Pending { range: part.range, group, durable: false });
            }
        }
        let id = self.next_flight();
        self.flights.insert(id, Flight::new(group, &parts));
        self.effects.push(Effect::Sealed(parts));
    }
}

fn open_first(open: Option<Open>, position: Offset) -> Offset {
    open.map_or(position, |open| open.first)
}
