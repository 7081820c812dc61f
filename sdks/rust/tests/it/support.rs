//! A mock cluster with the three topics, and what a consumer finds in them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use flywheel_sdk::{CATALOG_TOPIC, EmitterConfig, Event, Importance, REQUESTS_TOPIC, RequestStated, USAGE_TOPIC};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Headers, OwnedMessage},
    mocking::MockCluster,
    producer::DefaultProducerContext,
};

/// Longer than any test should take; only a failing one waits for it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) type Cluster = MockCluster<'static, DefaultProducerContext>;

pub(crate) fn cluster() -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    for topic in [REQUESTS_TOPIC, USAGE_TOPIC, CATALOG_TOPIC] {
        cluster.create_topic(topic, 1, 1).unwrap();
    }
    cluster
}

pub(crate) fn config(cluster: &Cluster) -> EmitterConfig {
    EmitterConfig::new(cluster.bootstrap_servers())
}

/// A request of `acme` with the id `id`.
pub(crate) fn request(id: &str) -> Event {
    let data = RequestStated::new("dynamodb", "secondary-indexes", "acme", Importance::Critical);
    Event::new("crm", "2026-11-21T18:00:00Z", data).with_id(id)
}

/// The first `count` records of `topic`.
pub(crate) fn read(cluster: &Cluster, topic: &str, count: usize) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "test")
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();
    let deadline = Instant::now() + DEADLINE;
    let mut messages = Vec::new();
    while messages.len() < count {
        assert!(Instant::now() < deadline, "only {} of {count} records in {topic}", messages.len());
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            messages.push(message.unwrap().detach());
        }
    }
    messages
}

pub(crate) fn headers(message: &OwnedMessage) -> BTreeMap<String, String> {
    let headers = message.headers().expect("a record of ours has headers");
    headers
        .iter()
        .map(|header| (header.key.to_owned(), String::from_utf8(header.value.unwrap().to_vec()).unwrap()))
        .collect()
}
