//! Follows the rankings topic into the store, from its beginning, for as long as the process lives.
//!
//! The topic is compacted, so its beginning holds every team's last ranking. There is no consumer group: every copy of
//! the API reads every partition. When Kafka goes, the store answers on and only readiness says so; librdkafka reconnects.

mod consumer;
mod readiness;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use domain::time::Timestamp;
use futures::future::BoxFuture;
use kit::{config::KafkaConfig, health::Part};
use rdkafka::{Message, error::KafkaError, message::BorrowedMessage, types::RDKafkaErrorCode};
use tokio_util::sync::CancellationToken;
use wire::topics::RANKINGS;

use crate::{
    metrics::FollowerMetrics,
    published::Published,
    record::{self, Change},
    store::{Offered, Store},
};
use readiness::Readiness;

/// Who was apart from Kafka for longer may have missed rankings that compaction has taken since: the topic keeps the older of two
/// for at least an hour (`min.compaction.lag.ms`).
const APART_MAX: Duration = Duration::from_secs(30 * 60);

/// Kafka is asked so often whether it is there.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The header that names the event's type.
const CE_TYPE: &str = "ce_type";

/// Keeps `store` current and `part` truthful until `shutdown`.
///
/// # Errors
/// When the client cannot be made or fails for good. That Kafka is away is no error.
pub(crate) async fn run(
    config: KafkaConfig,
    store: Arc<Store>,
    part: Part,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut follower = Follower {
        consumer: Arc::new(consumer::connect(&config).context("cannot make a consumer of the rankings topic")?),
        store,
        readiness: Readiness::new(part),
        metrics: FollowerMetrics::new(),
        rejected: BTreeSet::new(),
        behind: BTreeMap::new(),
        away_since: None,
    };
    let outcome = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        outcome = follower.follow() => outcome,
    };
    follower.readiness.stopping();
    // Leaving Kafka takes a moment, which must not hold up the runtime.
    tokio::task::spawn_blocking(move || drop(follower)).await.context("the rankings consumer did not close")?;
    outcome
}

struct Follower {
    consumer: Arc<consumer::Client>,
    store: Arc<Store>,
    readiness: Readiness,
    metrics: FollowerMetrics,
    /// Reasons for which a record was passed over and that have been logged.
    rejected: BTreeSet<&'static str>,
    /// Partitions not read to their end yet, with the end as it was when we began.
    behind: BTreeMap<i32, i64>,
    /// When Kafka went, if it has not come back.
    away_since: Option<Instant>,
}

impl Follower {
    async fn follow(&mut self) -> anyhow::Result<()> {
        let mut assigned = 0;
        let mut check = Self::check(&self.consumer, Duration::ZERO);
        let consumer = Arc::clone(&self.consumer);
        loop {
            tokio::select! {
                checked = &mut check => {
                    assigned = self.checked(assigned, checked).await?;
                    check = Self::check(&consumer, CHECK_EVERY);
                }
                received = consumer.recv() => match received {
                    Ok(message) => {
                        self.apply(&message);
                        self.advance(message.partition(), message.offset() + 1);
                    }
                    Err(KafkaError::PartitionEOF(partition)) => self.advance(partition, i64::MAX),
                    Err(KafkaError::MessageConsumptionFatal(code)) => {
                        return Err(KafkaError::MessageConsumptionFatal(code)).context("Kafka's client failed for good");
                    }
                    Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AllBrokersDown)) => {
                        self.away(consumer::AWAY);
                    }
                    // The client retries by itself, and the check tells whether Kafka is there.
                    Err(error) => tracing::debug!(%error, "receiving a ranking failed"),
                },
            }
        }
    }

    /// Asks Kafka for the topic's partitions after a pause.
    fn check(consumer: &Arc<consumer::Client>, pause: Duration) -> BoxFuture<'static, Result<i32, String>> {
        let consumer = Arc::clone(consumer);
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            consumer::partitions(consumer).await
        })
    }

    /// Acts on what Kafka said about the topic. How many partitions are followed now.
    async fn checked(&mut self, assigned: i32, checked: Result<i32, String>) -> anyhow::Result<i32> {
        let partitions = match checked {
            Ok(partitions) => partitions,
            Err(why) => {
                self.away(&why);
                return Ok(assigned);
            }
        };
        let apart = self.were_apart();
        if partitions != assigned || apart {
            // At the start, after a long time apart, or the topic was made anew or widened. Reading it all again changes nothing
            // that is held.
            match consumer::assign(Arc::clone(&self.consumer), partitions).await? {
                Ok(ends) => self.behind = ends,
                Err(why) => {
                    self.readiness.unready(&why);
                    return Ok(assigned);
                }
            }
            tracing::info!(messaging.destination.name = RANKINGS, partitions, "following the rankings");
        }
        self.away_since = None;
        self.report();
        Ok(partitions)
    }

    /// Kafka is not there, for this reason.
    fn away(&mut self, why: &str) {
        self.away_since.get_or_insert_with(Instant::now);
        self.readiness.unready(why);
    }

    /// Whether Kafka was away for so long that something may be missing.
    fn were_apart(&self) -> bool {
        self.away_since.is_some_and(|since| since.elapsed() > APART_MAX)
    }

    /// The partition has been read up to `next`.
    fn advance(&mut self, partition: i32, next: i64) {
        if self.behind.get(&partition).is_some_and(|end| next >= *end) {
            self.behind.remove(&partition);
            self.report();
        }
    }

    /// Readiness, given that Kafka is there.
    fn report(&mut self) {
        if self.behind.is_empty() {
            self.store.set_loaded();
            self.readiness.ready();
        } else {
            self.readiness.unready("the rankings are still being read");
        }
    }

    fn apply(&mut self, message: &BorrowedMessage<'_>) {
        let span = tracing::info_span!(
            "process",
            otel.name = format!("process {RANKINGS}"),
            otel.kind = "consumer",
            messaging.system = "kafka",
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.destination.name = RANKINGS,
            messaging.destination.partition.id = message.partition().to_string(),
            messaging.kafka.offset = message.offset(),
        );
        let headers = kit::headers::read(message);
        if let Some(producer) = kit::propagation::link_of(&headers) {
            kit::propagation::add_links(&span, [producer]);
        }
        let _entered = span.enter();
        let ce_type = kit::headers::find(&headers, CE_TYPE);
        let received = Timestamp(message.timestamp().to_millis().unwrap_or_default().saturating_mul(1_000));
        let outcome = match record::read(message.key(), ce_type, message.payload(), received) {
            Ok(Change::Publish(published)) => match self.offer(*published, message.partition()) {
                Offered::Taken => "taken",
                Offered::Older => "older",
                Offered::TooManyTeams => {
                    self.reject("too_many_teams", message, &"the API holds as many teams as --api-teams-max allows");
                    "too_many_teams"
                }
            },
            Ok(Change::Remove(team)) => {
                self.store.remove(&team);
                "removed"
            }
            Err(rejection) => {
                let cause = anyhow::Error::new(rejection);
                let reason = cause.downcast_ref::<record::Rejection>().map_or("unknown", record::Rejection::reason);
                self.reject(reason, message, &format_args!("{cause:#}"));
                reason
            }
        };
        self.metrics.read(outcome);
    }

    /// Offers a ranking to the store. Until its partition has been read to its end, and after a long time apart, compaction may have
    /// taken some that were published before it.
    fn offer(&self, published: Published, partition: i32) -> Offered {
        if self.behind.contains_key(&partition) || self.were_apart() {
            self.store.offer_unlinked(published)
        } else {
            self.store.offer(published)
        }
    }

    /// Passes over a record. Each reason is logged once: the counter tells how often.
    fn reject(&mut self, reason: &'static str, message: &BorrowedMessage<'_>, cause: &dyn std::fmt::Display) {
        if self.rejected.insert(reason) {
            tracing::warn!(
                reason,
                error = %cause,
                kafka.partition = message.partition(),
                kafka.offset = message.offset(),
                "a ranking was passed over; later ones with this reason are only counted"
            );
        }
    }
}
