//! The questions about launches. Instants are Unix microseconds; `features` are those whose events count for a launched one.

use super::activity::events;

/// Which day's uses are told from what else is said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uses {
    /// The first and the last use of each day: no day both begins before the launch and ends after what has been seen.
    OfDays,
    /// Every use: the launch and the instant asked about lie within a day.
    Each,
}

/// How many accounts are alike in all that an outcome asks, with an activity window of so many days.
pub(crate) fn groups(activity_window_days: f64, uses: Uses) -> String {
    let uses = match uses {
        Uses::OfDays => USES_OF_DAYS,
        Uses::Each => EACH_USE,
    };
    [GROUPS, &events(activity_window_days), WANTED_AT_LAUNCH, uses, ALIKE].concat()
}

/// `as_of` is the launch: whoever was active then was so at that instant.
const GROUPS: &str = "
WITH fromUnixTimestamp64Micro({launched_at:Int64}, 'UTC') AS as_of,
    fromUnixTimestamp64Micro({active_after:Int64}, 'UTC') AS active_after
SELECT active, asked, needed, used_first, used_second, count() AS accounts
FROM
(
    SELECT max(is_active) AS active, max(statement) % 4 > 0 AS asked, sum(signals) >= {need_min_count:UInt64} AS needed,
        max(in_first) AS used_first, max(in_second) AS used_second
    FROM
    (
        SELECT account, event > active_after AS is_active, toInt64(0) AS statement, toUInt64(0) AS signals,
            false AS in_first, false AS in_second
        FROM
        (";

const WANTED_AT_LAUNCH: &str = "
        )
        UNION ALL
        SELECT account, false, toUnixTimestamp64Micro(time) * 4 + toInt8(importance), toUInt64(0), false, false
        FROM requests WHERE team = {team:String} AND feature IN {features:Array(String)} AND time <= as_of
        UNION ALL
        SELECT account, false, toInt64(0), count, false, false
        FROM needs WHERE team = {team:String} AND feature IN {features:Array(String)} AND time <= as_of
        UNION ALL";

const USES_OF_DAYS: &str = "
        SELECT account, false, toInt64(0), toUInt64(0),
            first <= fromUnixTimestamp64Micro({first_end:Int64}, 'UTC'), true
        FROM usage_days
        WHERE team = {team:String} AND feature IN {features:Array(String)}
            AND last > as_of AND first <= fromUnixTimestamp64Micro({second_end:Int64}, 'UTC')";

const EACH_USE: &str = "
        SELECT account, false, toInt64(0), toUInt64(0),
            time <= fromUnixTimestamp64Micro({first_end:Int64}, 'UTC'), true
        FROM usage
        WHERE team = {team:String} AND feature IN {features:Array(String)}
            AND time > as_of AND time <= fromUnixTimestamp64Micro({second_end:Int64}, 'UTC')";

const ALIKE: &str = "
    )
    GROUP BY account
)
WHERE active OR asked OR needed
GROUP BY ALL
ORDER BY ALL";

/// How many accounts had asked for each launched feature, and had shown need of it, before the team set to work. `places` says
/// from 1 which launch each of the features belongs to, `until` up to when its events count.
pub(crate) const WANTED: &str = "
SELECT place, countIf(latest % 4 > 0) AS asked, countIf(shown >= {need_min_count:UInt64}) AS needed
FROM
(
    SELECT place, account, max(statement) AS latest, sum(signals) AS shown
    FROM
    (
        SELECT transform(requests.feature, {features:Array(String)}, {places:Array(UInt32)}, toUInt32(0)) AS place, account,
            toUnixTimestamp64Micro(time) * 4 + toInt8(importance) AS statement, toUInt64(0) AS signals
        FROM requests
        WHERE team = {team:String} AND feature IN {features:Array(String)} AND toUnixTimestamp64Micro(time)
            <= transform(requests.feature, {features:Array(String)}, {until:Array(Int64)}, toInt64(0))
        UNION ALL
        SELECT transform(needs.feature, {features:Array(String)}, {places:Array(UInt32)}, toUInt32(0)), account,
            toInt64(0), count
        FROM needs
        WHERE team = {team:String} AND feature IN {features:Array(String)} AND toUnixTimestamp64Micro(time)
            <= transform(needs.feature, {features:Array(String)}, {until:Array(Int64)}, toInt64(0))
    )
    GROUP BY place, account
)
GROUP BY place
ORDER BY place";

/// The teams of which any event tells that happened by then.
pub(crate) const TEAMS: &str = "
WITH fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AS as_of
SELECT DISTINCT toString(team) AS team FROM
(
    SELECT DISTINCT team FROM teams WHERE time <= as_of
    UNION ALL SELECT DISTINCT team FROM features WHERE time <= as_of
    UNION ALL SELECT DISTINCT team FROM active_months WHERE first <= as_of
)
WHERE {every_team:UInt8} OR has({named:Array(String)}, team)
ORDER BY team
LIMIT {rows_max:UInt32}";
