//! The question for the sums over accounts of several teams, put together from pieces. No piece holds anything that a caller gave.
//!
//! Planning costs tens of milliseconds, however few rows there are, and so does reading whom tiers belong to: one question for
//! many teams pays once. Teams go by numbers from 1; what differs between them is in arrays, by that number. A feature goes by
//! its team's number and its place among the team's features, in one number: its *slot*.
//!
//! Accounts go by two hashes of their ids, 96 bits together: numbers of a fixed size cost half of what texts cost to group.
//! That two of a team's million accounts are taken for one has a probability of 1 in 10¹⁷.

use super::activity::events_by_key;

/// A slot has the place in so many of its lower bits, and the team's number above them.
pub(crate) const PLACE_BITS: u32 = 20;

/// The question. `with_segment`: only accounts of the segment that is bound.
pub(crate) fn question(activity_window_days: f64, with_segment: bool) -> String {
    let (tiers, segment) = if with_segment { (TIERS_AND_SEGMENTS, IN_SEGMENT) } else { (HIGHER_TIERS, "") };
    [WHO, &events_by_key(activity_window_days), SEEN, tiers, DEFINED, segment, PAIRS, SUMS].concat()
}

/// Who each team's accounts are at that instant. It is asked for twice below, and computed once.
const WHO: &str = "
WITH fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AS as_of,
who AS MATERIALIZED
(
    SELECT k1, k2, no, greatest(defined.tier, toInt8(1)) AS tier, last_event > {active_after:Array(Int64)}[no] AS active,
        last_use > 0 AS ever_used, last_use > greatest({active_after:Array(Int64)}[no], 0) AS used
    FROM
    (
        SELECT k1, k2, CAST(transform(team, {teams:Array(String)}, {numbers:Array(UInt32)}, toUInt32(0)), 'UInt32') AS no,
            max(toUnixTimestamp64Micro(event)) AS last_event, max(if(is_use, toUnixTimestamp64Micro(event), 0)) AS last_use
        FROM
        (";

const SEEN: &str = "
        )
        GROUP BY k1, k2, no
    ) AS seen
    LEFT JOIN
    (";

/// Accounts of the standard tier are left out: it is that of those who are not there.
const HIGHER_TIERS: &str = "
        SELECT k1, k2, tier
        FROM
        (
            SELECT k1, k2, toInt8(accounts.tier) AS tier
            FROM accounts
            WHERE time <= as_of
            ORDER BY account DESC, time DESC, source DESC, id DESC
            LIMIT 1 BY account
        )
        WHERE tier > 1";

const TIERS_AND_SEGMENTS: &str = "
        SELECT k1, k2, toInt8(accounts.tier) AS tier, segments
        FROM accounts
        WHERE time <= as_of
        ORDER BY account DESC, time DESC, source DESC, id DESC
        LIMIT 1 BY account";

const DEFINED: &str = "
    ) AS defined USING (k1, k2)";

const IN_SEGMENT: &str = "
    WHERE has(defined.segments, {segment:String}) OR (empty(defined.segments) AND {segment:String} = '(none)')";

/// What each account said and showed of each feature, merges followed. What happened to a feature is found in arrays with a cell
/// for each team and name.
///
/// A statement is its time and its importance in one number: of those of the same time the most important stands, and which of
/// several equal ones it is makes no difference.
const PAIRS: &str = "
),
pairs AS
(
    SELECT k1, k2, slot, bitShiftRight(slot, 20) AS no,
        max(statement) AS latest, sum(is_stated) AS stated, sum(count) AS signals
    FROM
    (
        SELECT k1, k2,
            (CAST(transform(team, {teams:Array(String)}, {numbers:Array(UInt32)}, toUInt32(0)), 'UInt32') - 1)
                * {names_count:UInt32}
                + CAST(transform(feature, {names:Array(String)}, {name_numbers:Array(UInt32)}, toUInt32(1)), 'UInt32') AS cell,
            {slots:Array(UInt32)}[cell] AS slot,
            toUnixTimestamp64Micro(time) * 4 + toInt8(importance) AS statement,
            importance != 'withdrawn' AS is_stated, toUInt64(0) AS count
        FROM requests
        WHERE team IN {teams:Array(String)} AND time <= as_of AND toUnixTimestamp64Micro(time) > {since:Array(Int64)}[cell]
        UNION ALL
        SELECT k1, k2,
            (CAST(transform(team, {teams:Array(String)}, {numbers:Array(UInt32)}, toUInt32(0)), 'UInt32') - 1)
                * {names_count:UInt32}
                + CAST(transform(feature, {names:Array(String)}, {name_numbers:Array(UInt32)}, toUInt32(1)), 'UInt32') AS cell,
            {slots:Array(UInt32)}[cell] AS slot, toInt64(0), false, count
        FROM needs
        WHERE team IN {teams:Array(String)} AND time <= as_of AND toUnixTimestamp64Micro(time) > {need_after:Array(Int64)}[cell]
    )
    WHERE slot > 0
    GROUP BY k1, k2, slot
)";

/// A row for each feature and tier, and a row of its own for each team and tier. The order of the columns is that of the row they
/// are read into.
///
/// What a planner might look for in this question, there is not, and looking takes 8 of 48 ms: no projection serves it, and there are no
/// statistics and one way to join.
///
/// What a statement counts, x, is a whole number of `domain::score::PARTS`.
const SUMS: &str = "
SELECT slot AS whose, tier,
    sumIf(parts, active) AS asked, sumIf(parts, active AND needs) AS both, countIf(active AND needs) AS needing,
    maxIf({demand_weight:Array(Float64)}[no] * x + {need_weight:Array(Float64)}[no] * needs, active) AS top,
    countIf(active AND stands) AS asking, sumIf(stated, active AND stands) AS requests,
    countIf(stands AND NOT active AND ever_used) AS lapsed, countIf(stands AND NOT active AND NOT ever_used) AS never_used,
    toUInt64(0) AS accounts, toUInt64(0) AS used
FROM
(
    SELECT slot, no, tier, active, ever_used, stated, latest % 4 > 0 AS stands, signals >= {need_min_count:Array(UInt64)}[no] AS needs,
        toInt64(round(latest % 4 / 3 * exp2(-(({as_of:Int64} - intDiv(latest, 4)) / {half_life_us:Array(Float64)}[no]))
            * {parts:Float64})) AS parts,
        parts / {parts:Float64} AS x
    FROM pairs INNER JOIN who USING (k1, k2, no)
)
GROUP BY slot, tier
UNION ALL
SELECT bitShiftLeft(no, 20), tier, toInt64(0), toInt64(0), toUInt64(0), toFloat64(0), toUInt64(0), toUInt64(0), toUInt64(0), toUInt64(0),
    countIf(who.active), countIf(who.active AND who.used)
FROM who
GROUP BY no, tier
SETTINGS enable_materialized_cte = 1,
    optimize_use_projections = 0, use_statistics = 0, query_plan_optimize_join_order_limit = 0, enable_join_runtime_filters = 0";

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

    #[test]
    fn slots_are_told_apart_by_the_same_bits_everywhere() {
        assert!(PAIRS.contains(&format!("bitShiftRight(slot, {PLACE_BITS})")));
        assert!(SUMS.contains(&format!("bitShiftLeft(no, {PLACE_BITS})")));
    }
}
