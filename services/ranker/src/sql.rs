//! The questions about one team at one instant. `{name:Type}` is a parameter that the server binds.
//!
//! `LIMIT 1 BY partition, source, id` in the order of the log drops repeats: the first valid record with a pair counts. For need
//! signals a pair counts again once 24 hours of receipt have passed, which a window function decides.

/// When the first event that is dated ahead happens, and how many there are. Accounts' definitions are every team's.
pub(crate) const UPCOMING: &str = "
WITH fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AS as_of
SELECT toUnixTimestamp64Micro(min(time)), count() FROM
(
    SELECT time FROM requests WHERE team = {team:String} AND time > as_of
    UNION ALL SELECT time FROM usage WHERE team = {team:String} AND time > as_of
    UNION ALL SELECT time FROM needs WHERE team = {team:String} AND time > as_of
    UNION ALL SELECT time FROM teams WHERE team = {team:String} AND time > as_of
    UNION ALL SELECT time FROM features WHERE team = {team:String} AND time > as_of
    UNION ALL SELECT time FROM accounts WHERE time > as_of
)";

pub(crate) const TEAM_EVENTS: &str = "
SELECT toUnixTimestamp64Micro(teams.time) AS time, source, id, name, segments,
    activity_window_days, half_life_days, need_window_days, need_min_count, demand_weight, need_weight
FROM
(
    SELECT * FROM teams WHERE team = {team:String} ORDER BY partition, offset LIMIT 1 BY partition, source, id
) AS teams
WHERE teams.time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')";

pub(crate) const FEATURE_EVENTS: &str = "
SELECT toUnixTimestamp64Micro(features.time) AS time, source, id, feature, title, toInt8(status) AS status,
    merged_into, effort_months, toInt8(door) AS door
FROM
(
    SELECT * FROM features WHERE team = {team:String} ORDER BY partition, offset LIMIT 1 BY partition, source, id
) AS features
WHERE features.time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')";

pub(crate) const KNOWN: &str = "
SELECT toString(feature), max(needed) FROM
(
    SELECT DISTINCT feature, false AS needed FROM requests
    WHERE team = {team:String} AND time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')
    UNION ALL
    SELECT DISTINCT feature, true AS needed FROM needs
    WHERE team = {team:String} AND time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')
)
GROUP BY feature";

pub(crate) const ACCOUNTS: &str = "
WITH fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AS as_of,
    fromUnixTimestamp64Micro({window_start:Int64}, 'UTC') AS window_start
SELECT account, tier, segments, last_event > window_start AS active, ever_used AND last_use > window_start AS used, ever_used
FROM
(
    -- Without any use `last_use` is 1970, which a window of decades reaches: `ever_used` decides.
    SELECT account, max(last) AS last_event, maxIf(last, is_use) AS last_use, max(is_use) AS ever_used
    FROM
    (
        SELECT account, max(time) AS last, false AS is_use FROM requests WHERE team = {team:String} AND time <= as_of GROUP BY account
        UNION ALL
        SELECT account, max(time) AS last, true AS is_use FROM usage WHERE team = {team:String} AND time <= as_of GROUP BY account
        UNION ALL
        SELECT account, max(time) AS last, true AS is_use FROM needs WHERE team = {team:String} AND time <= as_of GROUP BY account
    )
    GROUP BY account
) AS events
LEFT JOIN
(
    SELECT account, argMax(toInt8(tier), (time, toString(source), id)) AS tier, argMax(accounts.segments, (time, toString(source), id)) AS segments
    FROM (SELECT * FROM accounts ORDER BY partition, offset LIMIT 1 BY partition, source, id) AS accounts
    WHERE time <= as_of
    GROUP BY account
) AS defined USING (account)";

pub(crate) const STATEMENTS: &str = "
SELECT account, toString(feature) AS feature, latest.1 AS time, latest.2 AS importance, latest.3 AS source, latest.4 AS id, requests
FROM
(
    SELECT account, feature,
        max((toUnixTimestamp64Micro(time), toInt8(importance), toString(source), id)) AS latest,
        countIf(importance != 'withdrawn') AS requests
    FROM (SELECT * FROM requests WHERE team = {team:String} ORDER BY partition, offset LIMIT 1 BY partition, source, id)
    WHERE time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')
        AND toUnixTimestamp64Micro(time) > transform(toString(feature), {launched:Array(String)}, {launched_at:Array(Int64)}, toInt64(-9223372036854775808))
    GROUP BY account, feature
)";

pub(crate) const NEEDS: &str = "
SELECT account, toString(feature), sum(count)
FROM
(
    SELECT account, feature, time, count, received_at,
        lagInFrame(received_at, 1, toDateTime64(0, 3, 'UTC'))
            OVER (PARTITION BY partition, source, id ORDER BY offset ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS previous
    FROM needs
    WHERE team = {team:String}
)
WHERE previous < received_at - INTERVAL 24 HOUR
    AND time > fromUnixTimestamp64Micro({window_start:Int64}, 'UTC')
    AND time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')
    AND toUnixTimestamp64Micro(time) > transform(toString(feature), {launched:Array(String)}, {launched_at:Array(Int64)}, toInt64(-9223372036854775808))
GROUP BY account, feature";
