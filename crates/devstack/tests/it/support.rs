//! A client's view of the stack.

use std::time::{Duration, Instant};

use devstack::{Role, Stack};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
};

/// Runs a statement in ClickHouse as a role and returns its answer, or the server's error.
pub(crate) async fn query(stack: &Stack, role: Role, sql: &str) -> Result<String, String> {
    let (user, password) = stack.clickhouse_user(role);
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build().unwrap();
    let request =
        client.post(stack.clickhouse_url()).header("X-ClickHouse-User", user).header("X-ClickHouse-Key", password);
    let response = request.body(sql.to_owned()).send().await.map_err(|error| format!("{error:?}"))?;
    let ok = response.status().is_success();
    let text = response.text().await.map_err(|error| format!("{error:?}"))?;
    if ok { Ok(text.trim().to_owned()) } else { Err(text) }
}

pub(crate) async fn create_topic(stack: &Stack, name: &str) {
    let admin: AdminClient<DefaultClientContext> = client(stack).create().unwrap();
    let topic = NewTopic::new(name, 2, TopicReplication::Fixed(1));
    let created = admin.create_topics(&[topic], &AdminOptions::new()).await.unwrap();
    assert_eq!(created, [Ok(name.to_owned())]);
}

/// How many partitions a topic has; 0 for one that does not exist, `None` where Kafka does not answer.
pub(crate) async fn partitions(stack: &Stack, topic: &str) -> Option<usize> {
    let (config, topic) = (client(stack), topic.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create().unwrap();
        let metadata = consumer.fetch_metadata(Some(&topic), Duration::from_secs(2)).ok()?;
        Some(metadata.topics().iter().map(|topic| topic.partitions().len()).sum())
    });
    asked.await.unwrap()
}

fn client(stack: &Stack) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", stack.kafka_brokers()).set("log_level", "0");
    config
}

/// The command lines of the processes that name `text` in theirs.
pub(crate) fn processes(text: &str) -> Vec<String> {
    let commands = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let command = std::fs::read(entry.unwrap().path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&command).replace('\0', " "))
    });
    commands.filter(|command| command.contains(text)).collect()
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !condition().await {
        assert!(since.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
