//! The rankings topic as those read it who follow it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use devstack::Stack;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};
use serde_json::Value;
use wire::topics::RANKINGS;

/// As `migrate` makes them.
const PARTITIONS: i32 = 6;
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// A record of the rankings topic.
pub(crate) struct Published {
    pub(crate) read: Instant,
    pub(crate) partition: i32,
    pub(crate) document: Value,
}

/// Follows the topic as readers do: what is not committed does not exist.
pub(crate) struct Topic {
    records: Arc<Mutex<Vec<Published>>>,
    stop: Arc<AtomicBool>,
}

impl Topic {
    pub(crate) fn follow(stack: &Stack) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", stack.kafka_brokers())
            .set("group.id", "rankings-test")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .create()
            .expect("a consumer");
        let mut partitions = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            partitions.add_partition_offset(RANKINGS, partition, Offset::Beginning).expect("a partition");
        }
        consumer.assign(&partitions).expect("the partitions");
        let topic = Self { records: Arc::default(), stop: Arc::default() };
        let (records, stop) = (Arc::clone(&topic.records), Arc::clone(&topic.stop));
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let Some(Ok(message)) = consumer.poll(TICK) else { continue };
                let document = serde_json::from_slice(message.payload().expect("a document")).expect("JSON");
                let published = Published { read: Instant::now(), partition: message.partition(), document };
                records.lock().unwrap_or_else(PoisonError::into_inner).push(published);
            }
        });
        topic
    }

    /// Asks the records so far.
    pub(crate) fn with<T>(&self, ask: impl FnOnce(&[Published]) -> T) -> T {
        ask(&self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A field that is text.
pub(crate) fn text<'a>(document: &'a Value, field: &str) -> &'a str {
    document[field].as_str().unwrap_or_else(|| panic!("{field} is not text in {document}"))
}
