//! Native format: the number of columns and rows, then each column's name, type and values. Words that recur are sent once, as
//! `LowCardinality`, which is what costs the server least.

use std::collections::HashMap;

use super::{
    push_text, push_varint,
    row::{COLUMNS, DAY_COLUMNS, Day, Row},
};

/// A block of `usage`.
pub(super) fn rows(rows: &[Row]) -> Vec<u8> {
    let mut out = Vec::new();
    push_varint(&mut out, COLUMNS.len());
    push_varint(&mut out, rows.len());
    for (name, kind) in COLUMNS {
        push_text(&mut out, name);
        push_text(&mut out, if is_word(name) { "LowCardinality(String)" } else { kind });
        match name {
            "partition" => rows.iter().for_each(|row| out.extend_from_slice(&row.partition.to_le_bytes())),
            "offset" => rows.iter().for_each(|row| out.extend_from_slice(&row.offset.to_le_bytes())),
            "received_at" => rows.iter().for_each(|row| out.extend_from_slice(&row.received_ms.to_le_bytes())),
            "source" => words(&mut out, rows.iter().map(|row| row.source.as_str())),
            "id" => rows.iter().for_each(|row| push_text(&mut out, &row.id)),
            "time" => rows.iter().for_each(|row| out.extend_from_slice(&row.time_us.to_le_bytes())),
            "team" => words(&mut out, rows.iter().map(|row| row.team.as_str())),
            "feature" => words(&mut out, rows.iter().map(|row| row.feature.as_str())),
            "account" => rows.iter().for_each(|row| push_text(&mut out, &row.account)),
            "operation" => words(&mut out, rows.iter().map(|row| row.operation.as_str())),
            "count" => rows.iter().for_each(|row| out.extend_from_slice(&row.count.to_le_bytes())),
            "duration_us" => {
                out.extend(rows.iter().map(|row| u8::from(row.duration_us.is_none())));
                rows.iter().for_each(|row| out.extend_from_slice(&row.duration_us.unwrap_or_default().to_le_bytes()));
            }
            _ => out.extend(rows.iter().map(|row| row.outcome)),
        }
    }
    out
}

/// A block of `usage_days`.
pub(super) fn days(days: &[Day]) -> Vec<u8> {
    let mut out = Vec::new();
    push_varint(&mut out, DAY_COLUMNS.len());
    push_varint(&mut out, days.len());
    for (name, kind) in DAY_COLUMNS {
        push_text(&mut out, name);
        push_text(&mut out, if is_word(name) { "LowCardinality(String)" } else { kind });
        match name {
            "team" => words(&mut out, days.iter().map(|day| day.team.as_str())),
            "feature" => words(&mut out, days.iter().map(|day| day.feature.as_str())),
            "account" => days.iter().for_each(|day| push_text(&mut out, &day.account)),
            "day" => days.iter().for_each(|day| out.extend_from_slice(&day.day.to_le_bytes())),
            "first" => days.iter().for_each(|day| out.extend_from_slice(&day.first_us.to_le_bytes())),
            _ => days.iter().for_each(|day| out.extend_from_slice(&day.last_us.to_le_bytes())),
        }
    }
    out
}

fn is_word(column: &str) -> bool {
    matches!(column, "source" | "team" | "feature" | "operation")
}

/// A column's words, each once, and for each row which one it is. The backlog's words are fewer than 256.
fn words<'a>(out: &mut Vec<u8>, rows: impl Iterator<Item = &'a str>) {
    /// The dictionary is the column's own, and numbers are single bytes.
    const KEYS: [u64; 2] = [1, 1 << 9 | 1 << 10];
    let mut number_of = HashMap::new();
    let (mut words, mut numbers) = (Vec::new(), Vec::new());
    for word in rows {
        let next = number_of.len();
        let number = *number_of.entry(word).or_insert_with(|| {
            push_text(&mut words, word);
            next
        });
        debug_assert!(number < 256, "the backlog has few words");
        numbers.push(number as u8);
    }
    for number in [KEYS[0], KEYS[1], number_of.len() as u64] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&words);
    out.extend_from_slice(&(numbers.len() as u64).to_le_bytes());
    out.extend_from_slice(&numbers);
}
