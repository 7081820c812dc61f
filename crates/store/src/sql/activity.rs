//! The pieces of questions that say when accounts had events of a team, and the question who is active.

/// How many accounts are active, with a window of so many days.
pub(crate) fn active(activity_window_days: f64) -> String {
    [ACTIVE, &events(activity_window_days), "\n)"].concat()
}

/// Instants are Unix microseconds.
const ACTIVE: &str = "
WITH fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AS as_of,
    fromUnixTimestamp64Micro({active_after:Int64}, 'UTC') AS active_after
SELECT uniqExactIf(account, event > active_after) FROM
(";

/// What there is in one row for each event of the team up to `as_of`, or for those that say the same: `account`, `event` (when)
/// and `is_use` (by usage or a need signal). From the fewest rows that are exact for the window.
///
/// A row of a month or a day knows its first and its last event, by use or not. Where the last is still to come at `as_of`, the
/// first stands for all that have come: the window must be so long that it began before the month or the day did. Its other end needs
/// no care, for the last event decides whether any is within it.
pub(crate) fn events(activity_window_days: f64) -> String {
    match Grain::of(activity_window_days) {
        Grain::Month => BY_MONTH.to_owned(),
        Grain::Day => [BY_DAY, NEEDS_AND_REQUESTS].concat(),
        Grain::Row => [BY_ROW, NEEDS_AND_REQUESTS].concat(),
    }
}

/// What activity is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grain {
    /// Months of all events.
    Month,
    /// Days of usage, and the other events themselves.
    Day,
    /// Events.
    Row,
}

impl Grain {
    /// The coarsest that is exact for a window of so many days.
    pub(crate) fn of(activity_window_days: f64) -> Self {
        if activity_window_days >= 31.0 {
            Self::Month
        } else if activity_window_days >= 1.0 {
            Self::Day
        } else {
            Self::Row
        }
    }
}

const BY_MONTH: &str = "
SELECT account, if(last <= as_of, last, first) AS event, is_use
FROM active_months
WHERE team = {team:String} AND first <= as_of";

const BY_DAY: &str = "
SELECT account, if(last <= as_of, last, first) AS event, true AS is_use
FROM usage_days
WHERE team = {team:String} AND first <= as_of";

/// A window within a day wants the rows themselves; whoever used anything before it is in the days.
const BY_ROW: &str = "
SELECT account, time AS event, true AS is_use
FROM usage
WHERE team = {team:String} AND time <= as_of AND time > active_after
UNION ALL
SELECT account, first, true
FROM usage_days
WHERE team = {team:String} AND first <= as_of";

const NEEDS_AND_REQUESTS: &str = "
UNION ALL
SELECT account, time, true FROM needs WHERE team = {team:String} AND time <= as_of
UNION ALL
SELECT account, time, false FROM requests WHERE team = {team:String} AND time <= as_of";

/// The same as [`events`] of several teams, the accounts by the keys that tables hold beside their ids: `k1`, `k2`, `team`, `event`
/// and `is_use`. The window's beginning is of each team, in an array by its number: rows before it cost, and change nothing.
pub(crate) fn events_by_key(activity_window_days: f64) -> String {
    match Grain::of(activity_window_days) {
        Grain::Month => KEYS_BY_MONTH.to_owned(),
        Grain::Day => [KEYS_BY_DAY, KEYS_OF_NEEDS_AND_REQUESTS].concat(),
        Grain::Row => [KEYS_BY_ROW, KEYS_OF_NEEDS_AND_REQUESTS].concat(),
    }
}

const KEYS_BY_MONTH: &str = "
SELECT k1, k2, team, if(last <= as_of, last, first) AS event, is_use
FROM active_months
WHERE team IN {teams:Array(String)} AND first <= as_of";

const KEYS_BY_DAY: &str = "
SELECT cityHash64(account) AS k1, xxHash32(account) AS k2, team, if(last <= as_of, last, first) AS event, true AS is_use
FROM usage_days
WHERE team IN {teams:Array(String)} AND first <= as_of";

/// No window of these teams begins before `rows_after`.
const KEYS_BY_ROW: &str = "
SELECT cityHash64(account) AS k1, xxHash32(account) AS k2, team, time AS event, true AS is_use
FROM usage
WHERE team IN {teams:Array(String)} AND time <= as_of AND time > fromUnixTimestamp64Micro({rows_after:Int64}, 'UTC')
UNION ALL
SELECT cityHash64(account), xxHash32(account), team, first, true
FROM usage_days
WHERE team IN {teams:Array(String)} AND first <= as_of";

const KEYS_OF_NEEDS_AND_REQUESTS: &str = "
UNION ALL
SELECT k1, k2, team, time, true FROM needs WHERE team IN {teams:Array(String)} AND time <= as_of
UNION ALL
SELECT k1, k2, team, time, false FROM requests WHERE team IN {teams:Array(String)} AND time <= as_of";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_window_that_began_before_the_month_or_day_is_answered_by_it() {
        let grains = [90.0, 31.0, 30.999, 1.0, 0.999].map(Grain::of);
        assert_eq!(grains, [Grain::Month, Grain::Month, Grain::Day, Grain::Day, Grain::Row]);
    }

    #[test]
    fn months_are_all_that_a_long_window_reads() {
        for question in [events(31.0), events_by_key(31.0)] {
            assert_eq!(question.matches("FROM").count(), 1, "{question}");
            assert!(question.contains("FROM active_months"), "{question}");
        }
    }
}
