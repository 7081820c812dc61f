//! Reading and decoding without the rest, to be measured: what the client and the columns cost by themselves.
//!
//! The same client settings, queues and code as ingest's own; no protocol, no repeats, and the rows are thrown away.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use domain::{ids::Partition, record::InputTopic};
use kit::config::KafkaConfig;
use protocol::{Topic, TopicPartition};
use wire::topics::USAGE;

use crate::{
    config::IngestConfig,
    kafka::{Member, Told},
    member::{BATCH_RECORDS_MAX, Rows, take_in},
};

/// Batches of a partition before the others get their turn, as in ingest.
const BATCHES: usize = 32;
const JOIN_MAX: Duration = Duration::from_secs(30);
const SILENCE_MAX: Duration = Duration::from_secs(30);
const IDLE_MAX: Duration = Duration::from_millis(100);

/// A member of the group that has its partitions and has read nothing yet.
pub struct Alone {
    member: Member,
    rows_max: u64,
}

impl Alone {
    /// Joins the group and waits until all input partitions are assigned. Call it on the thread that will [`Self::drain`].
    ///
    /// # Errors
    /// When the settings are not valid, or it takes too long.
    pub fn join(config: &IngestConfig, kafka: &KafkaConfig) -> anyhow::Result<Self> {
        let waker = thread::current();
        let mut member = Member::join(config, kafka, Arc::new(move || waker.unpark()))?;
        let begun = Instant::now();
        while !member.poll()?.iter().any(|told| matches!(told, Told::Assigned(partitions) if !partitions.is_empty())) {
            ensure!(begun.elapsed() < JOIN_MAX, "no partitions were assigned");
            thread::park_timeout(IDLE_MAX);
        }
        Ok(Self { member, rows_max: config.batch_rows_max })
    }

    /// Reads the usage topic from its beginning to these log ends, by partition, and decodes it into columns if asked to.
    /// Returns how many records there were and the time from the first to the last.
    ///
    /// # Errors
    /// When the log ends early or cannot be read.
    pub fn drain(mut self, ends: &[i64], decode: bool) -> anyhow::Result<(u64, Duration)> {
        let partitions: Vec<TopicPartition> = (0..i32::try_from(ends.len())?)
            .map(|number| TopicPartition { topic: Topic(USAGE), partition: Partition(number) })
            .collect();
        for partition in &partitions {
            self.member.consume(*partition, 0)?;
        }
        let total: u64 = ends.iter().sum::<i64>().unsigned_abs();
        let (mut records, mut begun, mut heard) = (0, None, Instant::now());
        let mut open: Vec<Rows> = partitions.iter().map(|_| Rows::default()).collect();
        while records < total {
            // Membership depends on it.
            self.member.poll()?;
            let before = records;
            for (partition, open) in partitions.iter().zip(&mut open) {
                let queue = self.member.queue(*partition).context("a partition has no queue")?;
                for _ in 0..BATCHES {
                    let messages = queue.take(BATCH_RECORDS_MAX);
                    let taken: Vec<_> = messages.iter().collect();
                    if let Some(code) = taken.iter().find_map(|message| message.error()) {
                        return Err(code).with_context(|| format!("{partition} cannot be read"));
                    }
                    if taken.is_empty() {
                        break;
                    }
                    records += taken.len() as u64;
                    if decode {
                        take_in(open, InputTopic::Usage, *partition, &taken, None);
                    }
                    if open.records >= self.rows_max {
                        *open = open.emptied();
                    }
                }
            }
            if records > before {
                heard = Instant::now();
                begun.get_or_insert(heard);
            } else {
                ensure!(heard.elapsed() < SILENCE_MAX, "the log ended after {records} of {total} records");
                thread::park_timeout(IDLE_MAX);
            }
        }
        Ok((records, begun.map_or(Duration::ZERO, |begun| begun.elapsed())))
    }
}
