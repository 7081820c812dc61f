//! The questions about one feature. `features` are those whose events count for it; instants are Unix microseconds.

/// Its need signals by kind.
pub(crate) const SIGNALS: &str = "
SELECT toString(needs.signal) AS signal, sum(needs.count) AS count, uniqExact(account) AS accounts,
    toUnixTimestamp64Micro(max(time)) AS latest
FROM needs
WHERE team = {team:String} AND feature IN {features:Array(String)}
    AND time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AND toUnixTimestamp64Micro(time) > {after:Int64}
GROUP BY needs.signal
ORDER BY count DESC, signal
LIMIT {rows_max:UInt32}";

/// How long its operations took. A percentile is the nearest rank's: the least duration that so many of all do not exceed. Each
/// distinct duration takes memory once, however often it was observed.
pub(crate) const DURATIONS: &str = "
SELECT toString(usage.operation) AS operation, count() AS observations,
    quantilesExactWeighted(0.5, 0.99, 0.999)(assumeNotNull(duration_us), 1) AS percentiles
FROM usage
WHERE team = {team:String} AND feature IN {features:Array(String)}
    AND time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AND toUnixTimestamp64Micro(time) > {after:Int64}
    AND duration_us IS NOT NULL
GROUP BY usage.operation
ORDER BY observations DESC, operation
LIMIT {rows_max:UInt32}";

/// How many accounts' own p99 is worse than the bound, by operation; the one without a name is all of them together.
///
/// Nearest ranks need no percentile for that: it is worse where more than one in a hundred durations is.
pub(crate) const JUDGED: &str = "
SELECT operation, countIf(observations >= {observations_min:UInt64}) AS judged,
    countIf(observations >= {observations_min:UInt64} AND worse * 100 > observations) AS worse_off,
    countIf(observations < {observations_min:UInt64}) AS too_few
FROM
(
    SELECT arrayJoin([named, '']) AS operation, account, sum(observed) AS observations, sum(exceeding) AS worse
    FROM
    (
        SELECT toString(usage.operation) AS named, account, count() AS observed, countIf(duration_us > {bound_us:UInt64}) AS exceeding
        FROM usage
        WHERE team = {team:String} AND feature IN {features:Array(String)}
            AND time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AND toUnixTimestamp64Micro(time) > {after:Int64}
            AND duration_us IS NOT NULL
        GROUP BY named, account
    )
    GROUP BY operation, account
)
GROUP BY operation";

/// What was last said about it.
pub(crate) const LATEST: &str = "
SELECT partition, offset, toUnixTimestamp64Micro(requests.time) AS time, account, toString(requests.feature) AS feature,
    toInt8(importance) AS level, channel, reference, source, id
FROM requests
WHERE team = {team:String} AND requests.feature IN {features:Array(String)}
    AND requests.time <= fromUnixTimestamp64Micro({as_of:Int64}, 'UTC')
ORDER BY requests.time DESC, source DESC, id DESC, partition, offset
LIMIT {rows_max:UInt32}";

/// The personal part of these statements.
pub(crate) const TEXTS: &str = "
SELECT partition, offset, substringUTF8(text, 1, {chars_max:UInt32}) AS words, requester
FROM request_texts
WHERE team = {team:String} AND feature IN {features:Array(String)} AND (partition, offset) IN
(
    SELECT of_partition, at_offset
    FROM (SELECT {partitions:Array(Int32)} AS of_partitions, {offsets:Array(Int64)} AS at_offsets)
    ARRAY JOIN of_partitions AS of_partition, at_offsets AS at_offset
)";

/// Where the snapshots had a feature: of each step the last one, of the newest steps.
///
/// A snapshot's document has two lists, and its columns have one after the other.
pub(crate) const HISTORY: &str = "
WITH indexOf(items.feature, {feature:String}) AS place,
    place > 0 AND items.listed[place] = 'iterate' AS launched,
    if(launched, 'iterate', 'items') AS list,
    if(launched, place - countEqual(items.listed, 'items'), place) AS at
SELECT toUnixTimestamp64Micro(rankings.as_of) AS instant, snapshot, place > 0 AS listed, launched,
    items.rank[place] AS rank,
    JSONExtract(document, list, toInt64(at), 'rank_low', 'Nullable(UInt32)') AS rank_low,
    JSONExtract(document, list, toInt64(at), 'rank_high', 'Nullable(UInt32)') AS rank_high,
    items.score[place] AS score,
    items.demand_contribution[place] AS demand_contribution, items.need_contribution[place] AS need_contribution,
    items.demand_share[place] AS demand_share, items.demand_low[place] AS demand_low, items.demand_high[place] AS demand_high,
    items.demand_accounts[place] AS demand_accounts, items.requests[place] AS requests,
    items.need_share[place] AS need_share, items.need_low[place] AS need_low, items.need_high[place] AS need_high,
    items.need_accounts[place] AS need_accounts,
    JSONExtractBool(document, list, toInt64(at), 'need', 'measured') AS measured, accounts
FROM rankings
WHERE team = {team:String} AND rankings.as_of IN
(
    SELECT max(rankings.as_of) AS last
    FROM rankings
    WHERE team = {team:String}
        AND rankings.as_of > fromUnixTimestamp64Micro({after:Int64}, 'UTC')
        AND rankings.as_of <= fromUnixTimestamp64Micro({until:Int64}, 'UTC')
    GROUP BY intDiv(toUnixTimestamp64Micro(rankings.as_of), {step_us:Int64})
    ORDER BY last DESC
    LIMIT {points_max:UInt32}
)
ORDER BY instant, snapshot DESC
LIMIT 1 BY instant";
