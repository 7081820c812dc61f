//! The rows of ClickHouse that the oracle compares, as they are stored: times are integers, enums their values.
//!
//! Written down once more, apart from what ingest has, because what is judged does not define what is right.

use std::fmt::{self, Debug};

use clickhouse::{RowOwned, RowRead};
use serde::Deserialize;
use serde_bytes::ByteBuf;
use wire::topics::{CATALOG, REQUESTS, USAGE};

/// So much of a value is shown where rows differ.
const SHOWN_BYTES_MAX: usize = 100;

/// A row with a place in Kafka.
pub trait Placed: RowOwned + RowRead + PartialEq + Debug + Send {
    /// Its table.
    const TABLE: &'static str;
    /// The topic whose records its rows are; none where rows name theirs.
    const TOPIC: Option<&'static str>;

    /// Its offset.
    fn offset(&self) -> i64;
}

/// Bytes that are mostly text.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Bytes(ByteBuf);

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(ByteBuf::from(bytes))
    }
}

impl Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN_BYTES_MAX)];
        write!(f, "b\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.0.len() { write!(f, " of {} bytes", self.0.len()) } else { Ok(()) }
    }
}

/// Defines a row: its table, and its columns in the table's names.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident $table:literal $topic:expr => { $($(#[$meta:meta])* $column:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, clickhouse::Row, Deserialize)]
        #[expect(missing_docs, reason = "columns are documented in schemas/clickhouse")]
        pub struct $name { $($(#[$meta])* pub $column: $kind,)* }

        impl Placed for $name {
            const TABLE: &'static str = $table;
            const TOPIC: Option<&'static str> = $topic;

            fn offset(&self) -> i64 {
                self.offset
            }
        }
    };
}

row! {
    /// A statement or a withdrawal.
    Request "requests" Some(REQUESTS) => {
        offset: i64, received_at: i64, source: String, id: String, time: i64,
        team: String, feature: String, account: String, importance: i8, channel: String, reference: String,
    }
}

row! {
    /// The personal part of a statement.
    RequestText "request_texts" Some(REQUESTS) => {
        offset: i64, received_at: i64, source: String, id: String, time: i64,
        team: String, feature: String, account: String, text: String, requester: String,
    }
}

row! {
    /// What an account did.
    Usage "usage" Some(USAGE) => {
        offset: i64, received_at: i64, source: String, id: String, time: i64,
        team: String, feature: String, account: String,
        operation: String, count: u64, duration_us: Option<u64>, outcome: i8,
    }
}

row! {
    /// What an account needs.
    Need "needs" Some(USAGE) => {
        offset: i64, received_at: i64, source: String, id: String, time: i64,
        team: String, feature: String, account: String, signal: String, count: u64,
    }
}

row! {
    /// A definition of a team.
    Team "teams" Some(CATALOG) => {
        offset: i64, received_at: i64, source: String, id: String, time: i64,
        team: String, name: String, segments: Vec<String>,
        activity_window_days: f64, half_life_days: f64, need_window_days: f64, need_min_count: u64,
        demand_weight: f64, need_weight: f64,
    }
}

row! {
    /// A definition of a feature.
    Feature "features" Some(CATALOG) => {
        offset: i64, received_at: i64, source: String, id: String, time: i64,
        team: String, feature: String, title: String, status: i8, merged_into: String,
        effort_months: Option<f64>, door: i8,
    }
}

row! {
    /// A definition of an account.
    Account "accounts" Some(CATALOG) => {
        offset: i64, received_at: i64, source: String, id: String, time: i64,
        account: String, tier: i8, segments: Vec<String>,
    }
}

row! {
    /// A record that is not valid. What it says for people is not compared: only tests of the decoder know its words.
    DeadLetter "dead_letters" None => {
        offset: i64, received_at: i64, reason: String,
        key: Option<Bytes>, headers: Vec<(Bytes, Option<Bytes>)>, payload: Option<Bytes>,
    }
}

row! {
    /// A record whose event is in the partition already.
    Repeat "repeats" None => {
        offset: i64, received_at: i64, source: String, id: String,
    }
}
