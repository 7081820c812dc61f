//! The question for a team's sums over accounts, put together from pieces. No piece holds anything that a caller gave.
//!
//! Accounts go by two hashes of their ids, 96 bits together: numbers of a fixed size cost half of what texts cost to group.
//! That two of a team's million accounts are taken for one has a probability of 1 in 10¹⁷.

use super::activity::{EVENTS, used};

/// The question. `with_segment`: only accounts of the segment that is bound.
pub(crate) fn question(activity_window_days: f64, with_segment: bool) -> String {
    let segment = if with_segment { IN_SEGMENT } else { "" };
    [SUMS, PAIRS, ACCOUNTS, used(activity_window_days), EVENTS, DEFINED, segment, END].concat()
}

/// A row for each feature and tier. The order of the columns is that of the row they are read into.
///
/// A statement is its time and its importance in one number: of those of the same time the most important stands, and which of
/// several equal ones it is makes no difference. x is never negative, and its 40 binary places are as many as 2²³ accounts leave.
const SUMS: &str = "
WITH fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AS as_of,
    fromUnixTimestamp64Micro({active_after:Int64}, 'UTC') AS active_after
SELECT feature, tier,
    sumIf(parts, active) AS asked, sumIf(parts, active AND needs) AS both, countIf(active AND needs) AS needing,
    maxIf({demand_weight:Float64} * x + {need_weight:Float64} * needs, active) AS top,
    countIf(active AND stands) AS asking, sumIf(stated, active AND stands) AS requests,
    countIf(stands AND NOT active AND ever_used) AS lapsed, countIf(stands AND NOT active AND NOT ever_used) AS never_used,
    any(population) AS population
FROM
(
    SELECT feature, tier, active, ever_used, population, stated, latest % 4 > 0 AS stands,
        signals >= {need_min_count:UInt64} AS needs,
        latest % 4 / 3 * exp2(-(({as_of:Int64} - intDiv(latest, 4)) / {half_life_us:Float64})) AS x,
        toInt64(round(x * 1099511627776)) AS parts
    FROM";

/// What each account said and showed of each feature, merges followed.
const PAIRS: &str = "
    (
        SELECT k1, k2, feature, max(statement) AS latest, sum(is_stated) AS stated, sum(count) AS signals
        FROM
        (
            SELECT cityHash64(account) AS k1, xxHash32(account) AS k2,
                transform(requests.feature, {features:Array(String)}, {places:Array(UInt32)}, toUInt32(0)) AS feature,
                toUnixTimestamp64Micro(time) * 4 + toInt8(importance) AS statement,
                importance != 'withdrawn' AS is_stated, toUInt64(0) AS count
            FROM requests
            WHERE team = {team:String} AND time <= as_of AND toUnixTimestamp64Micro(time)
                > transform(requests.feature, {launched:Array(String)}, {since:Array(Int64)}, toInt64(-9223372036854775808))
            UNION ALL
            SELECT cityHash64(account), xxHash32(account),
                transform(needs.feature, {features:Array(String)}, {places:Array(UInt32)}, toUInt32(0)),
                toInt64(0), false, count
            FROM needs
            WHERE team = {team:String} AND time <= as_of AND time > fromUnixTimestamp64Micro({need_after:Int64}, 'UTC')
                AND toUnixTimestamp64Micro(time)
                > transform(needs.feature, {launched:Array(String)}, {since:Array(Int64)}, toInt64(-9223372036854775808))
        )
        WHERE feature > 0
        GROUP BY k1, k2, feature
    ) AS pairs";

/// The team's accounts, joined so that those that neither ask nor need are there too: without a feature.
const ACCOUNTS: &str = "
    RIGHT JOIN
    (
        SELECT k1, k2, tier, active, ever_used,
            (
                countIf(active AND tier = 1) OVER (), countIf(active AND tier = 2) OVER (), countIf(active AND tier = 3) OVER (),
                countIf(used) OVER ()
            ) AS population
        FROM
        (
            SELECT k1, k2, greatest(defined.tier, toInt8(1)) AS tier, last_event > active_after AS active,
                last_use > 0 AS ever_used, ever_used AND fromUnixTimestamp64Micro(last_use, 'UTC') > active_after AS used
            FROM
            (
                SELECT cityHash64(account) AS k1, xxHash32(account) AS k2, max(event) AS last_event,
                    max(if(is_use, toUnixTimestamp64Micro(event), 0)) AS last_use
                FROM
                (";

/// Who the accounts are at that instant.
const DEFINED: &str = "
                )
                GROUP BY k1, k2
            ) AS seen
            LEFT JOIN
            (
                SELECT cityHash64(account) AS k1, xxHash32(account) AS k2, toInt8(accounts.tier) AS tier, segments
                FROM accounts
                WHERE time <= as_of
                ORDER BY account DESC, time DESC, source DESC, id DESC
                LIMIT 1 BY account
            ) AS defined USING (k1, k2)";

const IN_SEGMENT: &str = "
            WHERE has(defined.segments, {segment:String}) OR (empty(defined.segments) AND {segment:String} = '(none)')";

const END: &str = "
        )
    ) AS who USING (k1, k2)
)
GROUP BY feature, tier";

#[cfg(test)]
mod tests {
    use domain::facts::NO_SEGMENT;

    use super::*;

    #[test]
    fn the_segment_of_accounts_without_any_has_the_name_that_domain_gives_it() {
        assert!(IN_SEGMENT.contains(&format!("'{NO_SEGMENT}'")));
    }

    #[test]
    fn a_segment_is_asked_for_only_where_it_is_bound() {
        assert!(question(90.0, true).contains("{segment:String}"));
        assert!(!question(90.0, false).contains("{segment:String}"));
    }
}
