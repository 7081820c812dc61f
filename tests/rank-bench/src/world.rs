//! The teams: 28 features each, two of them merged and two launched; of every account ten days of usage, three requests and five
//! need signals. A hash decides, so that every run has the same.
//!
//! They are made in ClickHouse itself, in blocks of a million rows, and in the tables that ingest writes: what is derived from
//! them, months of usage, keys and projections, is derived as ever. Nothing is merged on the way (`optimize_on_insert`); merges
//! follow.

use anyhow::Context as _;
use clickhouse::query::Query;

use crate::site::Site;

/// How many teams, and how large.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Teams.
    pub teams: u64,
    /// Of each team.
    pub accounts: u64,
}

impl Size {
    /// The ids of its teams.
    pub fn team_ids(self) -> impl Iterator<Item = String> {
        (0..self.teams).map(move |number| format!("{}{number}", self.prefix()))
    }

    /// What their ids begin with, and no others.
    fn prefix(self) -> String {
        format!("team-{}-", self.accounts)
    }
}

/// The company's customers: twice as many as a team has accounts, so that any two teams share about half of theirs.
const CUSTOMERS: &str = "
INSERT INTO accounts (partition, offset, received_at, source, id, time, account, tier, segments)
SELECT 0, number, now64(3), '//bench', toString(number), now64(6) - toIntervalDay(200),
    concat('account-', toString(number)),
    1 + (cityHash64(number, 1) % 10 > 6) + (cityHash64(number, 1) % 10 > 8),
    [['emea'], ['amer'], ['apac', 'gaming'], []][1 + cityHash64(number, 2) % 4]
FROM numbers({customers:UInt64})";

const TEAM: &str = "
INSERT INTO teams (partition, offset, received_at, source, id, time, team, name, segments, activity_window_days, half_life_days,
    need_window_days, need_min_count, demand_weight, need_weight)
SELECT 0, 0, now64(3), '//bench', team, now64(6) - toIntervalDay(200), team, 'A team', [], 90, 90, 30, 1, 0.6, 0.4
FROM rows";

const FEATURES: &str = "
INSERT INTO features (partition, offset, received_at, source, id, time, team, feature, title, status, merged_into)
SELECT 0, number, now64(3), '//bench', concat(team, '/', toString(number)), now64(6) - toIntervalDay(150),
    team, concat('feature-', toString(number)), 'A feature', if(number IN (2, 3), 'launched', 'proposed'),
    if(number IN (26, 27), 'feature-5', '')
FROM rows";

/// On ten days of half a year. Ingest writes the same rows, from usage that no ranking reads.
const USAGE_DAYS: &str = "
INSERT INTO usage_days (team, feature, account, day, first, last)
SELECT team, concat('feature-', toString(cityHash64(number, 3) % 28)),
    concat('account-', toString(intDiv(number, 10) * 2 + cityHash64(team, intDiv(number, 10)) % 2)),
    toDate32(now('UTC')) - cityHash64(team, number) % 180 AS day,
    least(toDateTime64(day, 6, 'UTC') + toIntervalSecond(cityHash64(number, 4) % 43200), now64(6)),
    least(toDateTime64(day, 6, 'UTC') + toIntervalSecond(43200 + cityHash64(number, 5) % 43200), now64(6))
FROM rows";

const REQUESTS: &str = "
INSERT INTO requests (partition, offset, received_at, source, id, time, team, feature, account, importance)
SELECT 0, number, now64(3), '//bench', concat(team, '/', toString(number)),
    now64(6) - toIntervalMicrosecond(cityHash64(team, number, 6) % (180 * 86400000000)),
    team, concat('feature-', toString(least(cityHash64(number, 7) % 28, cityHash64(number, 8) % 28))),
    concat('account-', toString(intDiv(number, 3) * 2 + cityHash64(team, intDiv(number, 3)) % 2)),
    if(cityHash64(number, 9) % 10 = 0, 0, 1 + cityHash64(number, 10) % 3)
FROM rows";

const NEEDS: &str = "
INSERT INTO needs (partition, offset, received_at, source, id, time, team, feature, account, signal, count)
SELECT 0, number, now64(3), '//bench', concat(team, '/', toString(number)),
    now64(6) - toIntervalMicrosecond(cityHash64(team, number, 11) % (90 * 86400000000)),
    team, concat('feature-', toString(greatest(cityHash64(number, 12) % 28, cityHash64(number, 13) % 28))),
    concat('account-', toString(intDiv(number, 5) * 2 + cityHash64(team, intDiv(number, 5)) % 2)),
    'full_scan', 1 + cityHash64(number, 14) % 3
FROM rows";

/// As ingest writes them: the months of the requests and need signals that are there already.
const MONTHS: [(&str, &str); 2] = [
    (
        "months of requests",
        "INSERT INTO active_months (team, account, month, is_use, first, last)
        SELECT team, account, toDate32(toStartOfMonth(time)), false, time, time
        FROM requests WHERE startsWith(team, {prefix:String})",
    ),
    (
        "months of need signals",
        "INSERT INTO active_months (team, account, month, is_use, first, last)
        SELECT team, account, toDate32(toStartOfMonth(time)), true, time, time
        FROM needs WHERE startsWith(team, {prefix:String})",
    ),
];

/// `number` counts each team's rows, from 0.
const ROWS: &str = "
(
    SELECT concat('team-', toString({accounts:UInt64}), '-', toString(intDiv(row, {each:UInt64}))) AS team,
        row % {each:UInt64} AS number
    FROM (SELECT number AS row FROM numbers({teams:UInt64} * {each:UInt64}))
)";

/// A block of each thread has so many rows, and becomes a part.
const BLOCK_ROWS: &str = "1048576";

/// Makes the customers of teams with at most so many accounts.
///
/// # Errors
/// When ClickHouse refuses.
pub async fn make_customers(site: &Site, accounts: u64) -> anyhow::Result<()> {
    site.client.query(CUSTOMERS).param("customers", 2 * accounts).execute().await.context("cannot make customers")
}

/// Makes the teams of a size.
///
/// # Errors
/// When ClickHouse refuses.
pub async fn make_teams(site: &Site, size: Size) -> anyhow::Result<()> {
    let tables = [
        ("teams", TEAM, 1),
        ("features", FEATURES, 28),
        ("days of usage", USAGE_DAYS, 10 * size.accounts),
        ("requests", REQUESTS, 3 * size.accounts),
        ("need signals", NEEDS, 5 * size.accounts),
    ];
    for (what, insert, each) in tables {
        let sql =
            insert.strip_suffix("rows").with_context(|| format!("{what} are not made from rows"))?.to_owned() + ROWS;
        let insert = in_large_blocks(site.client.query(&sql))
            .param("accounts", size.accounts)
            .param("teams", size.teams)
            .param("each", each);
        insert.execute().await.with_context(|| format!("cannot make {what}"))?;
    }
    for (what, insert) in MONTHS {
        let insert = in_large_blocks(site.client.query(insert)).param("prefix", size.prefix());
        insert.execute().await.with_context(|| format!("cannot make {what}"))?;
    }
    // Ingest writes what happened in a month together, and merges bring an account's rows for it into one. Here one table came after the
    // other.
    let merge = site.client.query("OPTIMIZE TABLE active_months FINAL");
    merge.execute().await.context("cannot merge the months")
}

fn in_large_blocks(insert: Query) -> Query {
    insert
        .with_setting("max_block_size", BLOCK_ROWS)
        .with_setting("min_insert_block_size_rows", BLOCK_ROWS)
        .with_setting("min_insert_block_size_bytes", "0")
        .with_setting("max_insert_threads", "2")
        .with_setting("optimize_on_insert", "0")
}
