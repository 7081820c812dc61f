//! One insert of a group, table by table.

use std::time::{Duration, Instant};

use bytes::Bytes;
use clickhouse::{Client, error::Error};
use protocol::{InsertAnswer, Token};
use tokio::sync::mpsc;

use crate::{
    inserts::{Deduplication, Insert},
    metrics::Metrics,
};

use super::look::QUERY_ID_PREFIX;

/// What became of it, and what it wrote.
pub(crate) struct Inserted {
    pub(crate) answer: InsertAnswer,
    /// Rows of each table that ClickHouse has acknowledged.
    pub(crate) written: Vec<(&'static str, usize)>,
    pub(crate) error: Option<Error>,
}

/// Sends the inserts one after another, each with its token, and stops at the first that is not acknowledged: rows in a table
/// imply those of the tables before it. `write` makes an insert's block and hands it on piece by piece.
pub(crate) async fn insert<W>(
    client: &Client,
    token: Token,
    inserts: Vec<Insert>,
    write: W,
    insert_max: Duration,
    metrics: &Metrics,
) -> Inserted
where
    W: Fn(&Insert, &mut dyn FnMut(Vec<u8>)) + Clone + Send + 'static,
{
    let mut written = Vec::new();
    for insert in inserts {
        let (table, rows) = (insert.table, insert.rows);
        let begun = Instant::now();
        let mut bytes = 0;
        // The client's own limit is for each piece. What is given up here is broken off, and looked for.
        let sending = send(client, token, insert, write.clone(), insert_max, &mut bytes);
        let result = tokio::time::timeout(insert_max, sending).await.unwrap_or(Err(Error::TimedOut));
        metrics.inserted(table, bytes, begun.elapsed(), result.as_ref().err());
        if let Err(error) = result {
            // What never reached the server leaves nothing behind; anything else may have been applied.
            let unsent = written.is_empty() && is_refused_connection(&error);
            let answer = if unsent { InsertAnswer::Failed } else { InsertAnswer::Ambiguous };
            return Inserted { answer, written, error: Some(error) };
        }
        written.push((table, rows));
    }
    Inserted { answer: InsertAnswer::Ok, written, error: None }
}

/// Inserts what is no part of a group, once.
pub(crate) async fn tell(client: &Client, sql: String, block: Vec<u8>, insert_max: Duration) -> Result<(), Error> {
    let request = client.insert_formatted_with(sql).with_setting("deduplicate_insert", "disable");
    let mut request = request.with_timeouts(Some(insert_max), Some(insert_max));
    request.send(Bytes::from(block)).await?;
    request.end().await
}

/// Counts in `bytes` what was sent.
async fn send<W>(
    client: &Client,
    token: Token,
    insert: Insert,
    write: W,
    insert_max: Duration,
    bytes: &mut usize,
) -> Result<(), Error>
where
    W: Fn(&Insert, &mut dyn FnMut(Vec<u8>)) + Send + 'static,
{
    let table = insert.table;
    let deduplicated_by = match insert.deduplication {
        Deduplication::Group => Some(format!("{token}/{table}")),
        Deduplication::Part(partition) => Some(format!("{token}/{table}/{}", partition.0)),
        Deduplication::Never => None,
    };
    // Names the group, so that `is_dead` finds it while it runs; unique, as the server demands.
    let query_id = format!("{QUERY_ID_PREFIX}{token}/{table}/{}", uuid::Uuid::new_v4());
    let request = client.insert_formatted_with(&*insert.sql).with_setting("query_id", query_id);
    let request = match deduplicated_by.filter(|_| cfg!(not(feature = "unprotected"))) {
        Some(token) => request.with_setting("insert_deduplication_token", token),
        None => request.with_setting("deduplicate_insert", "disable"),
    };
    // Days and months are merged, and grouped by whoever reads them, in any case: no need to look for keys that meet in one insert.
    let request = match insert.deduplication {
        Deduplication::Never => request.with_setting("optimize_on_insert", "0"),
        Deduplication::Group | Deduplication::Part(_) => request,
    };
    let mut request = request.with_timeouts(Some(insert_max), Some(insert_max));
    let (pieces, mut made) = mpsc::channel(PIECES_MAX);
    let making = tokio::task::spawn_blocking(move || {
        // When nobody sends them any more, the pieces that are left are made for nothing.
        write(&insert, &mut |piece| drop(pieces.blocking_send(piece)));
    });
    while let Some(piece) = made.recv().await {
        *bytes += piece.len();
        request.send(Bytes::from(piece)).await?;
    }
    // Half a block must not look like a whole one: a request that is dropped is broken off.
    making.await.map_err(|panic| Error::Other(panic.into()))?;
    request.end().await
}

/// Pieces of a block in memory, beside the one that is sent and the one that is made.
const PIECES_MAX: usize = 1;

/// Whether not even a connection was made.
fn is_refused_connection(error: &Error) -> bool {
    let Error::Network(cause) = error else { return false };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(cause.as_ref());
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::ConnectionRefused;
        }
        cause = error.source();
    }
    false
}
