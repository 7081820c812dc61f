//! Whether what was written is there, once: the protocol's promise, checked against the rows.

use clickhouse::{Client, Row, error::Error};
use protocol::Part;
use serde::Deserialize;

use super::look::{between, of, primary_tables};

/// What an audit of a range found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Rows beyond the first of their record.
    pub(crate) doubled: u64,
    /// Records without a row.
    pub(crate) missing: u64,
}

#[derive(Row, Deserialize)]
struct Counts {
    rows: u64,
    offsets: u64,
}

/// Counts the rows of a range in which so many records were read: each must have exactly one row, as an event, a dead letter
/// or a repeat.
pub(crate) async fn audit(client: &Client, part: &Part, records: u64) -> Result<Findings, Error> {
    let topic = part.partition.topic;
    let wanted = between(part.partition.partition, part.range.first(), Some(part.range.end()));
    let tables = primary_tables(topic)
        .iter()
        .map(|table| format!("SELECT offset FROM {table} WHERE {}{wanted}", of(table, topic)));
    let sql = format!(
        "SELECT count() AS rows, uniqExact(offset) AS offsets FROM ({})",
        tables.collect::<Vec<_>>().join(" UNION ALL ")
    );
    let Counts { rows, offsets } =
        super::look::ask::<Counts>(client, &sql).await?.pop().unwrap_or(Counts { rows: 0, offsets: 0 });
    Ok(Findings { doubled: rows - offsets, missing: records.saturating_sub(offsets) })
}
