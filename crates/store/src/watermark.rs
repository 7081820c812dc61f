//! How far the input is durable.

use anyhow::Context as _;
use domain::time::Timestamp;

use crate::Store;

impl Store {
    /// The instant through which every input partition is durable; none while a partition has not reported yet.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn watermark(&self) -> anyhow::Result<Option<Timestamp>> {
        // A topic that was made anew with fewer partitions leaves rows of the others behind: its newest row says how many
        // there are.
        let query = self.query(
            "SELECT toUnixTimestamp64Milli(min(progress)), count(), countIf(reported < expected)
            FROM
            (
                SELECT topic, min(reached) AS progress, count() AS reported, any(partitions) AS expected
                FROM
                (
                    SELECT topic, partition, max(ingest_progress.progress) AS reached
                    FROM ingest_progress
                    GROUP BY topic, partition
                ) AS partitions_reached
                INNER JOIN
                (
                    SELECT topic, argMax(ingest_progress.partitions, ingest_progress.progress) AS partitions
                    FROM ingest_progress
                    GROUP BY topic
                ) AS newest USING (topic)
                WHERE partition < partitions
                GROUP BY topic
            )",
        );
        let (watermark_ms, topics, silent) = self
            .within(async { query.fetch_one::<(i64, u64, u64)>().await.context("cannot read the watermark") })
            .await?;
        let complete = topics == wire::topics::INPUTS.len() as u64 && silent == 0;
        Ok(complete.then_some(Timestamp(watermark_ms.saturating_mul(1_000))))
    }
}
