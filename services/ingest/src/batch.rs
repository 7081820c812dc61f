//! What waits to be written, and the commit rule. No I/O.
//!
//! The rule: an offset is committed only after ClickHouse has acknowledged the rows of every record before it. A batch holds,
//! for each partition, a contiguous range of records that follows what earlier batches hold; batches are written one at a
//! time, in order; so once a batch is acknowledged, its [`Position`]s may be committed.

use std::{collections::BTreeMap, time::Instant};

use domain::{
    ids::{Offset, Partition},
    record::{Decoded, Record, Reject},
};
use opentelemetry::trace::SpanContext;

use crate::{
    config::IngestConfig,
    tables::{Place, Tables, millis},
};

/// Rows and the offsets they reach.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) tables: Tables,
    /// How far the batch reaches, for each topic and partition.
    pub(crate) positions: BTreeMap<(&'static str, Partition), Position>,
    /// Rows for each team; under the empty name what touches every team.
    pub(crate) teams: BTreeMap<String, u64>,
    /// The producers' spans, at most [`kit::propagation::LINKS_MAX`].
    pub(crate) links: Vec<SpanContext>,
    bytes: usize,
    opened_at: Option<Instant>,
}

/// How far a batch reaches in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The offset to commit: the first that is not in the batch.
    pub(crate) next: Offset,
    /// Kafka's timestamp of the last record, Unix time in milliseconds.
    pub(crate) timestamp_ms: i64,
    /// Records of the partition in the batch, valid or not.
    pub(crate) records: u64,
}

impl Batch {
    /// Adds a record that was decoded, or the reason why it could not be.
    pub(crate) fn push(
        &mut self,
        topic: &'static str,
        place: Place,
        record: &Record<'_>,
        decoded: Result<Decoded<'_>, Reject>,
        link: Option<SpanContext>,
        now: Instant,
    ) {
        match decoded {
            Ok(event) => {
                let team = event.body.team().map(ToString::to_string).unwrap_or_default();
                *self.teams.entry(team).or_default() += 1;
                self.tables.push_event(place, &event);
            }
            Err(reject) => self.tables.push_dead_letter(topic, place, record, &reject),
        }
        if self.links.len() < kit::propagation::LINKS_MAX {
            self.links.extend(link);
        }
        let records = self.positions.get(&(topic, place.partition)).map_or(0, |position| position.records);
        let position = Position {
            next: Offset(place.offset.0 + 1),
            timestamp_ms: millis(place.received_at),
            records: records + 1,
        };
        self.positions.insert((topic, place.partition), position);
        // All that a dead letter keeps of the record.
        let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum();
        self.bytes += record.key.map_or(0, <[u8]>::len) + headers + record.payload.map_or(0, <[u8]>::len);
        self.opened_at.get_or_insert(now);
    }

    /// Records, valid or not.
    pub(crate) fn records(&self) -> u64 {
        self.positions.values().map(|position| position.records).sum()
    }

    /// Whether there is anything to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Whether no further record should be added.
    pub(crate) fn is_full(&self, limits: &IngestConfig) -> bool {
        self.tables.rows() >= limits.batch_rows_max || self.bytes >= limits.batch_bytes_max
    }

    /// When the batch must be written even if it is not full; `None` while it is empty.
    pub(crate) fn due_at(&self, limits: &IngestConfig) -> Option<Instant> {
        self.opened_at.map(|opened| opened + std::time::Duration::from_millis(limits.flush_age_ms_max))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use domain::{
        record::{InputTopic, decode},
        time::Timestamp,
    };

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        limits: IngestConfig,
    }

    #[test]
    fn headers_and_keys_fill_a_batch_too() {
        let limits = Cli::parse_from(["", "--ingest-batch-bytes-max", "1000"]).limits;
        let is_full_after = |key: &[u8], header: &[u8]| {
            let headers = [("h", Some(header))];
            let record = Record {
                topic: InputTopic::Usage,
                key: Some(key),
                headers: &headers,
                payload: None,
                timestamp: Timestamp(0),
            };
            let place = Place { partition: Partition(0), offset: Offset(0), received_at: Timestamp(0) };
            let mut batch = Batch::default();
            batch.push("flywheel.usage.v1", place, &record, decode(&record), None, Instant::now());
            batch.is_full(&limits)
        };
        assert!(!is_full_after(&[], &[0; 900]));
        assert!(is_full_after(&[], &[0; 1000]));
        assert!(is_full_after(&[0; 1000], &[]));
    }
}
