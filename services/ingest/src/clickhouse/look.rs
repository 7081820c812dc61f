//! Which rows are there. Rows carry their partition and offset, so ClickHouse can be asked.

use std::{collections::BTreeMap, time::Duration};

use clickhouse::{Client, Row, error::Error};
use domain::ids::{Offset, Partition};
use protocol::{Group, Part, Topic, TopicPartition};
use serde::Deserialize;
use wire::topics::{CATALOG, REQUESTS, USAGE};

use crate::tables::There;

/// How the ids of our inserts begin.
pub(super) const QUERY_ID_PREFIX: &str = "flywheel-ingest/";

/// The server's limit on one question; a look is asked again. Generous: on a large table, whose rows are sorted by what
/// rankings ask for, finding a range of offsets can mean reading the offsets of all rows.
const LOOK_S_MAX: &str = "120";
pub(crate) const LOOK_MAX: Duration = Duration::from_secs(125);

/// What was found of each part.
pub(crate) type Found = BTreeMap<Part, There>;

#[derive(Row, Deserialize)]
struct RowAt {
    partition: i32,
    offset: i64,
}

#[derive(Row, Deserialize)]
struct Greatest {
    partition: i32,
    greatest: i64,
}

/// The tables that hold a topic's records: each record that is more than a marker has exactly one row in one of them.
pub(crate) fn primary_tables(topic: Topic) -> &'static [&'static str] {
    match topic.0 {
        REQUESTS => &["requests", "dead_letters", "repeats"],
        USAGE => &["usage", "needs", "dead_letters", "repeats"],
        CATALOG => &["teams", "features", "accounts", "dead_letters", "repeats"],
        _ => &[],
    }
}

/// All tables in which a record of the topic may have a row: at most one in each.
fn tables(topic: Topic) -> impl Iterator<Item = &'static str> {
    let texts = (topic.0 == REQUESTS).then_some("request_texts");
    texts.into_iter().chain(primary_tables(topic).iter().copied())
}

/// Which of the parts' offsets have rows.
pub(crate) async fn look(client: &Client, parts: &[Part]) -> Result<Found, Error> {
    let mut found: Found = parts.iter().map(|part| (*part, There::new())).collect();
    for (topic, parts) in by_topic(parts.iter().map(|part| (part.partition.topic, part))) {
        let wanted = parts.iter().map(|part| {
            let Part { partition, range } = part;
            between(partition.partition, range.first(), Some(range.end()))
        });
        let wanted = wanted.collect::<Vec<_>>().join(" OR ");
        for table in tables(topic) {
            let sql = format!(
                "SELECT partition, offset FROM {table} WHERE {}({wanted}) ORDER BY partition, offset",
                of(table, topic)
            );
            for row in ask::<RowAt>(client, &sql).await? {
                let holds = |part: &&&Part| {
                    part.partition.partition.0 == row.partition
                        && (part.range.first().0..part.range.end().0).contains(&row.offset)
                };
                if let Some(part) = parts.iter().find(holds) {
                    found.entry(**part).or_default().entry(table).or_default().insert(Offset(row.offset));
                }
            }
        }
    }
    Ok(found)
}

/// The greatest offset that has a row, of each partition that has one at or after the offset asked about.
pub(crate) async fn rows_beyond(
    client: &Client,
    asked: &[(TopicPartition, Offset)],
) -> Result<Vec<(TopicPartition, Offset)>, Error> {
    let mut beyond: BTreeMap<TopicPartition, Offset> = BTreeMap::new();
    for (topic, asked) in by_topic(asked.iter().map(|asked| (asked.0.topic, asked))) {
        let wanted = asked.iter().map(|(partition, from)| between(partition.partition, *from, None));
        let wanted = wanted.collect::<Vec<_>>().join(" OR ");
        for table in tables(topic) {
            let sql = format!(
                "SELECT partition, max(offset) AS greatest FROM {table} WHERE {}({wanted}) GROUP BY partition",
                of(table, topic)
            );
            for row in ask::<Greatest>(client, &sql).await? {
                let partition = TopicPartition { topic, partition: Partition(row.partition) };
                let greatest = beyond.entry(partition).or_insert(Offset(row.greatest));
                *greatest = (*greatest).max(Offset(row.greatest));
            }
        }
    }
    Ok(beyond.into_iter().collect())
}

/// Whether no insert of the group is running, whoever sent it.
pub(crate) async fn is_dead(client: &Client, group: &Group) -> Result<bool, Error> {
    let running = client
        .query("SELECT count() FROM system.processes WHERE startsWith(query_id, ?) OR startsWith(query_id, ?)")
        .bind(format!("{QUERY_ID_PREFIX}{group}/"))
        .bind(format!("{QUERY_ID_PREFIX}{group}#"));
    let running = tokio::time::timeout(LOOK_MAX, running.fetch_one::<u64>()).await.map_err(|_| Error::TimedOut)??;
    Ok(running == 0)
}

pub(super) async fn ask<T>(client: &Client, sql: &str) -> Result<Vec<T>, Error>
where
    T: clickhouse::RowOwned + clickhouse::RowRead,
{
    let query = client.query(sql).with_setting("max_execution_time", LOOK_S_MAX);
    tokio::time::timeout(LOOK_MAX, query.fetch_all::<T>()).await.map_err(|_| Error::TimedOut)?
}

/// The condition that picks the topic's rows where several topics share a table. Names and numbers are our own.
pub(super) fn of(table: &str, topic: Topic) -> String {
    match table {
        "dead_letters" | "repeats" => format!("topic = '{}' AND ", topic.0),
        _ => String::new(),
    }
}

pub(super) fn between(partition: Partition, first: Offset, end: Option<Offset>) -> String {
    let end = end.map(|end| format!(" AND offset < {}", end.0)).unwrap_or_default();
    format!("(partition = {} AND offset >= {}{end})", partition.0, first.0)
}

fn by_topic<T>(items: impl Iterator<Item = (Topic, T)>) -> BTreeMap<Topic, Vec<T>> {
    let mut topics: BTreeMap<Topic, Vec<T>> = BTreeMap::new();
    for (topic, item) in items {
        topics.entry(topic).or_default().push(item);
    }
    topics
}
