-- What rankings read to say who is active: when each account had events of the team first and last in each month (UTC), in the order of
-- accounts; apart, those by which it used something (usage and need signals) and the others (requests and withdrawals).
--
-- Of a window of at least 31 days that is enough to say exactly, at any instant, who is active, and who by use: where the month of
-- the instant began, the window had begun already, so the first event in it counts if the last one is still to come. It is so of
-- each of an account's two rows for a month, whatever the other says, and an account is active if either says so.
--
-- Rows may be written any number of times: the smallest and the largest survive. Ingest writes those of need signals and requests
-- before the rows that they come from, so whoever finds a row finds its month. A view over needs or requests would not do: its part
-- commits apart from theirs, and looking for their rows would not show that it was lost. Those of usage come from a view over
-- `usage_days`, at whose rows nobody looks: they are written again with it.
--
-- STOP INGEST, MIGRATE, START THE NEW VERSION: an older ingest does not write the months of need signals and requests, and the accounts
-- of those would be missing. So this is refused where rows had just been written when this run of migrations began; what is written during it, a newer
-- one writes, which has waited for a table. If an older one wrote some afterwards all the same, run the INSERT INTO active_months below once more as the user of
-- `migrate`; they may be run at any time.
SELECT throwIf(count() > 0,
    'an ingest process writes rows: stop every one, wait 10 seconds, migrate, and start the new version')
FROM team_changes
WHERE changed_at > now64(6) - toIntervalSecond(10) AND changed_at <
(
    -- Its first migration is recorded a moment after it has made what somebody may have waited for.
    SELECT if(count() = 0, now64(6), min(applied_at) - toIntervalSecond(2)) FROM schema_migrations WHERE applied_at > now() - 30
);

CREATE TABLE IF NOT EXISTS active_months
(
    team    LowCardinality(String),
    account String,
    month   Date32 COMMENT 'its first day',
    is_use  Bool,
    first   SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last    SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    k1      UInt64 MATERIALIZED cityHash64(account),
    k2      UInt32 MATERIALIZED xxHash32(account)
)
ENGINE = AggregatingMergeTree
ORDER BY (team, account, month, is_use);

CREATE MATERIALIZED VIEW IF NOT EXISTS active_months_writer TO active_months AS
SELECT team, account, toDate32(toStartOfMonth(day)) AS month, true AS is_use,
    min(usage_days.first) AS first, max(usage_days.last) AS last
FROM usage_days
GROUP BY team, account, month;

-- What was there before. Each block is summed up as it is written, and merges do the rest: no more memory than that of a block.
INSERT INTO active_months (team, account, month, is_use, first, last)
SELECT team, account, toDate32(toStartOfMonth(day)), true, first, last FROM usage_days;
INSERT INTO active_months (team, account, month, is_use, first, last)
SELECT team, account, toDate32(toStartOfMonth(time)), true, time, time FROM needs;
INSERT INTO active_months (team, account, month, is_use, first, last)
SELECT team, account, toDate32(toStartOfMonth(time)), false, time, time FROM requests;

-- Months of usage alone are read no more. An older reader fails now, rather than say who was active once.
DROP VIEW IF EXISTS usage_months_writer;
DROP TABLE IF EXISTS usage_months;
