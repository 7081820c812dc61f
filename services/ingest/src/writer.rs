//! Writes a batch to ClickHouse, however long that takes: a row is dropped for no reason but that it is acknowledged.

use std::{
    mem,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clickhouse::{Client, error::Error};
use domain::ids::Partition;
use tracing::Instrument as _;

use crate::{
    batch::Batch,
    config::IngestConfig,
    metrics::Metrics,
    schema::Insert,
    tables::{Part, inserts, team_changes},
};

const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Writes batches.
#[derive(Clone)]
pub(crate) struct Writer {
    client: Client,
    insert_max: Duration,
    pause_max: Duration,
    metrics: Metrics,
}

impl Writer {
    pub(crate) fn new(client: Client, config: &IngestConfig) -> Self {
        // We batch ourselves, and an answer must mean that the rows are there.
        let client = client.with_setting("async_insert", "0").with_setting("wait_end_of_query", "1");
        Self {
            client,
            insert_max: Duration::from_millis(config.insert_ms_max),
            pause_max: Duration::from_millis(config.retry_pause_ms_max),
            metrics: Metrics::new(),
        }
    }

    /// Writes every row of `batch` and returns it, so that its positions can be committed.
    ///
    /// The span is the batch's own: it links to the spans of its records' producers, and the ranker links to it.
    pub(crate) async fn write(self, mut batch: Batch) -> Batch {
        let span = tracing::info_span!(
            "process flywheel.batch",
            otel.kind = "consumer",
            messaging.system = "kafka",
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.batch.message_count = batch.records(),
        );
        kit::propagation::add_links(&span, batch.links.iter().cloned());
        let traceparent = kit::propagation::traceparent(&span).unwrap_or_default();
        async {
            let begun = Instant::now();
            let tables = mem::take(&mut batch.tables);
            let reasons = tables.reasons().clone();
            let mut written = Vec::new();
            let parts = [Part { partition: Partition(0), tables: &tables, there: None }];
            for insert in inserts(&parts) {
                written.push((insert.table, insert.rows));
                self.insert(insert).await;
            }
            // Last: who reads a change finds its rows.
            if let Some(changes) = team_changes(&batch.teams, &traceparent) {
                self.insert(changes).await;
            }
            self.metrics.batch_written(&batch, &written, &reasons, begun.elapsed());
            tracing::debug!(
                batch.records = batch.records(),
                duration_ms = begun.elapsed().as_millis(),
                "batch written"
            );
        }
        .instrument(span)
        .await;
        batch
    }

    /// Inserts one table's rows, trying again, with the same bytes, until ClickHouse acknowledges them.
    async fn insert(&self, insert: Insert) {
        let Insert { table, sql, rows, block, .. } = insert;
        let block = Bytes::from(block);
        let mut pause = PAUSE_MIN;
        loop {
            let begun = Instant::now();
            let error = match self.try_insert(&sql, block.clone()).await {
                Ok(()) => {
                    self.metrics.inserted(table, begun.elapsed(), None);
                    return;
                }
                Err(error) => error,
            };
            self.metrics.inserted(table, begun.elapsed(), Some(&error));
            tracing::warn!(
                db.collection.name = table,
                rows,
                error = error.to_string(),
                retry_ms = pause.as_millis(),
                "clickhouse did not take the rows, keeping them and trying again"
            );
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.pause_max);
        }
    }

    async fn try_insert(&self, sql: &str, block: Bytes) -> Result<(), Error> {
        let mut insert =
            self.client.insert_formatted_with(sql).with_timeouts(Some(self.insert_max), Some(self.insert_max));
        insert.send(block).await?;
        insert.end().await
    }
}
