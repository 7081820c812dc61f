//! Creates the topics that are absent, and leaves the others as they are: their settings are the operator's.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use kit::config::KafkaConfig;
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
};
use wire::topics::{CATALOG, INPUTS, RANKINGS};

use crate::{MigrateConfig, Report};

const REQUEST_MS_MAX: u64 = 10_000;

/// Room for records of 8 MiB: an event over 1 MiB must arrive to become a dead letter, and a ranking can be large.
const MESSAGE_BYTES_MAX: &str = "8388608";

/// Creates what is missing.
pub(crate) async fn migrate(
    config: &MigrateConfig,
    kafka: &KafkaConfig,
    deadline: Instant,
    report: &mut Report,
) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        kit::kafka::client_config(kafka, "flywheel-migrate").create().context("the Kafka settings are not valid")?;
    let existing = wait_until_up(&admin, kafka, deadline).await?;
    let missing: Vec<&str> = INPUTS.into_iter().chain([RANKINGS]).filter(|topic| !existing.contains(*topic)).collect();
    if config.dry_run {
        report.steps.extend(missing.iter().map(|topic| format!("would create topic {topic}")));
        return Ok(());
    }
    if missing.is_empty() {
        return Ok(());
    }
    let wanted: Vec<NewTopic<'_>> = missing.iter().map(|topic| new_topic(topic, config)).collect();
    let options = AdminOptions::new()
        .request_timeout(Some(Duration::from_millis(REQUEST_MS_MAX)))
        .operation_timeout(Some(Duration::from_millis(REQUEST_MS_MAX)));
    for created in admin.create_topics(&wanted, &options).await.context("Kafka did not create the topics")? {
        match created {
            Ok(topic) => report.steps.push(format!("created topic {topic}")),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => anyhow::bail!("cannot create topic {topic}: {code}"),
        }
    }
    Ok(())
}

fn new_topic<'a>(topic: &'a str, config: &MigrateConfig) -> NewTopic<'a> {
    let base = NewTopic::new(topic, config.topic_partitions, TopicReplication::Fixed(config.topic_replication))
        .set("message.timestamp.type", "LogAppendTime")
        .set("max.message.bytes", MESSAGE_BYTES_MAX);
    match topic {
        // Whoever follows the rankings and falls behind by less than this still sees every one.
        RANKINGS => base.set("cleanup.policy", "compact").set("min.compaction.lag.ms", RANKINGS_WHOLE_MS),
        // What the catalog said at any past instant is needed for ever.
        CATALOG => base.set("cleanup.policy", "delete").set("retention.ms", "-1").set("retention.bytes", "-1"),
        _ => base.set("cleanup.policy", "delete"),
    }
}

/// Rankings of the last hour are not compacted yet.
const RANKINGS_WHOLE_MS: &str = "3600000";

/// The topics that exist, once Kafka answers.
async fn wait_until_up(
    admin: &AdminClient<DefaultClientContext>,
    kafka: &KafkaConfig,
    deadline: Instant,
) -> anyhow::Result<BTreeSet<String>> {
    loop {
        // librdkafka blocks the thread for this call.
        let answer =
            tokio::task::block_in_place(|| admin.inner().fetch_metadata(None, Duration::from_millis(REQUEST_MS_MAX)));
        let error = match answer {
            Ok(metadata) => return Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect()),
            Err(error) => error,
        };
        ensure!(Instant::now() < deadline, "Kafka at {} does not answer ({error})", kafka.brokers);
        tracing::warn!(server.address = kafka.brokers, %error, "waiting for kafka");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
