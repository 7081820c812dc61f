//! From records to rows: drains the partitions' queues, decodes, and tells repeats from what is new.

use std::{
    ops::Range,
    time::{Duration, Instant, UNIX_EPOCH},
};

use anyhow::bail;
use domain::record::{Decoded, InputTopic, Record, Reject, decode};
use protocol::{Drained, Input, Offset, TopicPartition};
use rdkafka::error::RDKafkaErrorCode;
use smallvec::SmallVec;

use crate::{
    kafka::{Message, Messages, input_topic},
    repeats::{Fingerprint, Valid, Window},
    tables::{Place, millis},
};

use super::{
    BEHIND_AGE_MIN, Ingest,
    lane::{Lane, Reading, Stage},
    rows::{Rows, Verdict, place},
};

/// Records that are drained from a partition before the others get their turn.
const DRAIN_RECORDS_MAX: u64 = 2_048;

/// Records that are taken from a queue, judged and given back together: so few that they are still in the processor's caches when
/// they are given back, and enough for the window to be asked for many at once.
pub(crate) const BATCH_RECORDS_MAX: usize = 64;

/// How long a partition that cannot be sought yet is left alone.
const SEEK_PAUSE: Duration = Duration::from_millis(100);

/// Headers of a record that there is room for at once; an event of ours has six, and two more when it is traced.
const HEADERS: usize = 8;

impl Ingest {
    /// Drains what is wanted and there. Returns whether there may be more.
    pub(super) fn drain(&mut self) -> anyhow::Result<bool> {
        let held: usize = self.lanes.values().map(Lane::bytes).sum();
        self.full = held >= self.config.rows_bytes_max();
        let mut busy = false;
        self.behind = false;
        for partition in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.seek_if_due(partition);
            busy |= self.drain_partition(partition)?;
            self.step()?;
        }
        Ok(busy)
    }

    fn seek_if_due(&mut self, partition: TopicPartition) {
        let Some(lane) = self.lanes.get_mut(&partition) else { return };
        let Stage::Seeking(reading, at) = lane.stage else { return };
        let Some(position) = lane.position.filter(|_| at <= Instant::now()) else { return };
        lane.stage = match self.member.consume(partition, position.0) {
            Ok(()) => Stage::Reading(reading),
            Err(error) => {
                tracing::debug!(%partition, error = error.to_string(), "a partition cannot be read yet");
                Stage::Seeking(reading, Instant::now() + SEEK_PAUSE)
            }
        };
    }

    fn drain_partition(&mut self, partition: TopicPartition) -> anyhow::Result<bool> {
        let Some(lane) = self.lanes.get_mut(&partition) else { return Ok(false) };
        let Stage::Reading(Reading { from, until }) = lane.stage else { return Ok(false) };
        let Some(first) = lane.position else { return Ok(false) };
        // What is read again must be read whole, or it is never inserted and never leaves memory.
        if !self.machine.may_drain(partition) || self.full && until.is_none() {
            return Ok(false);
        }
        let Some(queue) = self.member.queue(partition) else { return Ok(false) };
        let Some(topic) = input_topic(partition.topic.0) else { bail!("{partition} is not ours to read") };
        let (records, bytes) = (lane.open.records, lane.open.bytes);
        let (mut position, mut more) = (first, true);
        while more && lane.open.records - records < DRAIN_RECORDS_MAX {
            let messages = queue.take(BATCH_RECORDS_MAX);
            more = messages.len() == BATCH_RECORDS_MAX;
            let (wanted, then) = sift(partition, &messages, position, until)?;
            if let Some(last) = wanted.last() {
                position = Offset(last.offset() + 1);
                take_in(&mut lane.open, topic, partition, &wanted, Some(&mut lane.window));
            }
            match then {
                Then::Go => {}
                Then::End => more = false,
                Then::Seek(at) => {
                    lane.stage = Stage::Seeking(Reading { from, until }, at);
                    more = false;
                }
            }
        }
        // Where Kafka's clock is ahead of ours, its times say nothing.
        let received_at = UNIX_EPOCH + Duration::from_millis(lane.open.timestamp_ms.max(0).unsigned_abs());
        self.behind |= more && received_at.elapsed().map_or(true, |age| age >= BEHIND_AGE_MIN);
        lane.position = Some(position);
        if position == first {
            return Ok(more);
        }
        if self.kafka_trouble.take().is_some() {
            tracing::info!("kafka is read again");
        }
        if records == 0 {
            lane.opened_at = Some(Instant::now());
        }
        let end = position;
        let drained =
            Drained { partition, first, end, records: lane.open.records - records, bytes: lane.open.bytes - bytes };
        if let Some(until) = until.filter(|until| *until == end) {
            // A declared range is whole again.
            lane.stage = Stage::Waiting;
            self.metrics.replayed(partition.topic.0);
            if let Some(range) = protocol::Range::new(from, until) {
                self.seal(partition, range);
            }
        }
        self.inputs.push_back(Input::Drained(drained));
        Ok(true)
    }
}

/// What follows a batch.
enum Then {
    Go,
    /// A declared range is complete: what comes after it is read later.
    End,
    /// Records are not those that were sought.
    Seek(Instant),
}

/// Those of the messages that are records from `position` on, and before `until`.
fn sift<'m>(
    partition: TopicPartition,
    messages: &'m Messages<'_>,
    mut position: Offset,
    until: Option<Offset>,
) -> anyhow::Result<(SmallVec<[Message<'m>; BATCH_RECORDS_MAX]>, Then)> {
    let mut wanted = SmallVec::new();
    for message in messages.iter() {
        match message.error() {
            None => {}
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)
                if message.offset() == position.0 =>
            {
                bail!(
                    "the log of {partition} does not have offset {}: records expired, or the topic was made anew",
                    position.0
                )
            }
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                return Ok((wanted, Then::Seek(Instant::now() + SEEK_PAUSE)));
            }
            Some(code) => {
                tracing::warn!(%partition, error = %code, "a partition cannot be read, trying on");
                continue;
            }
        }
        if message.offset() < position.0 {
            // A seek that overtakes the end of the partition's last assignment is forgotten when the new one begins, at the
            // log's beginning: what comes then is not wanted, and what is has not been passed.
            tracing::debug!(%partition, offset = message.offset(), sought = position.0, "a seek was lost, seeking again");
            return Ok((wanted, Then::Seek(Instant::now())));
        }
        if until.is_some_and(|until| message.offset() >= until.0) {
            return Ok((wanted, Then::End));
        }
        wanted.push(message);
        position = Offset(message.offset() + 1);
    }
    Ok((wanted, Then::Go))
}

/// Adds records to the open rows. The window judges the valid ones together, which costs half of one by one; without a window
/// nothing is a repeat.
pub(crate) fn take_in(
    open: &mut Rows,
    topic: InputTopic,
    partition: TopicPartition,
    messages: &[Message<'_>],
    window: Option<&mut Window>,
) {
    let mut headers = Vec::with_capacity(messages.len() * HEADERS);
    let ranges: SmallVec<[Range<usize>; BATCH_RECORDS_MAX]> = messages
        .iter()
        .map(|message| {
            let start = headers.len();
            message.read_headers(&mut headers);
            start..headers.len()
        })
        .collect();
    for range in &ranges {
        if !open.wants_link() {
            break;
        }
        open.links.extend(kit::propagation::link_of(&headers[range.clone()]));
    }
    let headers: Vec<(&str, Option<&[u8]>)> = headers.iter().map(|(name, value)| (name.as_ref(), *value)).collect();
    let records: Vec<(Place, Record<'_>)> = messages
        .iter()
        .zip(ranges)
        .map(|(message, range)| {
            let headers = &headers[range];
            let place = place(partition.partition, message.offset(), message.timestamp_ms());
            let (key, payload) = (message.key(), message.payload());
            (place, Record { topic, key, headers, payload, timestamp: place.received_at })
        })
        .collect();
    let decoded: Vec<Result<Decoded<'_>, Reject>> = records.iter().map(|(_, record)| decode(record)).collect();
    let mut repeats = Default::default();
    if let Some(window) = window {
        let valid = records.iter().zip(&decoded).filter_map(|((place, _), decoded)| {
            let event = decoded.as_ref().ok()?;
            let fingerprint = Fingerprint::of(&event.source, &event.id);
            Some(Valid { offset: place.offset.0, received_ms: millis(place.received_at), fingerprint })
        });
        repeats = SmallVec::<[bool; BATCH_RECORDS_MAX]>::from_slice(window.witness_all(&valid.collect::<Vec<_>>()));
    }
    let mut repeats = repeats.into_iter();
    let judged = decoded.into_iter().map(|decoded| match decoded {
        Ok(event) if repeats.next().unwrap_or_default() => Verdict::Repeat(event),
        Ok(event) => Verdict::Event(event),
        Err(reject) => Verdict::Rejected(reject),
    });
    open.push_all(partition.topic.0, &records, &judged.collect::<Vec<_>>());
}
