//! The keys in ClickHouse, as the tools need them.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use api::access::{
    facts::{self, Fact, Key},
    key,
    seal::{Seal, SealConfig},
    table::KeyTable,
};
use domain::time::Timestamp;

use crate::cli::ClickHouseArgs;

/// ClickHouse is given up on after this.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The keys, as the user that migrates.
pub(super) struct Ring {
    table: KeyTable,
}

impl Ring {
    pub(super) fn new(clickhouse: &ClickHouseArgs) -> Self {
        Self { table: KeyTable::new(kit::clickhouse::client(&clickhouse.migrate())) }
    }

    /// All keys that ever were, the oldest first.
    pub(super) async fn all(&self) -> anyhow::Result<Vec<Key>> {
        let facts = within(self.table.all()).await?;
        let mut keys: Vec<Key> = facts::keys(facts).into_values().collect();
        keys.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
        Ok(keys)
    }

    /// The key of this id. What is not an id is not repeated: it could be a whole key.
    pub(super) async fn find(&self, id: &str) -> anyhow::Result<Key> {
        if !key::is_id(id) {
            bail!("takes the id of a key, the 16 digits between fw_ and the next _; `flywheel keys list` shows it");
        }
        let facts = within(self.table.one(id)).await?;
        facts::keys(facts)
            .remove(id)
            .with_context(|| format!("there is no key {id}; `flywheel keys list` shows those there are"))
    }

    /// Adds a fact. When this returns, it is on the server's disk.
    pub(super) async fn add(&self, fact: Fact) -> anyhow::Result<()> {
        within(self.table.add(fact)).await
    }
}

async fn within<T>(answer: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let answered = tokio::time::timeout(ANSWER_MAX, answer).await;
    let answered = answered.with_context(|| format!("ClickHouse did not answer within {} s", ANSWER_MAX.as_secs()))?;
    answered.map_err(|error| match kit::clickhouse::remedy(&format!("{error:#}")) {
        Some(remedy) => error.context(remedy),
        None => error,
    })
}

/// What keys are hashed with.
pub(super) fn seal(config: &SealConfig) -> anyhow::Result<Seal> {
    let seal = config.seal()?;
    seal.context("keys are hashed with a secret that every api has too: give it with --api-key-secret-file or FLYWHEEL_API_KEY_SECRET")
}

/// Now, in Unix milliseconds.
pub(super) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// An instant given in Unix milliseconds.
pub(super) fn rfc3339(ms: i64) -> String {
    Timestamp(ms.saturating_mul(1_000)).to_rfc3339()
}
