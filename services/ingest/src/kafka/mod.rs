//! Kafka's side of ingest: the client with its pinned settings, the queues of its partitions, and what the group tells us.
//!
//! - `context`: rebalances, as events.
//! - `commits`: commits and their answers.
//! - `queue`: a partition's records, in batches and without a copy.
//! - `headers`: their headers, without the list that librdkafka would make of them.
//! - `offsets`: what the group has committed, and what became of a commit.
//! - `topics`: which topics these are.

mod commits;
mod context;
mod headers;
mod offsets;
mod queue;
mod topics;

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use domain::{ids::Partition, record::InputTopic};
use kit::config::KafkaConfig;
use protocol::{Commit, CommitAnswer, RequestId, Topic, TopicPartition};
use rdkafka::{
    Offset as KafkaOffset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};
use wire::topics::{CATALOG, INPUTS, REQUESTS, USAGE};

use crate::config::IngestConfig;

use self::{
    commits::Commits,
    context::{Context, Event},
};

pub(crate) use self::{
    offsets::fetch_committed,
    queue::{Message, Messages, Queue},
    topics::topic_ids,
};

/// The consumer underneath.
pub(crate) type Consumer = BaseConsumer<Context>;

/// How long the client may take to begin a seek. It does so at once.
const SEEK_MAX: Duration = Duration::from_secs(5);

/// One membership of the consumer group. Dropping it leaves the group.
pub(crate) struct Member {
    /// Before the consumer: it must not outlive it.
    commits: Commits,
    consumer: Arc<Consumer>,
    wake: Arc<dyn Fn() + Send + Sync>,
    queues: BTreeMap<TopicPartition, Queue>,
    /// What the group wants back, as it said it; unassigned in one go once all of it is released.
    revoked: Vec<TopicPartition>,
    committing: Option<(RequestId, Instant)>,
    /// Dropped once the group is left.
    left: Option<mpsc::Sender<()>>,
    commit_max: Duration,
}

/// What the group tells us.
pub(crate) enum Told {
    /// Partitions are ours now; they are split off, and paused until [`Member::consume`].
    Assigned(Vec<TopicPartition>),
    /// Partitions are to be released.
    Revoked(Vec<TopicPartition>),
    /// Partitions are not ours any more.
    Lost(Vec<TopicPartition>),
    /// What became of the commit.
    Committed(RequestId, CommitAnswer),
    /// Kafka cannot be read at the moment.
    Unwell(KafkaError),
}

/// The settings of the consumer, in one place, each with its reason.
fn settings(config: &IngestConfig, kafka: &KafkaConfig) -> rdkafka::ClientConfig {
    let mut settings = kit::kafka::client_config(kafka, "flywheel-ingest");
    settings
        .set("group.id", &config.group)
        // The newer protocol refuses a restarted static member until the old session ends; this one lets it in at once.
        .set("group.protocol", "classic")
        // One instance more or less moves only what must move.
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", config.session_ms_max.to_string())
        .set("heartbeat.interval.ms", (config.session_ms_max / 4).max(1).to_string())
        // We commit ourselves: what is declared and what is durable.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // Where to begin is decided by the protocol. An offset that the log does not have is said, never skipped.
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "false")
        // A commit that the client repeats by itself could land after a later one. A repeat waits at least so long, less the
        // client's jitter of a fifth, so an answer that comes sooner is the answer to the only copy.
        .set("retry.backoff.ms", config.commit_repeat_ms_min().to_string())
        .set("retry.backoff.max.ms", (2 * config.commit_repeat_ms_min()).to_string())
        // A connection that has died without a word is given up well before the default of a minute.
        .set("socket.timeout.ms", "10000")
        .set("socket.keepalive.enable", "true")
        // The default waits a second before it fetches again once a queue was full.
        .set("fetch.queue.backoff.ms", "5")
        // Fifty fetches a second of a broker that has little are enough. Without a least size each batch that arrives is fetched alone, as fast as answers
        // travel, and that costs the broker and the client more than the waiting is worth.
        .set("fetch.min.bytes", "524288")
        .set("fetch.wait.max.ms", "20")
        // Bounds what waits in memory for each partition: with its own queue, each is counted for itself.
        .set("queued.max.messages.kbytes", config.queue_kib_max().to_string())
        .set("check.crcs", "true")
        // Topics that are migrated after we started, and partitions that are added, are seen soon.
        .set("topic.metadata.refresh.interval.ms", "5000");
    if let Some(instance) = &config.instance {
        settings.set("group.instance.id", instance);
    }
    settings
}

impl Member {
    /// Joins the group. The connection is made in the background; Kafka may be away. `wake` is called, from another thread,
    /// when there is something to do.
    pub(crate) fn join(
        config: &IngestConfig,
        kafka: &KafkaConfig,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> anyhow::Result<Self> {
        let mut consumer: Consumer = settings(config, kafka)
            .create_with_context(Context::default())
            .context("the Kafka settings are not valid")?;
        let notify = Arc::clone(&wake);
        consumer.set_nonempty_callback(move || notify());
        consumer.subscribe(&INPUTS).context("cannot subscribe to the input topics")?;
        let consumer = Arc::new(consumer);
        Ok(Self {
            commits: Commits::new(Arc::clone(&consumer), Arc::clone(&wake))?,
            consumer,
            wake,
            queues: BTreeMap::new(),
            revoked: Vec::new(),
            committing: None,
            left: None,
            commit_max: Duration::from_millis(config.commit_ms_max),
        })
    }

    /// The consumer, to ask it for offsets.
    pub(crate) fn consumer(&self) -> Arc<Consumer> {
        Arc::clone(&self.consumer)
    }

    /// Serves the group and returns what it tells us, in order. Call it often: membership depends on it.
    ///
    /// # Errors
    /// When the client has failed for good, or hands out records beside the queues that they belong to.
    pub(crate) fn poll(&mut self) -> anyhow::Result<Vec<Told>> {
        let mut told = Vec::new();
        while let Some(polled) = self.consumer.poll(Duration::ZERO) {
            match polled {
                Ok(message) => {
                    use rdkafka::Message as _;
                    bail!("a record of {}/{} came outside its queue", message.topic(), message.partition());
                }
                Err(KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::FencedInstanceId)) => {
                    bail!("another process has joined the group under our instance id")
                }
                Err(KafkaError::MessageConsumptionFatal(code)) => bail!("the Kafka consumer failed for good: {code}"),
                Err(error) => told.push(Told::Unwell(error)),
            }
        }
        for event in self.consumer.context().take() {
            match event {
                Event::Assigned(partitions) => {
                    let partitions = self.assign(partitions)?;
                    told.push(Told::Assigned(partitions));
                }
                Event::Revoked(partitions) => {
                    self.revoked = known(&partitions);
                    told.push(Told::Revoked(self.revoked.clone()));
                }
                Event::Lost(partitions) => {
                    self.revoked = known(&partitions);
                    told.push(Told::Lost(self.revoked.clone()));
                }
            }
        }
        while let Some(answer) = self.commits.poll() {
            if let Some((id, sent_at)) = self.committing.take() {
                let only_copy = sent_at.elapsed() < self.commit_max;
                told.push(Told::Committed(id, offsets::answer(&answer.refused, answer.refused_all, only_copy)));
            }
        }
        Ok(told)
    }

    /// Each partition gets its queue before it is assigned, so that no record goes elsewhere, and is paused until it is known
    /// where to begin.
    fn assign(&mut self, partitions: TopicPartitionList) -> anyhow::Result<Vec<TopicPartition>> {
        let ours = known(&partitions);
        ensure!(ours.len() == partitions.count(), "the group assigned partitions of topics that we did not ask for");
        let mut list = TopicPartitionList::new();
        for partition in &ours {
            let queue = Queue::split(&self.consumer, *partition, Arc::clone(&self.wake))?;
            self.queues.insert(*partition, queue);
            // Not the committed offset: nothing is read before `consume` says from where.
            list.add_partition_offset(partition.topic.0, partition.partition.0, KafkaOffset::Beginning)?;
        }
        self.consumer.incremental_assign(&list)?;
        if !ours.is_empty() {
            self.consumer.pause(&list)?;
        }
        Ok(ours)
    }

    /// Begins to read `partition` at `from`. Everything drained from now on is at or after it.
    ///
    /// # Errors
    /// When the client is not ready to; try again.
    pub(crate) fn consume(&self, partition: TopicPartition, from: i64) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(partition.topic.0, partition.partition.0, KafkaOffset::Offset(from))?;
        let sought = self.consumer.seek_partitions(list, SEEK_MAX)?;
        for element in sought.elements() {
            element.error()?;
        }
        let mut list = TopicPartitionList::new();
        list.add_partition(partition.topic.0, partition.partition.0);
        self.consumer.resume(&list)
    }

    /// The partition's queue.
    pub(crate) fn queue(&mut self, partition: TopicPartition) -> Option<&mut Queue> {
        self.queues.get_mut(&partition)
    }

    /// Commits in one request, whose answer [`Member::poll`] tells.
    pub(crate) fn commit(&mut self, id: RequestId, commits: &[Commit]) -> Result<(), KafkaError> {
        let list = offsets::list(commits)?;
        self.commits.send(&list)?;
        self.committing = Some((id, Instant::now()));
        Ok(())
    }

    /// Nothing of these is under way any more. Once all that the group wants back is released, it gets it.
    pub(crate) fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), KafkaError> {
        for partition in partitions {
            self.queues.remove(partition);
        }
        if self.revoked.is_empty() || self.revoked.iter().any(|partition| self.queues.contains_key(partition)) {
            return Ok(());
        }
        self.consumer.incremental_unassign(&list_of(&std::mem::take(&mut self.revoked)))
    }
}

impl Member {
    /// Leaves the group and waits until it knows, or `wait_max` is over.
    pub(crate) fn leave(mut self, wait_max: Duration) {
        let (sender, left) = mpsc::channel::<()>();
        self.left = Some(sender);
        drop(self);
        // It ends when the sender is dropped. Without a word the group learns of it when the session ends.
        let _left_or_late = left.recv_timeout(wait_max);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.queues.clear();
        self.consumer.context().close();
        // The client waits for this before it leaves.
        let revoked = std::mem::take(&mut self.revoked);
        if !revoked.is_empty()
            && let Err(error) = self.consumer.incremental_unassign(&list_of(&revoked))
        {
            tracing::debug!(error = error.to_string(), "what was revoked is not given back before leaving");
        }
        // Leaving waits for the coordinator, who may be away: whoever comes next need not wait for that.
        let consumer = Arc::clone(&self.consumer);
        let left = self.left.take();
        let leaving = thread::Builder::new().name("kafka-leave".to_owned()).spawn(move || {
            // Others still hold it for a moment: the last to let go is the one that waits.
            while Arc::strong_count(&consumer) > 1 {
                thread::sleep(Duration::from_millis(5));
            }
            drop(consumer);
            drop(left);
        });
        if let Err(error) = leaving {
            tracing::warn!(error = error.to_string(), "the group is left without a word");
        }
    }
}

/// The input topic of that name; `None` for one that we did not subscribe to.
pub(crate) fn input_topic(name: &str) -> Option<InputTopic> {
    match name {
        REQUESTS => Some(InputTopic::Requests),
        USAGE => Some(InputTopic::Usage),
        CATALOG => Some(InputTopic::Catalog),
        _ => None,
    }
}

/// That topic's name.
pub(crate) fn name(topic: InputTopic) -> &'static str {
    match topic {
        InputTopic::Requests => REQUESTS,
        InputTopic::Usage => USAGE,
        InputTopic::Catalog => CATALOG,
    }
}

fn list_of(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(partition.topic.0, partition.partition.0);
    }
    list
}

/// The partitions of the topics that we read.
fn known(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let known = list.elements().into_iter().filter_map(|element| {
        let topic = INPUTS.into_iter().find(|topic| *topic == element.topic())?;
        Some(TopicPartition { topic: Topic(topic), partition: Partition(element.partition()) })
    });
    known.collect()
}
