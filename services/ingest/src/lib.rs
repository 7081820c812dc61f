//! The ingest role: takes events from Kafka, decodes them and writes them to ClickHouse.
//!
//! # Layout
//! - [`config`]: its options.
//! - `consumer`: the Kafka consumer and its settings.
//! - `tables` and `schema`: which event fills which table; the tables as columns.
//! - `days`: when accounts used features, by day, gathered on the way.
//! - `repeats`: which records say again what one before them said.
//! - `native`: ClickHouse's Native format, in which the columns are sent.
//! - `batch`: what waits to be written, with the offsets it reaches: the one owner of the commit rule.
//! - `writer`: writes a batch, however long ClickHouse is away.
//! - `progress` and `watermark`: how far each partition is durable, and its publication.
//! - `pipeline`: the loop that joins them.
//!
//! An offset is committed only after ClickHouse has acknowledged every row up to it, so nothing is lost. A process that is
//! killed between the two writes rows again when it returns: they carry their partition and offset, and every reader counts
//! an event once. The seam for exactly-once writing is `writer` and the commit in `pipeline`.

pub mod config;

mod batch;
mod consumer;
mod days;
mod metrics;
mod native;
mod pipeline;
mod progress;
mod repeats;
mod schema;
mod tables;
mod watermark;
mod writer;

use std::sync::{Arc, Mutex};

use kit::{
    config::{ClickHouseConfig, KafkaConfig},
    health::Health,
};
use tokio_util::sync::CancellationToken;

pub use config::IngestConfig;

/// Runs until `shutdown`, then flushes and commits what it holds.
///
/// # Errors
/// When the Kafka settings are not valid, or the consumer fails for good (another took its place).
pub async fn run(
    config: IngestConfig,
    kafka: KafkaConfig,
    clickhouse: ClickHouseConfig,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let progress = Arc::new(Mutex::new(progress::Progress::default()));
    metrics::observe(&progress);
    let consumer = Arc::new(consumer::connect(&config, &kafka, Arc::clone(&progress))?);
    let client = kit::clickhouse::client(&clickhouse);
    let writer = writer::Writer::new(client.clone(), &config);
    let watermark =
        watermark::Publisher::new(Arc::clone(&consumer), client, Arc::clone(&progress), &config, health.part("ingest"));
    let pipeline = pipeline::Pipeline::new(config, consumer, writer, progress);
    // The watermark stops after the pipeline, so that it still publishes the last batch's progress.
    let drained = CancellationToken::new();
    let publishing = tokio::spawn(watermark.run(drained.clone()));
    let result = pipeline.run(shutdown).await;
    drained.cancel();
    publishing.await?;
    result
}
