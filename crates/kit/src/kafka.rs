//! Kafka clients from the configuration: the settings that every client of ours shares.

use rdkafka::{ClientConfig, ClientContext, config::RDKafkaLogLevel, consumer::ConsumerContext, error::KafkaError};

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

/// Keeps the client's own words out of the log: it reports every failed connection as an error, many times a second, and
/// what is away is said once by whoever waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Quiet;

impl ConsumerContext for Quiet {}

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(facility, detail = message, "kafka client");
            }
            _ => tracing::debug!(facility, detail = message, "kafka client"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}
