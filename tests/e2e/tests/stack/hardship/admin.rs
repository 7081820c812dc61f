//! What an operator does to Kafka.

use std::time::Duration;

use devstack::Stack;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};
use testkit::eventually::eventually;

const GROUP: &str = "flywheel-ingest";
const ANSWER_MAX: Duration = Duration::from_secs(30);

fn config(stack: &Stack) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", stack.kafka_brokers()).set("group.id", GROUP);
    config
}

fn client(stack: &Stack) -> AdminClient<DefaultClientContext> {
    config(stack).create().expect("an admin client")
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_MAX)).operation_timeout(Some(ANSWER_MAX))
}

/// Deletes a topic and makes it again, empty.
pub(super) async fn make_anew(stack: &Stack, topic: &str, partitions: i32) {
    let client = client(stack);
    for deleted in client.delete_topics(&[topic], &options()).await.expect("kafka answers") {
        deleted.expect("the topic is deleted");
    }
    make(stack, topic, partitions).await;
}

/// Makes a topic, once the one before it is gone.
pub(super) async fn make(stack: &Stack, topic: &str, partitions: i32) {
    let client = client(stack);
    eventually("the topic is made", ANSWER_MAX, async || {
        let wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let wanted = wanted.set("message.timestamp.type", "LogAppendTime");
        let made = client.create_topics(&[wanted], &options()).await.map_err(|error| error.to_string())?;
        made.into_iter().try_for_each(|made| made.map(drop).map_err(|(_, code)| code.to_string()))
    })
    .await;
}

/// Adds partitions to a topic.
pub(super) async fn add_partitions(stack: &Stack, topic: &str, partitions: usize) {
    let wanted = NewPartitions::new(topic, partitions);
    for added in client(stack).create_partitions(&[wanted], &options()).await.expect("kafka answers") {
        added.expect("partitions are added");
    }
}

/// Deletes the records below an offset.
pub(super) async fn delete_records(stack: &Stack, topic: &str, partition: i32, before: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(before)).expect("an offset");
    client(stack).delete_records(&list, &options()).await.expect("records are deleted");
}

/// Forgets all that the group has committed, as its expiry does. Nobody may be in it.
pub(super) async fn forget_commits(stack: &Stack) {
    let client = client(stack);
    eventually("the group is deleted", ANSWER_MAX, async || {
        let deleted = client.delete_groups(&[GROUP], &options()).await.map_err(|error| error.to_string())?;
        deleted.into_iter().try_for_each(|deleted| deleted.map(drop).map_err(|(_, code)| code.to_string()))
    })
    .await;
}

/// Commits an offset by hand, as `kafka-consumer-groups --reset-offsets` does. Nobody may be in the group.
pub(super) async fn commit(stack: &Stack, topic: &str, partition: i32, offset: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("an offset");
    let consumer: BaseConsumer = config(stack).create().expect("a consumer");
    eventually("the offset is committed", ANSWER_MAX, async || {
        tokio::task::block_in_place(|| consumer.commit(&list, CommitMode::Sync)).map_err(|error| error.to_string())
    })
    .await;
}
