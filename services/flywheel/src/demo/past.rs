//! What the catalog topic remembers of earlier runs: whether the history was sent, and which.
//!
//! The history is sent once for as long as Kafka keeps its data. Two records of the catalog, which is kept for ever, mark
//! it: one before it and one after it, each an ordinary definition of a team whose id names the seed and the instant
//! at which the history ends. No file beside Kafka could be trusted to be there exactly as long as the data.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use domain::time::Timestamp;
use kit::{config::KafkaConfig, kafka::Quiet};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::BorrowedMessage,
};
use tokio_util::sync::CancellationToken;

use super::emission::SOURCE;

/// How long Kafka may take to answer one question.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long reading the catalog may take.
const READ_MAX: Duration = Duration::from_secs(120);
/// How long one poll may block: a shutdown is noticed as soon.
const POLL: Duration = Duration::from_millis(100);

/// A history: the draws it is made of and the instant at which it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) seed: u64,
    pub(super) anchor: Timestamp,
}

/// How far an earlier run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Past {
    /// There was none.
    Nothing,
    /// A history was begun and not finished.
    Begun(Told),
    /// A history was sent whole.
    Complete(Told),
}

impl Told {
    /// Id of the record before the history.
    pub(super) fn begun_id(self) -> String {
        self.id("begun")
    }

    /// Id of the record after it.
    pub(super) fn complete_id(self) -> String {
        self.id("complete")
    }

    fn id(self, what: &str) -> String {
        format!("demo-history-{what}-{}-{}", self.seed, self.anchor.0)
    }
}

impl Past {
    /// What is known after one more record with this id. The history begun first is the one that counts.
    fn after(self, id: &str) -> Self {
        let told = |text: &str| {
            let (seed, anchor) = text.split_once('-')?;
            Some(Told { seed: seed.parse().ok()?, anchor: Timestamp(anchor.parse().ok()?) })
        };
        let begun = id.strip_prefix("demo-history-begun-").and_then(told);
        let complete = id.strip_prefix("demo-history-complete-").and_then(told);
        match (self, begun, complete) {
            (Self::Nothing, Some(told), _) => Self::Begun(told),
            (Self::Nothing | Self::Begun(_), _, Some(told)) => Self::Complete(told),
            (past, ..) => past,
        }
    }

    /// Reads the catalog topic from its beginning to its present end. Blocks.
    ///
    /// # Errors
    /// When Kafka does not answer, the topic is not there, or `shutdown` comes first.
    pub(super) fn read(kafka: &KafkaConfig, shutdown: &CancellationToken) -> anyhow::Result<Self> {
        let topic = wire::topics::CATALOG;
        let consumer: BaseConsumer<Quiet> = kit::kafka::client_config(kafka, "flywheel-demo")
            // Named because the client asks for one; it never joins the group and commits nothing.
            .set("group.id", "flywheel-demo")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .create_with_context(Quiet)
            .context("cannot make a Kafka consumer")?;
        let metadata = consumer.fetch_metadata(Some(topic), ANSWER_MAX).context("Kafka does not answer")?;
        let partitions: Vec<i32> = metadata
            .topics()
            .iter()
            .filter(|it| it.error().is_none())
            .flat_map(|it| it.partitions())
            .map(|it| it.id())
            .collect();
        ensure!(!partitions.is_empty(), "topic {topic} is not there: run `flywheel migrate` first");
        let mut assignment = TopicPartitionList::new();
        for partition in &partitions {
            assignment.add_partition_offset(topic, *partition, Offset::Beginning)?;
        }
        consumer.assign(&assignment).with_context(|| format!("cannot read topic {topic}"))?;

        let deadline = Instant::now() + READ_MAX;
        let mut past = Self::Nothing;
        let mut at_end = BTreeSet::new();
        while at_end.len() < partitions.len() {
            ensure!(!shutdown.is_cancelled(), "stopped");
            ensure!(Instant::now() < deadline, "topic {topic} was not read to its end in {} s", READ_MAX.as_secs());
            match consumer.poll(POLL) {
                None => {}
                Some(Ok(message)) => {
                    if let Some(id) = own_id(&message) {
                        past = past.after(&id);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    at_end.insert(partition);
                }
                Some(Err(error)) => bail!("cannot read topic {topic}: {error}"),
            }
        }
        Ok(past)
    }
}

/// The id of a record that the demonstration sent.
fn own_id(message: &BorrowedMessage<'_>) -> Option<String> {
    let headers = kit::headers::read(message);
    let text = |name: &str| std::str::from_utf8(kit::headers::find(&headers, name)?).ok();
    text("ce_id").filter(|_| text("ce_source") == Some(SOURCE)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: Told = Told { seed: 7, anchor: Timestamp(1_700_000_000_000_000) };
    const LATER: Told = Told { seed: 8, anchor: Timestamp(1_800_000_000_000_000) };

    #[track_caller]
    fn check(ids: &[&str], past: Past) {
        assert_eq!(ids.iter().fold(Past::Nothing, |past, id| past.after(id)), past);
    }

    #[test]
    fn the_marks_say_how_far_an_earlier_run_came() {
        check(&[], Past::Nothing);
        check(&["demo-7-1700000000-12", "demo-history-begun-x-1", "other"], Past::Nothing);
        check(&[&TOLD.begun_id()], Past::Begun(TOLD));
        check(&[&TOLD.begun_id(), &TOLD.complete_id(), "demo-7-live-1-2"], Past::Complete(TOLD));
    }

    #[test]
    fn the_history_begun_first_counts_until_one_is_complete() {
        check(&[&TOLD.begun_id(), &LATER.begun_id()], Past::Begun(TOLD));
        check(&[&TOLD.begun_id(), &LATER.begun_id(), &LATER.complete_id(), &TOLD.complete_id()], Past::Complete(LATER));
    }
}
