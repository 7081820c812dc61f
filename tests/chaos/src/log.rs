//! What Kafka's log holds: the truth that rows are compared with.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::Headers as _,
};
use wire::topics::INPUTS;

const ANSWER_MAX: Duration = Duration::from_secs(10);
const POLL_MAX: Duration = Duration::from_millis(500);
/// A partition that has more must say it within this time.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A topic's partition.
pub type Place = (&'static str, i32);

/// A record of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp in Unix milliseconds.
    pub received_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Its value.
    pub payload: Option<Vec<u8>>,
}

/// Reads the log, and what ingest has committed. It speaks to Kafka directly, through no proxy, and is in no group.
///
/// Every call blocks its thread.
pub struct Log {
    consumer: BaseConsumer,
}

impl Log {
    /// A reader that asks `group`'s offsets.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(brokers: &str, group: &str) -> anyhow::Result<Self> {
        let consumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("check.crcs", "true")
            .set("reconnect.backoff.max.ms", "500")
            .set("log_level", "0")
            .create()?;
        Ok(Self { consumer })
    }

    /// The partitions of the input topics, with their ends: the offsets that come next.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn ends(&self) -> anyhow::Result<BTreeMap<Place, i64>> {
        let mut ends = BTreeMap::new();
        for topic in INPUTS {
            let metadata = self.consumer.fetch_metadata(Some(topic), ANSWER_MAX).context("cannot read the topics")?;
            let partitions = metadata.topics().iter().map(|topic| topic.partitions().len()).sum::<usize>();
            ensure!(partitions > 0, "topic {topic} does not exist");
            for partition in 0..i32::try_from(partitions)? {
                let (_, end) = self.consumer.fetch_watermarks(topic, partition, ANSWER_MAX)?;
                ends.insert((topic, partition), end);
            }
        }
        Ok(ends)
    }

    /// The group's committed offsets; 0 for a partition without one.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub fn committed(&self, partitions: impl Iterator<Item = Place>) -> anyhow::Result<BTreeMap<Place, i64>> {
        let partitions: Vec<Place> = partitions.collect();
        let mut asked = TopicPartitionList::new();
        for (topic, partition) in &partitions {
            asked.add_partition(topic, *partition);
        }
        let answered =
            self.consumer.committed_offsets(asked, ANSWER_MAX).context("cannot read the committed offsets")?;
        let offset = |(topic, partition): Place| {
            let found = answered.find_partition(topic, partition);
            match found.map(|found| found.offset()) {
                Some(Offset::Offset(offset)) => offset,
                _ => 0,
            }
        };
        Ok(partitions.into_iter().map(|place| (place, offset(place))).collect())
    }

    /// Every record of a partition up to `end`.
    ///
    /// # Errors
    /// When Kafka does not answer, or the log has a hole: nothing here writes in transactions or compacts.
    pub fn read(&self, (topic, partition): Place, end: i64) -> anyhow::Result<Vec<Logged>> {
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(topic, partition, Offset::Offset(0))?;
        self.consumer.assign(&from)?;
        let mut records = Vec::with_capacity(usize::try_from(end)?);
        let mut last = Instant::now();
        while (records.len() as i64) < end {
            let silent = last.elapsed();
            ensure!(silent < SILENCE_MAX, "{topic} {partition} says nothing for {silent:?} at {}", records.len());
            // Errors tell of connections that broke, perhaps long ago; the client mends them itself.
            let Some(Ok(message)) = self.consumer.poll(POLL_MAX) else { continue };
            if message.partition() != partition || message.topic() != topic {
                continue;
            }
            last = Instant::now();
            ensure!(message.offset() == records.len() as i64, "{topic} {partition} has a hole at {}", records.len());
            let headers = message.headers().map(|headers| {
                let each = headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)));
                each.collect()
            });
            records.push(Logged {
                offset: message.offset(),
                received_ms: message.timestamp().to_millis().context("a record without a timestamp")?,
                key: message.key().map(<[u8]>::to_vec),
                headers: headers.unwrap_or_default(),
                payload: message.payload().map(<[u8]>::to_vec),
            });
        }
        self.consumer.unassign()?;
        Ok(records)
    }
}
