//! A consumer group as Kafka sees it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    groups::GroupMemberInfo,
};

const ASK_MAX: Duration = Duration::from_secs(10);
const JOIN_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A group that is watched from outside.
pub(crate) struct Group {
    name: String,
    consumer: BaseConsumer,
}

impl Group {
    /// The group called `name`; it need not exist.
    ///
    /// # Errors
    /// When librdkafka refuses the settings.
    pub(crate) fn new(brokers: &str, name: &str) -> anyhow::Result<Self> {
        // In the group's name, to read what it has committed; it never joins.
        let consumer =
            ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", name).create::<BaseConsumer>()?;
        // Connects, so that the first question is answered at once.
        consumer.fetch_metadata(None, ASK_MAX).context("Kafka does not answer")?;
        Ok(Self { name: name.to_owned(), consumer })
    }

    /// Waits until every member has its partitions; says when.
    ///
    /// # Errors
    /// When that takes too long.
    pub(crate) fn joined(&self) -> anyhow::Result<Instant> {
        let began = Instant::now();
        while began.elapsed() < JOIN_MAX {
            // The first group of a new Kafka waits for the coordinator.
            let stable = self.consumer.fetch_group_list(Some(&self.name), ASK_MAX).is_ok_and(|groups| {
                groups.groups().iter().any(|group| {
                    let assigned =
                        |member: &GroupMemberInfo| member.assignment().is_some_and(|bytes| !bytes.is_empty());
                    group.state() == "Stable" && !group.members().is_empty() && group.members().iter().all(assigned)
                })
            });
            if stable {
                return Ok(Instant::now());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        bail!("nobody joined the group {} within {} s", self.name, JOIN_MAX.as_secs())
    }

    /// The ids of the members, sorted.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub(crate) fn members(&self) -> anyhow::Result<Vec<String>> {
        let groups = self.consumer.fetch_group_list(Some(&self.name), ASK_MAX).context("Kafka does not answer")?;
        let members =
            groups.groups().iter().flat_map(|group| group.members().iter().map(|member| member.id().to_owned()));
        let mut members: Vec<String> = members.collect();
        members.sort();
        Ok(members)
    }

    /// Messages before the log ends `ends` of `topic` that the group has not committed.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub(crate) fn lag(&self, topic: &str, ends: &[i64]) -> anyhow::Result<u64> {
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_range(topic, 0, i32::try_from(ends.len())? - 1);
        let committed = self.consumer.committed_offsets(partitions, ASK_MAX).context("Kafka does not answer")?;
        let mut lag = 0;
        for element in committed.elements() {
            let next = if let Offset::Offset(next) = element.offset() { next } else { 0 };
            let end = ends.get(usize::try_from(element.partition())?).copied().unwrap_or_default();
            lag += end.saturating_sub(next).unsigned_abs();
        }
        Ok(lag)
    }
}
