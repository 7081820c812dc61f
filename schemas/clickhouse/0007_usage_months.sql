-- What rankings read of usage: when each account used anything of the team first and last in each month (UTC), in the order of
-- accounts. Of a window of at least 31 days that is enough to say exactly, at any instant, who is active: where the month of
-- the instant began, the window had begun already, so the first use in it counts if the last one is still to come.
--
-- A view writes it with every insert into `usage_days`. Rows may be written any number of times, as there; an insert that was
-- not acknowledged is written again with both, and one that was acknowledged has written both.
CREATE TABLE IF NOT EXISTS usage_months
(
    team    LowCardinality(String),
    account String,
    month   Date,
    first   SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last    SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (team, account, month);

CREATE MATERIALIZED VIEW IF NOT EXISTS usage_months_writer TO usage_months AS
SELECT team, account, toStartOfMonth(day) AS month, min(usage_days.first) AS first, max(usage_days.last) AS last
FROM usage_days
GROUP BY team, account, month;

-- What was there before the view was.
INSERT INTO usage_months
SELECT team, account, toStartOfMonth(day) AS month, min(usage_days.first) AS first, max(usage_days.last) AS last
FROM usage_days
GROUP BY team, account, month;
