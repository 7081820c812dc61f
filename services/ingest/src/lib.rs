//! The ingest role: takes events from Kafka, decodes them and writes them to ClickHouse, each once.
//!
//! # Layout
//! - [`config`]: its options.
//! - `member`: the loop that joins the rest; it runs `protocol`, which decides what is declared, inserted, looked for and
//!   committed.
//! - `kafka`: the client, its settings, and a partition's records in batches.
//! - `tables` and `schema`: which event fills which table; the tables as columns.
//! - `days`, `months`: when accounts used features, by day, and when they had other events, by month. `spans`: gathered on the way.
//! - `repeats`: which records say again what one before them said.
//! - `native`: ClickHouse's Native format, in which the columns are sent.
//! - `clickhouse`: inserts and looks, with their settings.
//! - [`alone`] and [`columns`]: reading and decoding, and writing columns, without the rest, to be measured.
//! - `progress` and `watermark`: how far each partition is durable, and its publication.

#[doc(hidden)]
pub mod alone;
#[doc(hidden)]
pub mod columns;
pub mod config;

mod clickhouse;
mod days;
mod inserts;
mod kafka;
mod member;
mod metrics;
mod months;
mod native;
mod progress;
mod repeats;
mod schema;
mod spans;
mod tables;
mod watermark;

use std::{
    sync::{Arc, Mutex},
    thread,
};

use anyhow::{Context as _, anyhow};
use kit::{
    config::{ClickHouseConfig, KafkaConfig},
    health::Health,
};
use tokio::{runtime::Handle, sync::oneshot};
use tokio_util::sync::CancellationToken;

pub use config::IngestConfig;

/// Where each reason to end without being asked is explained.
const WAY_ON: &str = "\"When ingest stops\" in docs/operations.md says the way on";

/// Runs until `shutdown`, then finishes what is in flight.
///
/// # Errors
/// When the Kafka settings are not valid, the consumer fails for good (another took its place), or something is found that
/// must not be guessed about: a commit that was moved, a log that begins later than what is durable ends.
pub async fn run(
    config: IngestConfig,
    kafka: KafkaConfig,
    clickhouse: ClickHouseConfig,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let progress = Arc::new(Mutex::new(progress::Progress::default()));
    metrics::observe(&progress);
    let client = kit::clickhouse::client(&clickhouse);
    let part = health.part("ingest");
    let watermark = watermark::Publisher::new(&kafka, client.clone(), Arc::clone(&progress), &config, part)?;
    // The watermark stops after the loop: until all is released it still tells how far it is.
    let drained = CancellationToken::new();
    let publishing = tokio::spawn(watermark.run(drained.clone()));

    let (ended, end) = oneshot::channel();
    let runtime = Handle::current();
    let stopping = shutdown.clone();
    let ingest = thread::Builder::new().name("ingest".to_owned()).spawn(move || {
        let metrics = metrics::Metrics::new();
        let result = member::Ingest::join(config, kafka, &client, progress, metrics, runtime)
            .and_then(|ingest| ingest.run(&stopping).map_err(|error| anyhow!("{error:#}; {WAY_ON}")));
        // Nobody to tell is nobody to care.
        drop(ended.send(result));
    })?;
    let waking = {
        let ingest = ingest.thread().clone();
        tokio::spawn(async move {
            shutdown.cancelled().await;
            ingest.unpark();
        })
    };
    let result = end.await.context("the ingest thread panicked").flatten();
    waking.abort();
    drained.cancel();
    publishing.await?;
    result
}
