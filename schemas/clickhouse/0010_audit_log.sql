-- Who read what persons wrote, through the query API. An answer leaves only after its row is here: hence the fsync. Rows are only
-- ever added, and hold nothing of what was read.
CREATE TABLE IF NOT EXISTS audit_log
(
    at         DateTime64(6, 'UTC'),
    key_id     String COMMENT 'whose key it was',
    team       LowCardinality(String),
    action     LowCardinality(String),
    resource   String COMMENT 'of what',
    outcome    LowCardinality(String),
    request_id String COMMENT 'as in the answer and the logs'
)
ENGINE = MergeTree
ORDER BY (team, at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
