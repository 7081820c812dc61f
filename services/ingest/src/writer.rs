//! Writes a batch to ClickHouse, however long that takes: a row is dropped for no reason but that it is acknowledged.

use std::time::{Duration, Instant};

use clickhouse::{Client, Row, RowOwned, RowWrite, error::Error};
use serde::Serialize;
use tracing::Instrument as _;

use crate::{batch::Batch, config::IngestConfig, metrics::Metrics};

const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Writes batches.
#[derive(Clone)]
pub(crate) struct Writer {
    client: Client,
    insert_max: Duration,
    pause_max: Duration,
    metrics: Metrics,
}

/// Tells the ranker that a team has new rows.
#[derive(Row, Serialize)]
struct TeamChangeRow {
    team: String,
    rows: u64,
    traceparent: String,
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
    pub(crate) async fn write(self, batch: Batch) -> Batch {
        let span = tracing::info_span!(
            "process flywheel.batch",
            otel.kind = "consumer",
            messaging.system = "kafka",
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.batch.message_count = batch.records,
        );
        kit::propagation::add_links(&span, batch.links.iter().cloned());
        let traceparent = kit::propagation::traceparent(&span).unwrap_or_default();
        async {
            let begun = Instant::now();
            let rows = &batch.rows;
            self.insert("requests", &rows.requests).await;
            self.insert("request_texts", &rows.request_texts).await;
            self.insert("usage", &rows.usage).await;
            self.insert("needs", &rows.needs).await;
            self.insert("teams", &rows.teams).await;
            self.insert("features", &rows.features).await;
            self.insert("accounts", &rows.accounts).await;
            self.insert("dead_letters", &rows.dead_letters).await;
            // Last: who reads a change finds its rows.
            let changes: Vec<TeamChangeRow> = batch
                .teams
                .iter()
                .map(|(team, rows)| TeamChangeRow { team: team.clone(), rows: *rows, traceparent: traceparent.clone() })
                .collect();
            self.insert("team_changes", &changes).await;
            self.metrics.batch_written(&batch, begun.elapsed());
            tracing::debug!(batch.records = batch.records, duration_ms = begun.elapsed().as_millis(), "batch written");
        }
        .instrument(span)
        .await;
        batch
    }

    /// Inserts rows into one table, trying again until ClickHouse acknowledges them.
    async fn insert<R>(&self, table: &'static str, rows: &[R])
    where
        R: RowOwned + RowWrite + Serialize,
    {
        if rows.is_empty() {
            return;
        }
        let mut pause = PAUSE_MIN;
        loop {
            let begun = Instant::now();
            let error = match self.try_insert(table, rows).await {
                Ok(()) => {
                    self.metrics.inserted(table, begun.elapsed(), None);
                    return;
                }
                Err(error) => error,
            };
            self.metrics.inserted(table, begun.elapsed(), Some(&error));
            tracing::warn!(
                db.collection.name = table,
                rows = rows.len(),
                error = error.to_string(),
                retry_ms = pause.as_millis(),
                "clickhouse did not take the rows, keeping them and trying again"
            );
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.pause_max);
        }
    }

    async fn try_insert<R>(&self, table: &str, rows: &[R]) -> Result<(), Error>
    where
        R: RowOwned + RowWrite + Serialize,
    {
        // The first insert asks for the table's columns, which the insert's own timeouts do not cover.
        let mut insert = tokio::time::timeout(self.insert_max, self.client.insert::<R>(table))
            .await
            .map_err(|_| Error::TimedOut)??
            .with_timeouts(Some(self.insert_max), Some(self.insert_max));
        for row in rows {
            insert.write(row).await?;
        }
        insert.end().await
    }
}
