//! The rows of one partition's range, from its first record to its acknowledgement.

use domain::{
    ids::{Offset, Partition},
    record::{Decoded, Record, Reject},
    time::Timestamp,
};
use opentelemetry::trace::SpanContext;

use crate::tables::{Place, Tables};

/// What a range's records have become.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) tables: Tables,
    /// The producers' spans, at most [`kit::propagation::LINKS_MAX`].
    pub(crate) links: Vec<SpanContext>,
    /// Records, valid or not.
    pub(crate) records: u64,
    /// Bytes of their keys, headers and values.
    pub(crate) bytes: u64,
    /// Kafka's timestamp of the last record, Unix time in milliseconds.
    pub(crate) timestamp_ms: i64,
}

/// What became of a record.
pub(crate) enum Verdict<'r> {
    /// A valid event, seen for the first time.
    Event(Decoded<'r>),
    /// A valid event whose pair the partition has had before.
    Repeat(Decoded<'r>),
    /// No event.
    Rejected(Reject),
}

impl Rows {
    /// Adds records of `topic`, in order, each with what became of it.
    pub(crate) fn push_all(&mut self, topic: &'static str, records: &[(Place, Record<'_>)], verdicts: &[Verdict<'_>]) {
        let judged = records.iter().zip(verdicts);
        self.tables.push_events(judged.clone().filter_map(|((place, _), verdict)| match verdict {
            Verdict::Event(event) => Some((*place, event)),
            Verdict::Repeat(_) | Verdict::Rejected(_) => None,
        }));
        for ((place, record), verdict) in judged {
            match verdict {
                Verdict::Event(_) => {}
                Verdict::Repeat(event) => self.tables.push_repeat(topic, *place, &event.source, &event.id),
                Verdict::Rejected(reject) => self.tables.push_dead_letter(topic, *place, record, reject),
            }
            let headers: usize =
                record.headers.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum();
            let bytes = record.key.map_or(0, <[u8]>::len) + headers + record.payload.map_or(0, <[u8]>::len);
            self.records += 1;
            self.bytes += bytes as u64;
            self.timestamp_ms = place.received_at.0.div_euclid(1_000);
        }
    }

    /// For what comes next: nothing, and room for about as much.
    pub(crate) fn emptied(&self) -> Self {
        Self { tables: self.tables.emptied(), ..Self::default() }
    }

    /// Whether a producer's span may still be added.
    pub(crate) fn wants_link(&self) -> bool {
        self.links.len() < kit::propagation::LINKS_MAX
    }
}

/// The place of a record.
pub(crate) fn place(partition: Partition, offset: i64, received_ms: i64) -> Place {
    Place { partition, offset: Offset(offset), received_at: Timestamp(received_ms.saturating_mul(1_000)) }
}
