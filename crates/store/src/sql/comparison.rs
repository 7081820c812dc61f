//! The questions for what a diff is computed from: one team at two instants, `from` and `to`. Neither need be the earlier;
//! `later` is the one that is not. Instants are Unix microseconds.

use super::activity::Grain;

/// The accounts that are active at either end with either window, and in the segment if one is bound. When the shorter window
/// is so many days long.
///
/// What decides all four kinds of activity is an account's last event up to either instant.
pub(crate) fn accounts(activity_window_days: f64) -> String {
    let events = match Grain::of(activity_window_days) {
        Grain::Month => BY_MONTH.to_owned(),
        Grain::Day => [BY_DAY, NEEDS_AND_REQUESTS].concat(),
        Grain::Row => [BY_DAY, BY_ROW, NEEDS_AND_REQUESTS].concat(),
    };
    [SEEN, &events, DEFINED].concat()
}

/// The first of several events stands for all that have come where the last is still to come: see the activity of an instant.
const SEEN: &str = "
WITH toInt64(-9223372036854775808) AS never
SELECT account, event_from, event_to, at_from.1 AS tier_from, at_to.1 AS tier_to,
    {of_segment:UInt8} = 0 OR has(at_from.2, {segment:String}) OR (empty(at_from.2) AND {segment:String} = '(none)') AS in_from,
    {of_segment:UInt8} = 0 OR has(at_to.2, {segment:String}) OR (empty(at_to.2) AND {segment:String} = '(none)') AS in_to
FROM
(
    SELECT account,
        max(multiIf(closed <= {from:Int64}, closed, opened <= {from:Int64}, opened, never)) AS event_from,
        max(multiIf(closed <= {to:Int64}, closed, opened <= {to:Int64}, opened, never)) AS event_to
    FROM
    (";

const BY_MONTH: &str = "
        SELECT account, toUnixTimestamp64Micro(first) AS opened, toUnixTimestamp64Micro(last) AS closed
        FROM active_months WHERE team = {team:String} AND first <= fromUnixTimestamp64Micro({later:Int64}, 'UTC')";

const BY_DAY: &str = "
        SELECT account, toUnixTimestamp64Micro(first) AS opened, toUnixTimestamp64Micro(last) AS closed
        FROM usage_days WHERE team = {team:String} AND first <= fromUnixTimestamp64Micro({later:Int64}, 'UTC')";

/// A window within a day can begin after a day's first event and end before its last: the rows of the day before either instant.
/// What a longer window takes in beside them is in the days.
const BY_ROW: &str = "
        UNION ALL
        SELECT account, toUnixTimestamp64Micro(time), toUnixTimestamp64Micro(time)
        FROM usage
        WHERE team = {team:String}
            AND (toUnixTimestamp64Micro(time) BETWEEN {from:Int64} - 86400000000 AND {from:Int64}
                OR toUnixTimestamp64Micro(time) BETWEEN {to:Int64} - 86400000000 AND {to:Int64})";

const NEEDS_AND_REQUESTS: &str = "
        UNION ALL
        SELECT account, toUnixTimestamp64Micro(time), toUnixTimestamp64Micro(time)
        FROM needs WHERE team = {team:String} AND time <= fromUnixTimestamp64Micro({later:Int64}, 'UTC')
        UNION ALL
        SELECT account, toUnixTimestamp64Micro(time), toUnixTimestamp64Micro(time)
        FROM requests WHERE team = {team:String} AND time <= fromUnixTimestamp64Micro({later:Int64}, 'UTC')";

const DEFINED: &str = "
    )
    GROUP BY account
    HAVING event_from > {from_after:Int64} OR event_to > {to_after:Int64}
) AS seen
LEFT JOIN
(
    SELECT account,
        argMaxIf((toInt8(accounts.tier), segments), (time, toString(source), id),
            time <= fromUnixTimestamp64Micro({from:Int64}, 'UTC')) AS at_from,
        argMaxIf((toInt8(accounts.tier), segments), (time, toString(source), id),
            time <= fromUnixTimestamp64Micro({to:Int64}, 'UTC')) AS at_to
    FROM accounts
    WHERE time <= fromUnixTimestamp64Micro({later:Int64}, 'UTC')
    GROUP BY account
) AS defined USING (account)
WHERE in_from OR in_to
ORDER BY account
LIMIT {rows_max:UInt32}";

/// When each feature was first asked for or needed.
pub(crate) const FEATURES: &str = "
SELECT toString(feature) AS feature, toUnixTimestamp64Micro(min(heard)) AS heard_of_at
FROM
(
    SELECT feature, min(time) AS heard FROM requests
    WHERE team = {team:String} AND time <= fromUnixTimestamp64Micro({later:Int64}, 'UTC')
    GROUP BY feature
    UNION ALL
    SELECT feature, min(time) FROM needs
    WHERE team = {team:String} AND time <= fromUnixTimestamp64Micro({later:Int64}, 'UTC')
    GROUP BY feature
)
GROUP BY feature
ORDER BY feature
LIMIT {rows_max:UInt32}";

/// An account's latest statement about a feature up to either instant: its time and its importance in one number, 0 where there
/// is none. Of those of the same time the most important stands, and which of several equal ones it is makes no difference.
pub(crate) const STATEMENTS: &str = "
WITH toUnixTimestamp64Micro(time) * 4 + toInt8(importance) AS statement
SELECT account, toString(feature) AS feature,
    maxIf(statement, time <= fromUnixTimestamp64Micro({from:Int64}, 'UTC')) AS said_from,
    maxIf(statement, time <= fromUnixTimestamp64Micro({to:Int64}, 'UTC')) AS said_to
FROM requests
WHERE team = {team:String} AND time <= fromUnixTimestamp64Micro({later:Int64}, 'UTC')
GROUP BY account, requests.feature
LIMIT {rows_max:UInt32}";

/// An account's need signals for a feature: at `from` with the window in force at `from` and with that at `to`, then the same
/// at `to`. A window begins after its instant.
pub(crate) const NEEDS: &str = "
WITH toUnixTimestamp64Micro(time) AS at
SELECT account, toString(feature) AS feature,
    sumIf(count, at <= {from:Int64} AND at > {from_after_from:Int64}) AS from_from,
    sumIf(count, at <= {from:Int64} AND at > {from_after_to:Int64}) AS from_to,
    sumIf(count, at <= {to:Int64} AND at > {to_after_from:Int64}) AS to_from,
    sumIf(count, at <= {to:Int64} AND at > {to_after_to:Int64}) AS to_to
FROM needs
WHERE team = {team:String}
    AND at > least({from_after_from:Int64}, {from_after_to:Int64}, {to_after_from:Int64}, {to_after_to:Int64})
    AND time <= fromUnixTimestamp64Micro({later:Int64}, 'UTC')
GROUP BY account, needs.feature
HAVING from_from + from_to + to_from + to_to > 0
LIMIT {rows_max:UInt32}";
