//! What ClickHouse remembers of a partition's records.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use clickhouse::{Client, Row};
use domain::{
    ids::{Offset, Partition},
    record::InputTopic,
};
use serde::Deserialize;

use super::{Fingerprint, Limits, Rule, Valid, Window};
use crate::{clickhouse::LOOK_MAX, kafka};

/// Records that are witnessed together.
const WITNESSED_MAX: usize = 128;

/// Ids that one query asks about.
const IDS_MAX: usize = 2_000;

/// A valid record, a repeat or not.
#[derive(Row, Deserialize)]
struct ValidRow<'a> {
    offset: i64,
    received_ms: i64,
    source: &'a str,
    id: &'a str,
}

/// What identifies a record.
#[derive(Row, Deserialize)]
struct Said<'a> {
    source: &'a str,
    id: &'a str,
}

/// Lets `window` witness what the partition had from the window's position, or the floor if that is later, up to `position`:
/// afterwards it is as if everything before had been read. After an error it can be called again, and goes on.
///
/// # Errors
/// When ClickHouse cannot be asked.
pub(crate) async fn catch_up(
    client: &Client,
    topic: InputTopic,
    partition: Partition,
    position: Offset,
    window: &mut Window,
) -> anyhow::Result<()> {
    let (limits, _) = rule_of(topic);
    let from_tables: Vec<String> = row_tables(topic)
        .iter()
        .map(|table| valid(table, "true"))
        .chain([valid("repeats", &format!("topic = '{}'", kafka::name(topic)))])
        .collect();
    let sql = format!("SELECT * FROM ({}) ORDER BY offset", from_tables.join(" UNION ALL "));
    let mut rows = client
        .query(&sql)
        .param("partition", partition.0)
        .param("floor", limits.floor(position.0).max(window.position()))
        .param("position", position.0)
        .fetch::<ValidRow<'_>>()
        .context("cannot ask for the newest records")?;
    let mut records = Vec::with_capacity(WITNESSED_MAX);
    let mut next = window.position();
    while let Some(ValidRow { offset, received_ms, source, id }) =
        rows.next().await.context("cannot read the newest records")?
    {
        // Rows of a time when an insert might be repeated may be there twice.
        if offset >= next {
            records.push(Valid { offset, received_ms, fingerprint: Fingerprint::of(source, id) });
            next = offset + 1;
        }
        if records.len() == WITNESSED_MAX {
            window.witness_all(&records);
            records.clear();
        }
    }
    window.witness_all(&records);
    Ok(())
}

/// Which of these requests or definitions were said before: by a record of the partition at an offset below `before`. The
/// offsets of those that were, and of those that are among them more than once, but for the first.
///
/// # Errors
/// When ClickHouse cannot be asked.
pub(crate) async fn said_before<'a>(
    client: &Client,
    topic: InputTopic,
    partition: Partition,
    before: Offset,
    identities: impl Iterator<Item = (Offset, &'a [u8], &'a [u8])>,
) -> anyhow::Result<BTreeSet<Offset>> {
    let mut asked = BTreeMap::<(&str, &str), Vec<Offset>>::new();
    for (offset, source, id) in identities {
        let pair = (std::str::from_utf8(source)?, std::str::from_utf8(id)?);
        asked.entry(pair).or_default().push(offset);
    }
    let mut found = BTreeSet::new();
    // What a range says twice with more between than the window covers.
    for offsets in asked.values_mut() {
        offsets.sort_unstable();
        found.extend(&offsets[1..]);
    }
    let from_tables: Vec<String> = row_tables(topic).iter().map(|table| said(table)).collect();
    let sql = format!("SELECT DISTINCT * FROM ({})", from_tables.join(" UNION ALL "));
    let ids: Vec<&str> = asked.keys().map(|(_, id)| *id).collect::<BTreeSet<_>>().into_iter().collect();
    for ids in ids.chunks(IDS_MAX) {
        let mut query = client.query(&sql);
        for _ in row_tables(topic) {
            query = query.bind(ids);
        }
        let mut rows = query
            .param("partition", partition.0)
            .param("before", before.0)
            // Some 2,000 ids of up to 1,024 bytes, each of which may be escaped, once for each table.
            .with_setting("max_query_size", (IDS_MAX * 4_096 * row_tables(topic).len()).to_string())
            .fetch::<Said<'_>>()
            .context("cannot ask what was said before")?;
        while let Some(Said { source, id }) = in_time(rows.next()).await?.context("cannot read what was said before")? {
            found.extend(asked.get(&(source, id)).into_iter().flatten());
        }
    }
    Ok(found)
}

/// A connection that dies without a word is given up.
async fn in_time<T>(asked: impl Future<Output = T>) -> anyhow::Result<T> {
    tokio::time::timeout(LOOK_MAX, asked).await.context("ClickHouse does not answer")
}

/// How a topic's repeats are recognised.
pub(crate) fn rule_of(topic: InputTopic) -> (Limits, Rule) {
    match topic {
        InputTopic::Usage => (Limits::USAGE, Rule::Within(DAY_MS)),
        InputTopic::Requests | InputTopic::Catalog => (Limits::FOR_EVER, Rule::ForEver),
    }
}

const DAY_MS: i64 = 86_400_000;

/// The tables that hold a topic's valid records, but for the repeats.
fn row_tables(topic: InputTopic) -> &'static [&'static str] {
    match topic {
        InputTopic::Requests => &["requests"],
        InputTopic::Usage => &["usage", "needs"],
        InputTopic::Catalog => &["teams", "features", "accounts"],
    }
}

fn valid(table: &str, condition: &str) -> String {
    format!(
        "SELECT offset, toUnixTimestamp64Milli(received_at) AS received_ms, toString(source) AS source, id FROM {table}
        WHERE partition = {{partition:Int32}} AND offset >= {{floor:Int64}} AND offset < {{position:Int64}} AND {condition}"
    )
}

fn said(table: &str) -> String {
    format!(
        "SELECT toString(source) AS source, id FROM {table}
        WHERE id IN ? AND partition = {{partition:Int32}} AND offset < {{before:Int64}}"
    )
}
