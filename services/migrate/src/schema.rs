//! Applies the migrations to ClickHouse.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use clickhouse::{Client, Row};
use kit::config::ClickHouseConfig;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{MIGRATIONS, MigrateConfig, Report, lock::Lock, until};

/// The migrations that were applied, one row each.
const RECORD: &str = "
CREATE TABLE IF NOT EXISTS schema_migrations
(
    version    UInt32,
    name       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY version";

#[derive(Debug, Row, Serialize, Deserialize)]
struct Applied {
    version: u32,
    name: String,
    checksum: String,
}

/// Brings the database to the newest migration.
pub(crate) async fn migrate(
    config: &MigrateConfig,
    clickhouse: &ClickHouseConfig,
    deadline: Instant,
    shutdown: &CancellationToken,
    report: &mut Report,
) -> anyhow::Result<()> {
    let server = kit::clickhouse::client(&ClickHouseConfig { database: "default".to_owned(), ..clickhouse.clone() });
    let version = until(shutdown, wait_until_up(&server, &clickhouse.url, deadline)).await?;
    kit::clickhouse::check_version(&version).with_context(|| format!("{} will not do", clickhouse.url))?;
    let client = kit::clickhouse::client(clickhouse);
    if config.dry_run {
        let applied =
            if exists(&server, &clickhouse.database).await? { applied(&client).await? } else { BTreeMap::new() };
        for migration in pending(&applied)? {
            report.steps.push(format!("would apply {:04} {}", migration.version, migration.name));
        }
        return Ok(());
    }
    server
        .query("CREATE DATABASE IF NOT EXISTS ?")
        .bind(clickhouse::sql::Identifier(&clickhouse.database))
        .execute()
        .await
        .with_context(|| format!("cannot create the database {}", clickhouse.database))?;
    let lock = Lock::acquire(&client, Duration::from_secs(config.lock_age_s_max)).await?;
    let done = until(shutdown, apply(&client, report)).await;
    // The lock goes whether the step worked, failed or was interrupted; a failed step is the more important of two errors.
    let released = lock.release(&client).await;
    done.and(released)
}

async fn apply(client: &Client, report: &mut Report) -> anyhow::Result<()> {
    client.query(RECORD).execute().await.context("cannot create schema_migrations")?;
    for migration in pending(&applied(client).await?)? {
        for statement in migration.statements() {
            // `query_raw`: a question mark in the SQL is no placeholder.
            client
                .query_raw(&statement)
                .execute()
                .await
                .with_context(|| format!("migration {:04} {} failed", migration.version, migration.name))?;
        }
        let mut insert = client.insert::<Applied>("schema_migrations").await?;
        insert
            .write(&Applied {
                version: migration.version,
                name: migration.name.to_owned(),
                checksum: migration.checksum(),
            })
            .await?;
        insert.end().await.context("cannot record the migration")?;
        report.steps.push(format!("applied {:04} {}", migration.version, migration.name));
    }
    Ok(())
}

/// The migrations still to apply.
fn pending(applied: &BTreeMap<u32, Applied>) -> anyhow::Result<Vec<&'static crate::Migration>> {
    if let Some(newest) = applied.keys().next_back() {
        let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
        ensure!(
            *newest <= known,
            "the database is at migration {newest}, newer than this version's {known}; use the newer version"
        );
    }
    let mut pending = Vec::new();
    for migration in MIGRATIONS {
        match applied.get(&migration.version) {
            None => pending.push(migration),
            Some(row) if row.checksum == migration.checksum() => {}
            Some(row) => bail!(
                "migration {:04} {} was applied with another text ({} then, {} now); add a new number instead of editing it",
                migration.version,
                migration.name,
                row.checksum,
                migration.checksum()
            ),
        }
    }
    Ok(pending)
}

async fn applied(client: &Client) -> anyhow::Result<BTreeMap<u32, Applied>> {
    let recorded = client
        .query("SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migrations'")
        .fetch_one::<u64>()
        .await
        .context("cannot look for schema_migrations")?;
    if recorded == 0 {
        return Ok(BTreeMap::new());
    }
    let rows = client
        .query("SELECT version, name, checksum FROM schema_migrations ORDER BY version")
        .fetch_all::<Applied>()
        .await
        .context("cannot read schema_migrations")?;
    Ok(rows.into_iter().map(|row| (row.version, row)).collect())
}

async fn exists(server: &Client, database: &str) -> anyhow::Result<bool> {
    let count = server
        .query("SELECT count() FROM system.databases WHERE name = ?")
        .bind(database)
        .fetch_one::<u64>()
        .await
        .context("cannot look for the database")?;
    Ok(count > 0)
}

/// Waits for the server. What it says that it is.
async fn wait_until_up(server: &Client, url: &str, deadline: Instant) -> anyhow::Result<String> {
    loop {
        let asked = server.query(kit::clickhouse::VERSION).fetch_one::<String>();
        let error = match tokio::time::timeout(Duration::from_secs(5), asked).await {
            Ok(Ok(version)) => return Ok(version),
            // The server is up and says no: waiting would not help.
            Ok(Err(clickhouse::error::Error::BadResponse(reason))) => bail!("ClickHouse at {url} refused: {reason}"),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer within 5 s".to_owned(),
        };
        ensure!(Instant::now() < deadline, "ClickHouse at {url} does not answer ({error})");
        tracing::warn!(server.address = url, error, "waiting for clickhouse");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
