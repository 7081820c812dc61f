//! What the end-to-end tests of this crate are made of, besides `testkit`.

pub mod dashboard;
pub mod examples;

/// How many valid events there are, repeats included. The ingest user may ask.
pub const EVENT_ROWS: &str = "SELECT sum(rows) FROM
(
    SELECT count() AS rows FROM requests
    UNION ALL SELECT count() FROM usage
    UNION ALL SELECT count() FROM needs
    UNION ALL SELECT count() FROM teams
    UNION ALL SELECT count() FROM features
    UNION ALL SELECT count() FROM accounts
    UNION ALL SELECT count() FROM repeats
)";
