//! The ranker role: keeps every team's ranking current and publishes it.
//!
//! # Layout
//! - [`config`]: its options.
//! - `membership`: the rankers' group, which gives each process shards of the teams; `shard`: which team lies in which.
//! - `leader`: ranks the teams of its shards when they are due, and publishes; `led`: what it keeps of a shard.
//! - `changes`: follows what ingest says it wrote. `schedule`: which teams are due; no I/O.
//! - `batch`: which teams are ranked together. `compute`: their rankings, from what `store` reads and `domain` ranks. `document`: from it to the published document.
//! - [`rehearsal`]: the same without publishing, for measurements.
//! - `ready`, `publisher`, `snapshot` and `writer`: the snapshot to ClickHouse, then the document to the topic, fenced.
//! - `cycles`: which features are merged in circles, for operators. `trouble`: readiness, and when to try again.
//!
//! A team is ranked when its data changed, at most once a second, and once a minute while only time moves it. The watermark
//! is read before the facts, so that `data_through` never promises more than the facts hold.
//!
//! Any number of rankers may run. `docs/adr/0010` has the argument why no team's ranking ever goes back.

pub mod config;
pub mod rehearsal;

mod batch;
mod changes;
mod clock;
mod compute;
mod cycles;
mod document;
mod leader;
mod led;
mod membership;
mod metrics;
mod publisher;
mod ready;
mod schedule;
mod shard;
mod snapshot;
mod trouble;
mod writer;

use std::{sync::Arc, time::Duration};

use kit::{
    config::{ClickHouseConfig, KafkaConfig},
    health::Health,
};
use store::Store;
use tokio_util::sync::CancellationToken;

pub use config::RankerConfig;

use crate::{leader::Leader, membership::Membership, publisher::Publisher, writer::Writers};

/// What is being published when we are asked to stop gets so long.
const FINISH_MAX: Duration = Duration::from_secs(3);

/// Runs until `shutdown`. While ClickHouse or Kafka is away it waits and tries again.
///
/// # Errors
/// When the Kafka settings are not valid.
pub async fn run(
    config: RankerConfig,
    kafka: KafkaConfig,
    clickhouse: ClickHouseConfig,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let client = kit::clickhouse::client(&clickhouse);
    let membership = Arc::new(Membership::join(&config, &kafka)?);
    let publisher = Publisher::new(client.clone(), Arc::clone(&membership));
    let store = Store::new(client, Duration::from_millis(config.query_ms_max));
    let writers = Writers::new(&config, &kafka);
    let mut leader = Leader::new(config, store, publisher, writers, &membership, health.part("ranker"));
    tokio::select! {
        never = leader.lead() => match never {},
        () = shutdown.cancelled() => {}
    }
    if tokio::time::timeout(FINISH_MAX, leader.finish()).await.is_err() {
        tracing::warn!("a ranking was still being published; the next ranker ends that");
    }
    // Last, so that what was being published was not fenced.
    membership.leave().await;
    Ok(())
}
