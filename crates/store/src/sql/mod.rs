//! The questions about one team at one instant. `{name:Type}` is a parameter that the server binds.
//!
//! Every row counts, once: what was said again is no row, because ingest has left it out.

pub(crate) mod activity;
pub(crate) mod comparison;
pub(crate) mod evidence;
pub(crate) mod foresight;
pub(crate) mod outcome;
pub(crate) mod segments;
pub(crate) mod tallies;

use activity::events;

/// When the first event of each team that is dated ahead happens. Accounts' definitions are every team's: their team is empty.
///
/// Of usage, only the first of a day counts: with it the account is active, and what else it does that day changes nothing.
pub(crate) const UPCOMING: &str = "
WITH fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AS as_of
SELECT toString(team), toUnixTimestamp64Micro(min(time)) FROM
(
    SELECT team, time FROM requests WHERE team IN {teams:Array(String)} AND time > as_of
    UNION ALL SELECT team, first FROM usage_days WHERE team IN {teams:Array(String)} AND day >= toDate32(as_of) AND first > as_of
    UNION ALL SELECT team, time FROM needs WHERE team IN {teams:Array(String)} AND time > as_of
    UNION ALL SELECT team, time FROM teams WHERE team IN {teams:Array(String)} AND time > as_of
    UNION ALL SELECT team, time FROM features WHERE team IN {teams:Array(String)} AND time > as_of
    UNION ALL SELECT '', time FROM accounts WHERE time > as_of
)
GROUP BY team";

pub(crate) const BEGUN: &str = "
WITH fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AS as_of
SELECT count() > 0 FROM
(
    SELECT 1 FROM active_months WHERE team = {team:String} AND first <= as_of LIMIT 1
    UNION ALL SELECT 1 FROM teams WHERE team = {team:String} AND time <= as_of LIMIT 1
    UNION ALL SELECT 1 FROM features WHERE team = {team:String} AND time <= as_of LIMIT 1
)";

pub(crate) const TEAM_EVENTS: &str = "
SELECT toString(team) AS of, toUnixTimestamp64Micro(teams.time) AS time, source, id, name, segments,
    activity_window_days, half_life_days, need_window_days, need_min_count, demand_weight, need_weight
FROM teams
WHERE team IN {teams:Array(String)} AND teams.time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')";

pub(crate) const FEATURE_EVENTS: &str = "
SELECT toString(team) AS of, toUnixTimestamp64Micro(features.time) AS time, source, id, feature, title, toInt8(status) AS status,
    merged_into, effort_months, toInt8(door) AS door
FROM features
WHERE team IN {teams:Array(String)} AND features.time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')";

/// The features of each team that were asked for or needed, whether they were needed, and how many rows say so.
pub(crate) const KNOWN: &str = "
SELECT toString(team), toString(feature), max(needed), sum(rows) FROM
(
    SELECT team, feature, false AS needed, count() AS rows FROM requests
    WHERE team IN {teams:Array(String)} AND time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')
    GROUP BY team, feature
    UNION ALL
    SELECT team, feature, true AS needed, count() AS rows FROM needs
    WHERE team IN {teams:Array(String)} AND time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')
    GROUP BY team, feature
)
GROUP BY team, feature";

/// The team's accounts, with a window of so many days.
pub(crate) fn accounts(activity_window_days: f64) -> String {
    [ACCOUNTS, &events(activity_window_days), DEFINED].concat()
}

const ACCOUNTS: &str = "
WITH fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AS as_of,
    fromUnixTimestamp64Micro({active_after:Int64}, 'UTC') AS active_after
SELECT account, tier, segments, last_event > active_after AS active, ever_used AND last_use > active_after AS used, ever_used
FROM
(
    -- Without any use `last_use` is 1970, which a window of decades reaches: `ever_used` decides.
    SELECT account, max(event) AS last_event, maxIf(event, is_use) AS last_use, max(is_use) AS ever_used
    FROM
    (";

const DEFINED: &str = "
    )
    GROUP BY account
) AS events
LEFT JOIN
(
    SELECT account, toInt8(accounts.tier) AS tier, segments
    FROM accounts
    WHERE time <= as_of
    ORDER BY account DESC, time DESC, source DESC, id DESC
    LIMIT 1 BY account
) AS defined USING (account)";

pub(crate) const STATEMENTS: &str = "
SELECT account, toString(feature) AS feature, latest.1 AS time, latest.2 AS importance, latest.3 AS source, latest.4 AS id, requests
FROM
(
    SELECT account, feature,
        max((toUnixTimestamp64Micro(time), toInt8(importance), toString(source), id)) AS latest,
        countIf(importance != 'withdrawn') AS requests
    FROM requests
    WHERE team = {team:String}
        AND time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')
        AND toUnixTimestamp64Micro(time) > transform(toString(feature), {launched:Array(String)}, {launched_at:Array(Int64)}, toInt64(-9223372036854775808))
    GROUP BY account, feature
)";

pub(crate) const NEEDS: &str = "
SELECT account, toString(feature), sum(count)
FROM needs
WHERE team = {team:String}
    AND time > fromUnixTimestamp64Micro({window_start:Int64}, 'UTC')
    AND time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')
    AND toUnixTimestamp64Micro(time) > transform(toString(feature), {launched:Array(String)}, {launched_at:Array(Int64)}, toInt64(-9223372036854775808))
GROUP BY account, feature";
