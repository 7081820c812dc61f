//! What an event may hold at most. The schemas in `schemas/events` state the same bounds, and a test compares them.
//!
//! Lengths of strings within `data` are in characters (Unicode code points), as JSON Schema counts them.

use crate::time::{MICROS_PER_DAY, Timestamp};

/// The largest record value, in bytes: 1 MiB.
pub const EVENT_BYTES_MAX: usize = 1_048_576;
/// The longest `id` or `source`, in bytes.
pub const ATTRIBUTE_BYTES_MAX: usize = 1_024;
/// The earliest `time`: 2000-01-01T00:00:00Z.
pub const TIME_MIN: Timestamp = Timestamp(946_684_800_000_000);
/// How far `time` may be after the record's own timestamp, in microseconds: 24 h.
pub const TIME_AHEAD_MICROS_MAX: i64 = MICROS_PER_DAY;

/// The longest operation, signal or channel, in characters.
pub const LABEL_CHARS_MAX: usize = 128;
/// The longest name, title, requester or reference, in characters.
pub const NAME_CHARS_MAX: usize = 512;
/// The longest name of a segment, in characters.
pub const SEGMENT_CHARS_MAX: usize = 64;
/// The most segments in one definition.
pub const SEGMENTS_MAX: usize = 64;
/// The largest count in an event, and the largest `need_min_count`.
pub const COUNT_MAX: u64 = 1_000_000_000_000;
/// The longest duration, in microseconds: about three years.
pub const DURATION_US_MAX: u64 = 100_000_000_000_000;
/// The longest window or half-life, in days: about a century.
pub const WINDOW_DAYS_MAX: f64 = 36_500.0;
/// The largest effort, in person-months.
pub const EFFORT_MONTHS_MAX: f64 = 10_000.0;
/// How far the two weights' sum may be from 1.
pub const WEIGHT_SUM_TOLERANCE: f64 = 1e-9;
/// The largest weight that a what-if may give a tier.
pub const TIER_WEIGHT_MAX: f64 = 100.0;
