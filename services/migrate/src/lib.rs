//! Brings Kafka and ClickHouse to what this version of Flywheel needs: topics that are absent are created, numbered SQL
//! files that are not yet recorded are applied in order.
//!
//! It is an explicit step and never part of a role's start: many copies of a role may start at once, one migration may run.
//! Applying is safe to repeat: every statement is idempotent, because ClickHouse has no transactions over DDL.

mod lock;
mod migrations;
mod schema;
mod topics;

use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use kit::config::{ClickHouseConfig, KafkaConfig};
use tokio_util::sync::CancellationToken;

pub use migrations::{MIGRATIONS, Migration};

/// Options of `flywheel migrate`.
#[derive(Clone, Debug, Args)]
pub struct MigrateConfig {
    /// Print what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Partitions of a topic that is created.
    #[arg(long, env = "FLYWHEEL_TOPIC_PARTITIONS", default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub topic_partitions: i32,
    /// Copies of each partition of a topic that is created.
    #[arg(long, env = "FLYWHEEL_TOPIC_REPLICATION", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100))]
    pub topic_replication: i32,
    /// Wait so many milliseconds for Kafka and ClickHouse to answer before giving up.
    #[arg(long, env = "FLYWHEEL_MIGRATE_WAIT_MS_MAX", default_value_t = 120_000)]
    pub wait_ms_max: u64,
    /// A lock that is older than so many seconds belongs to a migration that was killed; it is taken over.
    #[arg(long, env = "FLYWHEEL_MIGRATE_LOCK_AGE_S_MAX", default_value_t = 600)]
    pub lock_age_s_max: u64,
}

/// What a migration did, or would do: one line a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Steps in the order in which they were taken; empty when everything was current.
    pub steps: Vec<String>,
}

/// Migrates topics and tables.
///
/// # Errors
/// When Kafka or ClickHouse does not answer in time, another migration runs, an applied migration's text has changed, or a
/// step fails.
pub async fn run(
    config: &MigrateConfig,
    kafka: &KafkaConfig,
    clickhouse: &ClickHouseConfig,
    shutdown: CancellationToken,
) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let deadline = Instant::now() + Duration::from_millis(config.wait_ms_max);
    until(&shutdown, topics::migrate(config, kafka, deadline, &mut report))
        .await
        .context("cannot migrate the Kafka topics")?;
    schema::migrate(config, clickhouse, deadline, &shutdown, &mut report)
        .await
        .context("cannot migrate the ClickHouse schema")?;
    Ok(report)
}

/// Does `work`, unless `shutdown` comes first.
async fn until<T>(shutdown: &CancellationToken, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::select! {
        done = work => done,
        () = shutdown.cancelled() => anyhow::bail!("interrupted; run it again, every step is safe to repeat"),
    }
}
