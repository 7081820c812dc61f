//! A record of the backlog as a row of `usage`, and of `usage_days`.

use anyhow::Context as _;
use domain::time::{MICROS_PER_DAY, Timestamp};
use rdkafka::{
    Message as _,
    message::{BorrowedMessage, Headers as _},
};
use serde::Deserialize;

/// The columns of `usage` with ClickHouse's types, in the order of both formats.
pub(super) const COLUMNS: [(&str, &str); 13] = [
    ("partition", "Int32"),
    ("offset", "Int64"),
    ("received_at", "DateTime64(3, 'UTC')"),
    ("source", "String"),
    ("id", "String"),
    ("time", "DateTime64(6, 'UTC')"),
    ("team", "String"),
    ("feature", "String"),
    ("account", "String"),
    ("operation", "String"),
    ("count", "UInt64"),
    ("duration_us", "Nullable(UInt64)"),
    ("outcome", "Int8"),
];

/// The columns of `usage_days`.
pub(super) const DAY_COLUMNS: [(&str, &str); 6] = [
    ("team", "String"),
    ("feature", "String"),
    ("account", "String"),
    ("day", "Date32"),
    ("first", "DateTime64(6, 'UTC')"),
    ("last", "DateTime64(6, 'UTC')"),
];

/// A row of `usage`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) received_ms: i64,
    pub(super) source: String,
    pub(super) id: String,
    pub(super) time_us: i64,
    pub(super) team: String,
    pub(super) feature: String,
    pub(super) account: String,
    pub(super) operation: String,
    pub(super) count: u64,
    pub(super) duration_us: Option<u64>,
    pub(super) outcome: u8,
}

/// A row of `usage_days`.
#[derive(Clone, Debug)]
pub(super) struct Day {
    pub(super) team: String,
    pub(super) feature: String,
    pub(super) account: String,
    pub(super) day: i32,
    pub(super) first_us: i64,
    pub(super) last_us: i64,
}

#[derive(Deserialize)]
struct Data {
    team: String,
    feature: String,
    account: String,
    operation: String,
    count: u64,
    duration_us: Option<u64>,
    #[serde(default)]
    outcome: String,
}

impl Row {
    /// The row of a record that the backlog's producer wrote.
    ///
    /// # Errors
    /// When it is not one.
    pub(crate) fn of(message: &BorrowedMessage<'_>) -> anyhow::Result<Self> {
        let (mut source, mut id, mut time) = (None, None, None);
        for header in message.headers().context("a record without headers")?.iter() {
            let attribute = match header.key {
                "ce_source" => &mut source,
                "ce_id" => &mut id,
                "ce_time" => &mut time,
                _ => continue,
            };
            *attribute = header.value.map(|value| String::from_utf8_lossy(value).into_owned());
        }
        let data: Data = serde_json::from_slice(message.payload().context("a record without a payload")?)?;
        let time = time.context("a record without ce_time")?;
        Ok(Self {
            partition: message.partition(),
            offset: message.offset(),
            received_ms: message.timestamp().to_millis().context("a record without a timestamp")?,
            source: source.context("a record without ce_source")?,
            id: id.context("a record without ce_id")?,
            time_us: Timestamp::parse_rfc3339(&time).map_err(|error| anyhow::anyhow!("{time}: {error}"))?.0,
            team: data.team,
            feature: data.feature,
            account: data.account,
            operation: data.operation,
            count: data.count,
            duration_us: data.duration_us,
            outcome: match data.outcome.as_str() {
                "ok" => 1,
                "error" => 2,
                "denied" => 3,
                _ => 0,
            },
        })
    }

    /// Days since 1970.
    pub(super) fn day(&self) -> i32 {
        self.time_us.div_euclid(MICROS_PER_DAY) as i32
    }
}
