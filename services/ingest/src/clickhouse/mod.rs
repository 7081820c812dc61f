//! ClickHouse's side of ingest: inserting a group's rows under its token, and looking which rows are there.
//!
//! - `insert`: one insert, whose answer says no more than is known.
//! - `look`: which offsets have a row, and whether an insert still runs.
//! - `audit`: whether every record has its one row.

mod audit;
mod insert;
mod look;

pub(crate) use self::{
    audit::{Findings, audit},
    insert::{insert, tell},
    look::{Found, LOOK_MAX, is_dead, look, primary_tables, rows_beyond},
};

use clickhouse::{Client, Compression};

/// A client whose inserts have the pinned settings: what an insert means must not depend on the server's or the user's
/// defaults, which have changed from release to release. `compress` says whether the blocks travel in LZ4.
pub(crate) fn inserting(client: &Client, compress: bool) -> Client {
    client
        .clone()
        .with_compression(if compress { Compression::Lz4 } else { Compression::None })
        // We batch ourselves, and an answer must mean that the rows are there.
        .with_setting("async_insert", "0")
        .with_setting("wait_end_of_query", "1")
        // Drop what carries a token that the table has met. It decides over `insert_deduplicate` since 26.2.
        .with_setting("deduplicate_insert", "enable")
        // One insert is one block, and so one part: it is there wholly or not at all. A group is far smaller than these.
        .with_setting("max_insert_block_size", ROWS_MAX)
        .with_setting("min_insert_block_size_rows", ROWS_MAX)
        .with_setting("min_insert_block_size_bytes", "1073741824")
        // Months of usage are written by a view over its days: an insert that is acknowledged has written them too.
        .with_setting("materialized_views_ignore_errors", "0")
        // Several threads would make several parts.
        .with_setting("max_insert_threads", "1")
        .with_setting("input_format_parallel_parsing", "0")
        // An insert that is given up half-way is only looked for, never half done; no limit of the server's own may end it.
        .with_setting("max_execution_time", "0")
}

const ROWS_MAX: &str = "16777216";
