//! Who ranks what: the rankers are a Kafka consumer group over the rankings topic, and who is assigned a partition ranks the
//! teams whose records lie there. Nothing is read from the partitions: the group is used for its bookkeeping.
//!
//! A [`Tenure`] is one stretch of holding a shard. What is written is fenced by the group's generation, see
//! [`Membership::lease`], and by the transactional producer of the shard, see `writer`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use kit::{config::KafkaConfig, kafka::Quiet};
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    bindings::{
        rd_kafka_consumer_group_metadata, rd_kafka_consumer_group_metadata_destroy,
        rd_kafka_consumer_group_metadata_generation_id,
    },
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use wire::topics::RANKINGS;

use crate::{config::RankerConfig, shard::Shard};

/// The group is served so often: what it says waits no longer.
const SERVE_EVERY: Duration = Duration::from_millis(100);
/// Kafka is asked so often how many partitions the topic has.
const TOPIC_EVERY: Duration = Duration::from_secs(10);
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Leaving the group may take so long; then the session's end tells the others.
const LEAVE_MAX: Duration = Duration::from_secs(2);

/// A place in the group.
pub(crate) struct Membership {
    consumer: Arc<Client>,
    holdings: watch::Receiver<Holdings>,
    leave: CancellationToken,
    left: CancellationToken,
}

/// What this process holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holdings {
    /// Partitions of the rankings topic; none as long as Kafka has not said.
    pub(crate) shards: Option<i32>,
    /// Whether the group has said what is ours, be it nothing.
    pub(crate) joined: bool,
    /// The shards that are ours.
    pub(crate) tenures: BTreeMap<Shard, Tenure>,
}

/// One stretch of holding a shard; no two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tenure(u64);

type Client = BaseConsumer<Roll>;

impl Membership {
    /// Joins the group, on a thread of its own, until [`Membership::leave`].
    ///
    /// # Errors
    /// When the Kafka settings are not valid.
    pub(crate) fn join(config: &RankerConfig, kafka: &KafkaConfig) -> anyhow::Result<Self> {
        let (roll, holdings) = watch::channel(Holdings::default());
        let session_ms = config.ranker_session_ms_max;
        let consumer: Client = kit::kafka::client_config(kafka, "flywheel-ranker")
            .set("group.id", &config.ranker_group)
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session_ms.to_string())
            .set("heartbeat.interval.ms", (session_ms / 12).to_string())
            .set("max.poll.interval.ms", (session_ms * 5).to_string())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("topic.metadata.refresh.interval.ms", TOPIC_EVERY.as_millis().to_string())
            .create_with_context(Roll { holdings: roll, next: AtomicU64::new(0) })
            .context("the Kafka settings are not valid")?;
        let consumer = Arc::new(consumer);
        let (leave, left) = (CancellationToken::new(), CancellationToken::new());
        let (served, asked, done) = (Arc::clone(&consumer), leave.clone(), left.clone().drop_guard());
        thread::Builder::new()
            .name("ranker-group".to_owned())
            .spawn(move || {
                serve(&served, &asked);
                drop((served, done));
            })
            .context("cannot start a thread")?;
        Ok(Self { consumer, holdings, leave, left })
    }

    /// Leaves the group, so that others take over at once.
    pub(crate) async fn leave(&self) {
        self.leave.cancel();
        if tokio::time::timeout(LEAVE_MAX * 2, self.left.cancelled()).await.is_err() {
            tracing::warn!("the rankers' group was not left in time; others take over when the session ends");
        }
    }

    /// What this process holds, now and from now on.
    pub(crate) fn holdings(&self) -> watch::Receiver<Holdings> {
        self.holdings.clone()
    }

    /// Our name and generation in the group, to commit a transaction with: Kafka refuses it once the group has moved on.
    /// None if the tenure is over. Blocks the thread for a moment.
    ///
    /// A shard moves in two generations: in the first its holder is told to give it up, in the second another gets it. The
    /// client enters the second after `rebalance` below has answered the first, and so ended the tenure. A tenure that holds
    /// before and after the generation was read has therefore lasted through a generation in which nobody else could get
    /// the shard.
    pub(crate) fn lease(&self, shard: Shard, tenure: Tenure) -> Option<ConsumerGroupMetadata> {
        let holds = || self.holdings.borrow().tenures.get(&shard) == Some(&tenure);
        if !holds() {
            return None;
        }
        let metadata = self.consumer.group_metadata()?;
        // A client that was told that it is no member any more has neither name nor generation until it has joined again,
        // and Kafka takes such a commit for that of a producer that knows of no groups. Joining again ends the tenure.
        (generation(&self.consumer)? >= 0 && holds()).then_some(metadata)
    }
}

/// The client's generation in the group; negative while it is no member.
#[expect(unsafe_code, reason = "the client crate does not tell the generation")]
fn generation(consumer: &Client) -> Option<i32> {
    // SAFETY: the client lives, as `consumer` holds it. What it gives is ours, read before it is destroyed, once.
    unsafe {
        let metadata = rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return None;
        }
        let generation = rd_kafka_consumer_group_metadata_generation_id(metadata);
        rd_kafka_consumer_group_metadata_destroy(metadata);
        Some(generation)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.leave.cancel();
    }
}

/// Serves the group until asked to `leave` it. Subscribes when the topic is there.
fn serve(consumer: &Client, leave: &CancellationToken) {
    let mut ask_at = Instant::now();
    let mut subscribed = false;
    while !leave.is_cancelled() {
        if Instant::now() >= ask_at {
            let known = ask_shards(consumer);
            ask_at = Instant::now() + if known { TOPIC_EVERY } else { SERVE_EVERY };
            if known && !subscribed {
                match consumer.subscribe(&[RANKINGS]) {
                    Ok(()) => subscribed = true,
                    Err(error) => tracing::warn!(%error, "cannot join the rankers' group, trying on"),
                }
            }
        }
        // Records do not come, the partitions are paused; errors are those of an outage, which the client gets over.
        if let Some(Err(error)) = consumer.poll(SERVE_EVERY) {
            tracing::debug!(%error, "the rankers' group");
        }
    }
    consumer.unsubscribe();
    let deadline = Instant::now() + LEAVE_MAX;
    while Instant::now() < deadline && consumer.context().holds_any() {
        consumer.poll(SERVE_EVERY);
    }
    // The client says goodbye once it has been answered.
    consumer.poll(SERVE_EVERY);
}

/// Notes how many shards there are. Whether Kafka said so.
fn ask_shards(consumer: &Client) -> bool {
    let asked = consumer.fetch_metadata(Some(RANKINGS), ANSWER_MAX);
    let shards = asked.ok().and_then(|metadata| {
        let topic = metadata.topics().first().filter(|topic| topic.error().is_none())?;
        i32::try_from(topic.partitions().len()).ok().filter(|shards| *shards > 0)
    });
    if let Some(shards) = shards {
        consumer.context().holdings.send_if_modified(|held| {
            let changed = held.shards != Some(shards);
            held.shards = Some(shards);
            changed
        });
    }
    shards.is_some()
}

/// Keeps the roll of what is ours, as the group says.
struct Roll {
    holdings: watch::Sender<Holdings>,
    next: AtomicU64,
}

impl Roll {
    fn holds_any(&self) -> bool {
        !self.holdings.borrow().tenures.is_empty()
    }

    fn assigned(&self, consumer: &Client, partitions: &mut TopicPartitionList) -> KafkaResult<()> {
        // What the topic holds is not read: from its end, and paused.
        partitions.set_all_offsets(Offset::End)?;
        consumer.incremental_assign(partitions)?;
        consumer.pause(partitions)?;
        self.holdings.send_modify(|held| {
            held.joined = true;
            for shard in shards(partitions) {
                held.tenures.insert(shard, Tenure(self.next.fetch_add(1, Ordering::Relaxed)));
            }
        });
        Ok(())
    }

    fn revoked(&self, consumer: &Client, partitions: &TopicPartitionList) -> KafkaResult<()> {
        let lost = consumer.assignment_lost();
        // First of all: once the client has been answered, it may enter the generation in which another gets them.
        self.holdings.send_modify(|held| {
            held.joined &= !lost;
            for shard in shards(partitions) {
                held.tenures.remove(&shard);
            }
        });
        if lost && partitions.count() > 0 {
            tracing::warn!(
                flywheel.shards = partitions.count(),
                "shards lost: the session in the rankers' group ended"
            );
        }
        consumer.incremental_unassign(partitions)
    }
}

fn shards(partitions: &TopicPartitionList) -> Vec<Shard> {
    partitions.elements().iter().map(|partition| Shard(partition.partition())).collect()
}

impl ConsumerContext for Roll {
    fn rebalance(&self, consumer: &Client, code: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let answered = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assigned(consumer, partitions),
            _ => self.revoked(consumer, partitions),
        };
        if let Err(error) = answered {
            tracing::warn!(%error, "the rankers' group was not answered");
        }
    }
}

impl ClientContext for Roll {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Quiet.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Quiet.error(error, reason);
    }
}
