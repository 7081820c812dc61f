//! Watches Kafka and ClickHouse for the sake of readiness: red while one is away or too old, green again when it is back.
//!
//! The roles themselves do not look here: each waits and retries at its own work.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};
use tokio_util::sync::CancellationToken;

use crate::{
    clickhouse::TooOld,
    config::{ClickHouseConfig, KafkaConfig},
    health::{Health, Part},
    kafka::Quiet,
};

const INTERVAL: Duration = Duration::from_secs(1);
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Asks Kafka, and ClickHouse where the process needs it, once a second until `shutdown`.
///
/// # Errors
/// When the Kafka settings are not valid.
pub async fn run(
    kafka: KafkaConfig,
    clickhouse: Option<ClickHouseConfig>,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut kafka = Watch::new(health.part("kafka"), kafka.brokers.clone(), probe_client(&kafka)?);
    let mut clickhouse = clickhouse
        .map(|config| Watch::new(health.part("clickhouse"), config.url.clone(), crate::clickhouse::client(&config)));
    loop {
        let answer = ask_kafka(&kafka.client).await;
        kafka.report(answer);
        if let Some(clickhouse) = &mut clickhouse {
            let answer = ask_clickhouse(&clickhouse.client).await;
            clickhouse.report(answer);
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

struct Watch<C> {
    part: Part,
    address: String,
    client: C,
    up: Option<bool>,
}

impl<C> Watch<C> {
    fn new(part: Part, address: String, client: C) -> Self {
        Self { part, address, client, up: None }
    }

    /// Passes the answer on to readiness and logs a change, once.
    fn report(&mut self, answer: Result<(), Unusable>) {
        let up = answer.is_ok();
        match answer {
            Ok(()) => self.part.ready(),
            Err(Unusable::TooOld(too_old)) => {
                if self.up != Some(false) {
                    tracing::error!(
                        dependency = self.part.name(),
                        server.address = self.address,
                        error = too_old.to_string(),
                        "dependency is too old"
                    );
                }
                self.part.unready(too_old.to_string());
            }
            Err(Unusable::Away(error)) => {
                if self.up != Some(false) {
                    let remedy = crate::clickhouse::remedy(&error);
                    tracing::warn!(
                        dependency = self.part.name(),
                        server.address = self.address,
                        error,
                        remedy,
                        "dependency is away, waiting for it"
                    );
                }
                // Not where: anybody may ask the API for its readiness, and the log says it.
                self.part.unready("does not answer");
            }
        }
        if up && self.up == Some(false) {
            tracing::info!(dependency = self.part.name(), server.address = self.address, "dependency is back");
        }
        self.up = Some(up);
    }
}

/// Why nothing can be done with a dependency.
enum Unusable {
    Away(String),
    TooOld(TooOld),
}

fn probe_client(kafka: &KafkaConfig) -> anyhow::Result<Arc<BaseConsumer<Quiet>>> {
    let client = crate::kafka::client_config(kafka, "flywheel-probe")
        .create_with_context(Quiet)
        .context("the Kafka settings are not valid")?;
    Ok(Arc::new(client))
}

async fn ask_kafka(client: &Arc<BaseConsumer<Quiet>>) -> Result<(), Unusable> {
    let client = Arc::clone(client);
    // librdkafka blocks the thread for this call.
    let asked = tokio::task::spawn_blocking(move || -> Result<(), KafkaError> {
        // Serves the client's own events, which would otherwise pile up.
        let _ = client.poll(Duration::ZERO);
        client.fetch_metadata(Some(PROBED_TOPIC), ANSWER_MAX).map(drop)
    });
    match asked.await {
        Ok(answer) => answer.map_err(|error| Unusable::Away(error.to_string())),
        Err(panic) => Err(Unusable::Away(panic.to_string())),
    }
}

/// Any topic will do, and one is cheaper to describe than all.
const PROBED_TOPIC: &str = "__consumer_offsets";

async fn ask_clickhouse(client: &clickhouse::Client) -> Result<(), Unusable> {
    let asked = client.query(crate::clickhouse::VERSION).fetch_one::<String>();
    let version = match tokio::time::timeout(ANSWER_MAX, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} ms", ANSWER_MAX.as_millis())),
    };
    crate::clickhouse::check_version(&version.map_err(Unusable::Away)?).map_err(Unusable::TooOld)
}
