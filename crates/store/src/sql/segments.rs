//! The question for one feature's sums by segment and tier. Instants are Unix microseconds.

use super::activity::events;

/// The question, with an activity window of so many days.
pub(crate) fn cells(activity_window_days: f64) -> String {
    [CELLS, &events(activity_window_days), SAID_AND_SHOWN].concat()
}

/// A row for each segment and tier; the segment without a name is everybody. An account counts in each of its segments.
///
/// A statement is its time and its importance in one number, and shares are added up in whole parts: as for the team's sums.
const CELLS: &str = "
WITH fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AS as_of,
    fromUnixTimestamp64Micro({active_after:Int64}, 'UTC') AS active_after
SELECT segment AS whose, tier,
    sumIf(parts, active) AS asked, sumIf(parts, active AND needs) AS both, countIf(active AND needs) AS needing,
    maxIf({demand_weight:Float64} * x + {need_weight:Float64} * needs, active) AS top,
    countIf(active AND stands) AS asking, sumIf(stated, active AND stands) AS requests,
    countIf(stands AND NOT active AND ever_used) AS lapsed, countIf(stands AND NOT active AND NOT ever_used) AS never_used,
    countIf(active) AS accounts, countIf(active AND was_used) AS used
FROM
(
    SELECT arrayJoin(arrayConcat(if(empty(names), ['(none)'], names), [''])) AS segment, tier,
        active, was_used, ever_used, stated, latest % 4 > 0 AS stands, shown >= {need_min_count:UInt64} AS needs,
        toInt64(round(latest % 4 / 3 * exp2(-(({as_of:Int64} - intDiv(latest, 4)) / {half_life_us:Float64})) * {parts:Float64})) AS parts,
        parts / {parts:Float64} AS x
    FROM
    (
        SELECT account, max(event) > active_after AS active, max(is_use) AS ever_used,
            max(is_use AND event > active_after) AS was_used,
            max(statement) AS latest, sum(is_stated) AS stated, sum(signals) AS shown
        FROM
        (
            SELECT account, event, is_use, toInt64(0) AS statement, false AS is_stated, toUInt64(0) AS signals
            FROM
            (";

const SAID_AND_SHOWN: &str = "
            )
            UNION ALL
            SELECT account, time, false, toUnixTimestamp64Micro(time) * 4 + toInt8(importance), importance != 'withdrawn', toUInt64(0)
            FROM requests
            WHERE team = {team:String} AND feature IN {features:Array(String)} AND time <= as_of
                AND toUnixTimestamp64Micro(time) > {since:Int64}
            UNION ALL
            SELECT account, time, true, toInt64(0), false, count
            FROM needs
            WHERE team = {team:String} AND feature IN {features:Array(String)} AND time <= as_of
                AND toUnixTimestamp64Micro(time) > greatest({since:Int64}, {need_after:Int64})
        )
        GROUP BY account
    ) AS said
    LEFT JOIN
    (
        SELECT account, toInt8(accounts.tier) AS tier, CAST(segments, 'Array(String)') AS names
        FROM accounts
        WHERE time <= as_of
        ORDER BY account DESC, time DESC, source DESC, id DESC
        LIMIT 1 BY account
    ) AS defined USING (account)
)
GROUP BY segment, tier
ORDER BY segment, tier
LIMIT {rows_max:UInt32}";

/// Which segments lie within others, with an activity window of so many days.
pub(crate) fn within(activity_window_days: f64) -> String {
    [WITHIN, &events(activity_window_days), OF_SEGMENTS].concat()
}

/// A row for each two segments of which all active accounts of the one, which are not few, are in the other.
const WITHIN: &str = "
WITH fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AS as_of,
    fromUnixTimestamp64Micro({active_after:Int64}, 'UTC') AS active_after
SELECT inner, outer
FROM
(
    SELECT inner, outer, both, maxIf(both, inner = outer) OVER (PARTITION BY inner) AS size
    FROM
    (
        SELECT inner, outer, count() AS both
        FROM
        (
            SELECT names, inner
            FROM
            (
                SELECT account
                FROM
                (";

const OF_SEGMENTS: &str = "
                )
                GROUP BY account
                HAVING max(event) > active_after
            ) AS seen
            INNER JOIN
            (
                SELECT account, CAST(segments, 'Array(String)') AS names
                FROM accounts
                WHERE time <= as_of
                ORDER BY account DESC, time DESC, source DESC, id DESC
                LIMIT 1 BY account
            ) AS defined USING (account)
            ARRAY JOIN names AS inner
        )
        ARRAY JOIN names AS outer
        GROUP BY inner, outer
    )
)
WHERE inner != outer AND both = size AND size >= {accounts_min:UInt64}
ORDER BY inner, outer
LIMIT {rows_max:UInt32}";

#[cfg(test)]
mod tests {
    use domain::facts::NO_SEGMENT;

    use super::*;

    #[test]
    fn the_segment_of_accounts_without_any_has_the_name_that_domain_gives_it() {
        assert!(CELLS.contains(&format!("['{NO_SEGMENT}']")));
    }
}
