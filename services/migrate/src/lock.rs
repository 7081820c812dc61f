//! One migration at a time. A plain `CREATE TABLE` is the one thing that a server without Keeper lets only one of two win.

use std::time::Duration;

use anyhow::{Context, bail};
use clickhouse::Client;

const CREATE: &str = "CREATE TABLE schema_migration_lock (nothing UInt8) ENGINE = Memory";
const DROP: &str = "DROP TABLE IF EXISTS schema_migration_lock SYNC";
const AGE: &str = "SELECT toUInt64(greatest(0, dateDiff('second', metadata_modification_time, now())))
FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migration_lock'";

/// ClickHouse's code for a table that is already there.
const TABLE_ALREADY_EXISTS: &str = "Code: 57.";

/// The right to migrate, held from [`Lock::acquire`] to [`Lock::release`].
#[must_use]
pub(crate) struct Lock(());

impl Lock {
    /// Takes the lock, from a migration that was killed too.
    ///
    /// Two that find the same stale lock at once may both drop it, but only one then creates it; the other sees it taken.
    /// What remains possible: the second drops the lock that the first has just created. Each step being idempotent, both
    /// then do the same work twice.
    pub(crate) async fn acquire(client: &Client, age_max: Duration) -> anyhow::Result<Self> {
        if create(client).await? {
            return Ok(Self(()));
        }
        let age_s = client.query(AGE).fetch_optional::<u64>().await.context("cannot read the migration lock's age")?;
        if let Some(age_s) = age_s.filter(|age_s| *age_s < age_max.as_secs()) {
            bail!(
                "another migration has been running for {age_s} s; wait for it, or if it was killed run again when it is {} s old",
                age_max.as_secs()
            );
        }
        tracing::warn!(lock.age_s = age_s, "taking over a stale migration lock");
        client.query(DROP).execute().await.context("cannot drop the stale migration lock")?;
        if create(client).await? {
            return Ok(Self(()));
        }
        bail!("another migration has just begun; wait for it");
    }

    /// Gives the lock back.
    pub(crate) async fn release(self, client: &Client) -> anyhow::Result<()> {
        client.query(DROP).execute().await.context("cannot release the migration lock")
    }
}

async fn create(client: &Client) -> anyhow::Result<bool> {
    match client.query(CREATE).execute().await {
        Ok(()) => Ok(true),
        Err(clickhouse::error::Error::BadResponse(reason)) if reason.starts_with(TABLE_ALREADY_EXISTS) => Ok(false),
        Err(error) => Err(error).context("cannot take the migration lock"),
    }
}
