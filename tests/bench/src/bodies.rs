//! Request bodies for ClickHouse, encoded before anything is timed: what the production tables get of a backlog.
//!
//! - [`row`]: a record as a row of `usage`.
//! - [`native`], [`rowbinary`]: rows as a body in one format.
//! - [`mod@file`]: bodies on the disk, so that every round inserts the same ones.

pub(crate) mod file;
mod native;
pub(crate) mod row;
mod rowbinary;

use std::collections::BTreeMap;

use self::row::{Day, Row};

/// How rows are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Column by column.
    Native,
    /// Row by row.
    RowBinary,
}

/// One insert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) sql: String,
    pub(crate) bytes: Vec<u8>,
}

/// What is inserted together: the tables' bodies in the order in which they are sent, days before the rows they are made of.
pub(crate) type Batch = Vec<Body>;

/// The bodies of one batch of rows.
pub(crate) fn encode(rows: &[Row], format: Format, with_days: bool) -> Batch {
    let mut batch = Batch::new();
    if with_days {
        let days: Vec<Day> = days(rows);
        batch.push(match format {
            Format::Native => body("usage_days", row::DAY_COLUMNS, "Native", native::days(&days)),
            Format::RowBinary => body("usage_days", row::DAY_COLUMNS, "RowBinary", rowbinary::days(&days)),
        });
    }
    batch.push(match format {
        Format::Native => body("usage", row::COLUMNS, "Native", native::rows(rows)),
        Format::RowBinary => body("usage", row::COLUMNS, "RowBinary", rowbinary::rows(rows)),
    });
    batch
}

fn body<const N: usize>(table: &str, columns: [(&str, &str); N], format: &str, bytes: Vec<u8>) -> Body {
    let names = columns.map(|(name, _)| name).join(", ");
    Body { sql: format!("INSERT INTO {table} ({names}) FORMAT {format}"), bytes }
}

/// The first and the last instant of each team, feature, account and day.
fn days(rows: &[Row]) -> Vec<Day> {
    let mut days: BTreeMap<(&str, &str, &str, i32), (i64, i64)> = BTreeMap::new();
    for row in rows {
        let (first, last) =
            days.entry((&row.team, &row.feature, &row.account, row.day())).or_insert((row.time_us, row.time_us));
        *first = (*first).min(row.time_us);
        *last = (*last).max(row.time_us);
    }
    let day = |((team, feature, account, day), (first_us, last_us)): ((&str, &str, &str, i32), (i64, i64))| Day {
        team: team.to_owned(),
        feature: feature.to_owned(),
        account: account.to_owned(),
        day,
        first_us,
        last_us,
    };
    days.into_iter().map(day).collect()
}

/// LEB128, as both formats write the length of a text.
fn push_text(out: &mut Vec<u8>, text: &str) {
    push_varint(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn push_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
