//! Kafka clients from the configuration: the settings that every client of ours shares.

use rdkafka::ClientConfig;

use crate::config::KafkaConfig;

/// Settings common to consumers, producers and the admin client; `client_id` names the role.
pub fn client_config(config: &KafkaConfig, client_id: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.brokers)
        .set("client.id", client_id)
        // An unknown topic is a missing migration, not something to create in passing.
        .set("allow.auto.create.topics", "false")
        // Reconnect soon after an outage: the default backs off to 10 s.
        .set("reconnect.backoff.max.ms", "2000");
    client
}
