//! The question for what rankings foretold of some of a team's launches, and what then was used. Instants are Unix microseconds.

use super::activity::Grain;

/// The shortest activity window, in days, that the question is exact for.
pub(crate) const WINDOW_DAYS_MIN: f64 = 1.0;

/// The question, where the shortest activity window has so many days.
///
/// A row of a month, or of a day of usage, stands for all of its events, as for the sums of one instant: the last of them, where it
/// has come by then, else the first. Where months say who was active, only those requests and need signals are read that say something
/// about the launches.
pub(crate) fn foretold(activity_window_days: f64) -> String {
    let (activity, about) = match Grain::of(activity_window_days) {
        Grain::Month => ("active_months", " AND feature IN {wanted_features:Array(String)}"),
        Grain::Day | Grain::Row => ("usage_days", ""),
    };
    [SUMS, activity, ACTIVITY, REQUESTS, about, NEEDS, about, USES].concat()
}

/// A row for each launch and tier. `wanted` has `place/feature` for each launch and name that counted for it when it was decided on,
/// `used` for each one whose uses count for it now; `wanted_features` and `used_features` have those without the place. Activity that
/// ended before the first window or launch began, and uses before the first launch or after the last horizon, would change nothing
/// and are not read.
const SUMS: &str = "
WITH arrayZip({places:Array(UInt32)}, {decided_on:Array(Int64)}, {active_after:Array(Int64)}, {need_after:Array(Int64)},
        {half_life_us:Array(Float64)}, {need_min_count:Array(Int64)}, {launched_at:Array(Int64)},
        {active_then_after:Array(Int64)}, {used_until:Array(Int64)}) AS launches,
    toInt64(-9223372036854775808) AS never
SELECT place, greatest(tier, toInt8(1)) AS tier, countIf(active) AS accounts,
    sumIf(toInt64(round(latest % 4 / 3 * exp2(-((decided_on - intDiv(latest, 4)) / half_life_us)) * {parts:Float64})), active) AS asked,
    countIf(active AND shown >= toUInt64(need_min_count)) AS needing, max(heard) AS heard_of,
    countIf(active_then) AS active_at_launch, countIf(active_then AND use) AS used
FROM
(
    SELECT place, account, any(launch.2) AS decided_on, any(launch.5) AS half_life_us, any(launch.6) AS need_min_count,
        max(multiIf(closed <= launch.2, closed, opened <= launch.2, opened, never) > launch.3) AS active,
        max(multiIf(closed <= launch.7, closed, opened <= launch.7, opened, never) > launch.8) AS active_then,
        max(about) AS heard, max(if(about, statement, 0)) AS latest, sum(if(about AND opened > launch.4, signals, 0)) AS shown,
        max(is_use) AS use
    FROM
    (
        SELECT launch, launch.1 AS place, account, opened, closed, statement, signals, false AS is_use,
            opened <= launch.2 AND concat(toString(launch.1), '/', feature) IN {wanted:Array(String)} AS about
        FROM
        (
            SELECT account, toUnixTimestamp64Micro(first) AS opened, toUnixTimestamp64Micro(last) AS closed, '' AS feature,
                toInt64(0) AS statement, toUInt64(0) AS signals
            FROM ";

const ACTIVITY: &str = "
            WHERE team = {team:String} AND first <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')
                AND toUnixTimestamp64Micro(last) > {active_after_first:Int64}";

const REQUESTS: &str = "
            UNION ALL
            SELECT account, toUnixTimestamp64Micro(time), toUnixTimestamp64Micro(time), toString(requests.feature),
                toUnixTimestamp64Micro(time) * 4 + toInt8(importance), toUInt64(0)
            FROM requests WHERE team = {team:String} AND time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')";

const NEEDS: &str = "
            UNION ALL
            SELECT account, toUnixTimestamp64Micro(time), toUnixTimestamp64Micro(time), toString(needs.feature), toInt64(0), count
            FROM needs WHERE team = {team:String} AND time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')";

const USES: &str = "
        ) AS events
        ARRAY JOIN launches AS launch
        WHERE opened <= launch.7
        UNION ALL
        SELECT launch, launch.1, account, never, never, toInt64(0), toUInt64(0), true, false
        FROM
        (
            SELECT account, toString(usage_days.feature) AS feature, toUnixTimestamp64Micro(first) AS opened,
                toUnixTimestamp64Micro(last) AS closed
            FROM usage_days
            WHERE team = {team:String} AND feature IN {used_features:Array(String)}
                AND toUnixTimestamp64Micro(last) > {launched_at_first:Int64} AND toUnixTimestamp64Micro(first) <= {used_until_last:Int64}
        ) AS uses
        ARRAY JOIN launches AS launch
        WHERE closed > launch.7 AND opened <= launch.9 AND concat(toString(launch.1), '/', feature) IN {used:Array(String)}
    )
    GROUP BY place, account
) AS seen
LEFT JOIN
(
    SELECT launch.1 AS place, account, argMax(toInt8(accounts.tier), (time, source, id)) AS tier
    FROM accounts
    ARRAY JOIN launches AS launch
    WHERE toUnixTimestamp64Micro(time) <= launch.2
    GROUP BY place, account
) AS defined USING (place, account)
GROUP BY place, tier
ORDER BY place, tier";
