//! Where the facts about keys are kept: ClickHouse's table `api_keys`.

use anyhow::{Context as _, ensure};
use clickhouse::{Client, Row, query::Query};
use serde::{Deserialize, Serialize};

use super::{
    facts::{Fact, What},
    seal::Digest,
};

/// So many facts are read at most. They are few for each key; of revoked and expired ones, none.
const FACTS_MAX: u64 = 100_000;

/// The facts about keys that stand, or may.
const STANDING: &str = "
SELECT key_id, fact, toUnixTimestamp64Milli(at) AS at, name, scopes, toUnixTimestamp64Milli(expires_at) AS expires_at, digest,
    toUnixTimestamp64Milli(previous_until) AS previous_until
FROM api_keys
WHERE key_id NOT IN (
    SELECT key_id FROM api_keys
    WHERE fact = 'revoked' OR (fact = 'created' AND expires_at > toDateTime64(0, 3) AND expires_at < now64(3) - INTERVAL 1 DAY)
)
LIMIT {rows_max: UInt64}";

/// All of them.
const ALL: &str = "
SELECT key_id, fact, toUnixTimestamp64Milli(at) AS at, name, scopes, toUnixTimestamp64Milli(expires_at) AS expires_at, digest,
    toUnixTimestamp64Milli(previous_until) AS previous_until
FROM api_keys
LIMIT {rows_max: UInt64}";

/// Those of one.
const ONE: &str = "
SELECT key_id, fact, toUnixTimestamp64Milli(at) AS at, name, scopes, toUnixTimestamp64Milli(expires_at) AS expires_at, digest,
    toUnixTimestamp64Milli(previous_until) AS previous_until
FROM api_keys
WHERE key_id = {key_id: String}
LIMIT {rows_max: UInt64}";

/// Reads and adds facts about keys.
#[derive(Clone)]
pub struct KeyTable {
    client: Client,
}

/// A row of `api_keys`; times in Unix milliseconds.
#[derive(Row, Serialize, Deserialize)]
struct FactRow {
    key_id: String,
    fact: i8,
    at: i64,
    name: String,
    scopes: Vec<String>,
    expires_at: i64,
    digest: [u8; 32],
    previous_until: i64,
}

// The values of the table's enum.
const CREATED: i8 = 1;
const ROTATED: i8 = 2;
const REVOKED: i8 = 3;

impl KeyTable {
    /// Reads and writes with ClickHouse's `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// What is known of the keys that stand, or may.
    ///
    /// # Errors
    /// When ClickHouse does not answer or answers with something else, or there are too many facts.
    pub async fn standing(&self) -> anyhow::Result<Vec<Fact>> {
        read(self.client.query(STANDING)).await
    }

    /// What is known of all keys.
    ///
    /// # Errors
    /// When ClickHouse does not answer or answers with something else, or there are too many facts.
    pub async fn all(&self) -> anyhow::Result<Vec<Fact>> {
        read(self.client.query(ALL)).await
    }

    /// What is known of the key `id`, however many others there are.
    ///
    /// # Errors
    /// When ClickHouse does not answer or answers with something else, or there are too many facts.
    pub async fn one(&self, id: &str) -> anyhow::Result<Vec<Fact>> {
        read(self.client.query(ONE).param("key_id", id)).await
    }

    /// Adds a fact. When this returns, it is on the server's disk.
    ///
    /// # Errors
    /// When ClickHouse does not take it; it may have, if the connection broke.
    pub async fn add(&self, fact: Fact) -> anyhow::Result<()> {
        let mut insert = self.client.insert::<FactRow>("api_keys").await.context("cannot write to the API keys")?;
        insert.write(&FactRow::from(fact)).await.context("cannot write to the API keys")?;
        insert.end().await.context("cannot write to the API keys")
    }
}

async fn read(query: Query) -> anyhow::Result<Vec<Fact>> {
    let rows =
        query.param("rows_max", FACTS_MAX + 1).fetch_all::<FactRow>().await.context("cannot read the API keys")?;
    // Some of them would be no good: a revocation could be missing.
    ensure!(rows.len() as u64 <= FACTS_MAX, "there are more than {FACTS_MAX} facts about API keys");
    Ok(rows.into_iter().filter_map(FactRow::into_fact).collect())
}

impl FactRow {
    /// None of a kind that only a newer version knows.
    fn into_fact(self) -> Option<Fact> {
        let what = match self.fact {
            CREATED => What::Created {
                name: self.name,
                // What only a newer version knows, this one does not grant.
                scopes: self.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
                expires_ms: (self.expires_at > 0).then_some(self.expires_at),
                digest: Digest(self.digest),
            },
            ROTATED => What::Rotated { digest: Digest(self.digest), previous_until_ms: self.previous_until },
            REVOKED => What::Revoked,
            _ => return None,
        };
        Some(Fact { key_id: self.key_id, at_ms: self.at, what })
    }
}

impl From<Fact> for FactRow {
    fn from(fact: Fact) -> Self {
        let row = |what| Self {
            key_id: fact.key_id,
            fact: what,
            at: fact.at_ms,
            name: String::new(),
            scopes: Vec::new(),
            expires_at: 0,
            digest: [0; 32],
            previous_until: 0,
        };
        match fact.what {
            What::Created { name, scopes, expires_ms, digest } => Self {
                name,
                scopes: scopes.iter().map(ToString::to_string).collect(),
                expires_at: expires_ms.unwrap_or(0),
                digest: digest.0,
                ..row(CREATED)
            },
            What::Rotated { digest, previous_until_ms } => {
                Self { digest: digest.0, previous_until: previous_until_ms, ..row(ROTATED) }
            }
            What::Revoked => row(REVOKED),
        }
    }
}
