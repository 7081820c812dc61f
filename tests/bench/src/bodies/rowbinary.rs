//! RowBinary: one row after another, each its values in the order of the insert's columns.

use super::{
    push_text,
    row::{Day, Row},
};

/// Rows of `usage`.
pub(super) fn rows(rows: &[Row]) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        out.extend_from_slice(&row.partition.to_le_bytes());
        out.extend_from_slice(&row.offset.to_le_bytes());
        out.extend_from_slice(&row.received_ms.to_le_bytes());
        push_text(&mut out, &row.source);
        push_text(&mut out, &row.id);
        out.extend_from_slice(&row.time_us.to_le_bytes());
        for text in [&row.team, &row.feature, &row.account, &row.operation] {
            push_text(&mut out, text);
        }
        out.extend_from_slice(&row.count.to_le_bytes());
        out.push(u8::from(row.duration_us.is_none()));
        if let Some(duration_us) = row.duration_us {
            out.extend_from_slice(&duration_us.to_le_bytes());
        }
        out.push(row.outcome);
    }
    out
}

/// Rows of `usage_days`.
pub(super) fn days(days: &[Day]) -> Vec<u8> {
    let mut out = Vec::new();
    for day in days {
        for text in [&day.team, &day.feature, &day.account] {
            push_text(&mut out, text);
        }
        out.extend_from_slice(&day.day.to_le_bytes());
        out.extend_from_slice(&day.first_us.to_le_bytes());
        out.extend_from_slice(&day.last_us.to_le_bytes());
    }
    out
}
