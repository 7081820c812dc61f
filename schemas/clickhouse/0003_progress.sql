-- How far each input partition is durable. Progress only grows, so the greatest value wins whatever order writers arrive in.
CREATE TABLE IF NOT EXISTS ingest_progress
(
    topic      LowCardinality(String),
    partition  Int32,
    partitions Int32 COMMENT 'how many partitions the topic has',
    progress   DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(progress)
ORDER BY (topic, partition);

-- Which teams have new rows: ingest says so after every batch, the ranker follows it by time. The team is empty where
-- a change touches every team (an account's tier). `traceparent` lets the ranking's trace link to the batch's.
CREATE TABLE IF NOT EXISTS team_changes
(
    changed_at  DateTime64(6, 'UTC') DEFAULT now64(6),
    id          UUID DEFAULT generateUUIDv4(),
    team        LowCardinality(String),
    rows        UInt64,
    traceparent String
)
ENGINE = MergeTree
ORDER BY changed_at
TTL toDateTime(changed_at) + INTERVAL 1 DAY;
