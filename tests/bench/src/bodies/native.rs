//! Native format: the number of columns and rows, then each column's name, type and values.

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
        push_text(&mut out, kind);
        match name {
            "partition" => rows.iter().for_each(|row| out.extend_from_slice(&row.partition.to_le_bytes())),
            "offset" => rows.iter().for_each(|row| out.extend_from_slice(&row.offset.to_le_bytes())),
            "received_at" => rows.iter().for_each(|row| out.extend_from_slice(&row.received_ms.to_le_bytes())),
            "source" => rows.iter().for_each(|row| push_text(&mut out, &row.source)),
            "id" => rows.iter().for_each(|row| push_text(&mut out, &row.id)),
            "time" => rows.iter().for_each(|row| out.extend_from_slice(&row.time_us.to_le_bytes())),
            "team" => rows.iter().for_each(|row| push_text(&mut out, &row.team)),
            "feature" => rows.iter().for_each(|row| push_text(&mut out, &row.feature)),
            "account" => rows.iter().for_each(|row| push_text(&mut out, &row.account)),
            "operation" => rows.iter().for_each(|row| push_text(&mut out, &row.operation)),
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
        push_text(&mut out, kind);
        match name {
            "team" => days.iter().for_each(|day| push_text(&mut out, &day.team)),
            "feature" => days.iter().for_each(|day| push_text(&mut out, &day.feature)),
            "account" => days.iter().for_each(|day| push_text(&mut out, &day.account)),
            "day" => days.iter().for_each(|day| out.extend_from_slice(&day.day.to_le_bytes())),
            "first" => days.iter().for_each(|day| out.extend_from_slice(&day.first_us.to_le_bytes())),
            _ => days.iter().for_each(|day| out.extend_from_slice(&day.last_us.to_le_bytes())),
        }
    }
    out
}
