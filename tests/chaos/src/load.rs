//! The producer: records without pause, at a steady rate, whatever happens to Kafka.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{anyhow, bail, ensure};
use rdkafka::{
    ClientConfig, ClientContext, Message as _,
    error::{KafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::topics::INPUTS;

use crate::event::{Events, Partitions, Record};

const TICK: Duration = Duration::from_millis(20);
const FLUSH_MAX: Duration = Duration::from_secs(120);
/// Usage is dated this far back when the load begins, in milliseconds: 30 days.
const USAGE_BACK_MS: i64 = 30 * 86_400_000;
/// The clock that dates usage runs so many times too fast, so that 24 hours pass in 43 seconds and the rule about repeats
/// is met on both sides.
const USAGE_HASTE: i64 = 2_000;

/// What to produce.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Kafka, not behind a proxy.
    pub brokers: String,
    /// Where the events come from.
    pub seed: u64,
    /// How many.
    pub records_per_s: u32,
    /// How many partitions the topics have.
    pub partitions: Partitions,
}

/// A record that Kafka has acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The record's number.
    pub number: u64,
    /// Its topic.
    pub topic: &'static str,
    /// Its partition.
    pub partition: i32,
}

/// A running producer. Dropped, it ends within a second: where it did not, what it still held would reach the Kafka of the next
/// world, which has the same address and gives out the same producer ids.
pub struct Load {
    stop: CancellationToken,
    abandon: DropGuard,
    failed: Arc<OnceLock<String>>,
    thread: JoinHandle<anyhow::Result<Vec<Receipt>>>,
}

impl Load {
    /// Starts to produce.
    pub fn start(config: LoadConfig) -> Self {
        let (abandon, failed) = (CancellationToken::new(), Arc::<OnceLock<String>>::default());
        let stop = abandon.child_token();
        let thread = thread::spawn({
            let (stop, abandoned, failed) = (stop.clone(), abandon.clone(), Arc::clone(&failed));
            move || {
                produce_until(&config, &stop, &abandoned).inspect_err(|error| drop(failed.set(format!("{error:#}"))))
            }
        });
        Self { stop, abandon: abandon.drop_guard(), failed, thread }
    }

    /// Why it ended before it was told to, if it did; nothing that waits for its records would get them.
    pub fn failed(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Stops, and waits until Kafka has acknowledged everything.
    ///
    /// # Errors
    /// When it has not, or the producer failed.
    pub async fn finish(self) -> anyhow::Result<Vec<Receipt>> {
        let Self { stop, abandon: _abandon, thread, .. } = self;
        stop.cancel();
        let joined = tokio::task::spawn_blocking(|| thread.join()).await?;
        joined.map_err(|_| anyhow!("the load panicked"))?
    }
}

/// Remembers what Kafka acknowledged.
#[derive(Default)]
struct Receipts {
    received: Mutex<Vec<Receipt>>,
    failed: AtomicU64,
}

impl ClientContext for Receipts {
    // It is killed on purpose; what the client says about that is not news.
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Receipts {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let delivered = result.as_ref().ok().and_then(|message| {
            let topic = INPUTS.into_iter().find(|topic| *topic == message.topic())?;
            Some(Receipt { number: number as u64, topic, partition: message.partition() })
        });
        let Some(receipt) = delivered else {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.received.lock().unwrap_or_else(PoisonError::into_inner).push(receipt);
    }
}

fn produce_until(
    config: &LoadConfig,
    stop: &CancellationToken,
    abandoned: &CancellationToken,
) -> anyhow::Result<Vec<Receipt>> {
    let producer: BaseProducer<Receipts> = ClientConfig::new()
        .set("bootstrap.servers", &config.brokers)
        // Its own retries neither double nor lose records.
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "0")
        .set("message.max.bytes", "8000000")
        .set("compression.type", "lz4")
        .set("linger.ms", "10")
        .set("reconnect.backoff.max.ms", "500")
        .create_with_context(Receipts::default())?;
    let mut events = Events::new(config.seed, config.partitions);
    let begun = Instant::now();
    let begun_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut number = 0;
    while !stop.is_cancelled() {
        let elapsed = begun.elapsed();
        let elapsed_ms = i64::try_from(elapsed.as_millis())?;
        let (now_ms, usage_ms) =
            (begun_ms + elapsed_ms, (begun_ms - USAGE_BACK_MS + elapsed_ms * USAGE_HASTE).min(begun_ms + elapsed_ms));
        let due = (elapsed.as_secs_f64() * f64::from(config.records_per_s)) as usize;
        while number < due {
            send(&producer, &events.draw(now_ms, usage_ms), number, abandoned)?;
            number += 1;
        }
        producer.poll(TICK);
        thread::sleep(TICK);
    }
    let stopped = Instant::now();
    while producer.in_flight_count() > 0 {
        ensure!(!abandoned.is_cancelled(), "nobody waits for the last records");
        ensure!(stopped.elapsed() < FLUSH_MAX, "Kafka does not take the last records");
        producer.poll(TICK);
    }
    let failed = producer.context().failed.load(Ordering::Relaxed);
    ensure!(failed == 0, "Kafka refused {failed} records");
    let receipts = std::mem::take(&mut *producer.context().received.lock().unwrap_or_else(PoisonError::into_inner));
    ensure!(receipts.len() == number, "Kafka acknowledged {} of {number} records", receipts.len());
    Ok(receipts)
}

/// Queues one record, making room as long as the queue is full.
fn send(
    producer: &BaseProducer<Receipts>,
    record: &Record,
    number: usize,
    abandoned: &CancellationToken,
) -> anyhow::Result<()> {
    let headers = record
        .headers
        .iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
    let mut base = BaseRecord::<String, Vec<u8>, usize>::with_opaque_to(record.topic, number)
        .partition(record.partition)
        .timestamp(record.timestamp_ms)
        .key(&record.key)
        .headers(headers);
    base.payload = record.payload.as_ref();
    let began = Instant::now();
    loop {
        match producer.send(base) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned)) => {
                ensure!(!abandoned.is_cancelled(), "nobody waits for the records");
                ensure!(began.elapsed() < FLUSH_MAX, "Kafka takes no records");
                producer.poll(TICK);
                base = returned;
            }
            Err((error, _)) => bail!("cannot produce: {error}"),
        }
    }
}
