//! Publishes rankings: the snapshots to ClickHouse first, then the documents to the topic that the API follows.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use clickhouse::Client;
use domain::{ids::TeamId, time::Timestamp};

use crate::{
    membership::Membership,
    ready::Ready,
    snapshot::SnapshotRow,
    writer::{Unwritten, Writer},
};

const INSERT_MAX: Duration = Duration::from_secs(30);

/// Publishes rankings.
pub(crate) struct Publisher {
    client: Client,
    membership: Arc<Membership>,
}

/// Why rankings were not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unpublished {
    /// ClickHouse did not take the snapshots, or that is not known.
    #[error("ClickHouse did not take the snapshots")]
    NotStored(#[source] anyhow::Error),
    /// ClickHouse has them, and Kafka does not.
    #[error(transparent)]
    NotWritten(Unwritten),
}

impl Publisher {
    pub(crate) fn new(client: Client, membership: Arc<Membership>) -> Self {
        Self { client: client.with_setting("async_insert", "0").with_setting("wait_end_of_query", "1"), membership }
    }

    /// Publishes rankings of one shard: the snapshots that are not stored yet, then all records.
    ///
    /// # Errors
    /// When it did not come about for all of them. Those without a row were stored.
    pub(crate) async fn publish(&self, writer: &Writer, rankings: &mut [Ready]) -> Result<(), Unpublished> {
        self.store(rankings).await.map_err(Unpublished::NotStored)?;
        for ranking in rankings.iter_mut() {
            ranking.row = None;
        }
        writer.write(&self.membership, rankings).await.map_err(Unpublished::NotWritten)
    }

    async fn store(&self, rankings: &[Ready]) -> anyhow::Result<()> {
        let rows: Vec<&SnapshotRow> = rankings.iter().filter_map(|ranking| ranking.row.as_deref()).collect();
        if rows.is_empty() {
            return Ok(());
        }
        // The first insert asks for the table's columns, which the insert's own timeouts do not cover.
        let mut insert = tokio::time::timeout(INSERT_MAX, self.client.insert::<SnapshotRow>("rankings"))
            .await
            .context("ClickHouse does not answer")?
            .context("cannot insert the snapshots")?
            .with_timeouts(Some(INSERT_MAX), Some(INSERT_MAX));
        for row in rows {
            insert.write(row).await.context("cannot insert the snapshots")?;
        }
        insert.end().await.context("cannot insert the snapshots")
    }

    /// The newest snapshot of each team that has one of `since` or later.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time.
    pub(crate) async fn newest(&self, since: Timestamp) -> anyhow::Result<BTreeMap<TeamId, Timestamp>> {
        let query = self
            .client
            .query(
                "SELECT toString(team), toUnixTimestamp64Micro(max(rankings.as_of)) FROM rankings
                WHERE rankings.as_of >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
                GROUP BY team",
            )
            .param("since", since.0)
            .fetch_all::<(String, i64)>();
        let rows = tokio::time::timeout(INSERT_MAX, query)
            .await
            .context("ClickHouse does not answer")?
            .context("cannot read the newest snapshots")?;
        rows.into_iter()
            .map(|(team, as_of)| Ok((TeamId::parse(&team).context("a stored team")?, Timestamp(as_of))))
            .collect()
    }
}
