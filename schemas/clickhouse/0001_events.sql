-- Events as they were received: one row for every valid record, with its place in Kafka.
--
-- Rows are sorted by what rankings ask for (team, feature, account) and never partitioned by a producer's time: one insert may
-- carry any number of days, and an insert over more than 100 partitions fails for ever.
-- `by_offset` finds the rows of a range of offsets, to audit them and to look before inserting again.

CREATE TABLE IF NOT EXISTS requests
(
    partition   Int32,
    offset      Int64 CODEC(Delta, ZSTD),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    source      LowCardinality(String),
    id          String,
    time        DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    team        LowCardinality(String),
    feature     LowCardinality(String),
    account     String,
    importance  Enum8('withdrawn' = 0, 'nice_to_have' = 1, 'important' = 2, 'critical' = 3),
    channel     LowCardinality(String),
    reference   String,
    INDEX by_offset (partition, offset) TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
ORDER BY (team, feature, account, time);

-- Personal data lives here and nowhere else, so that it can be withheld and erased apart from the numbers.
CREATE TABLE IF NOT EXISTS request_texts
(
    partition   Int32,
    offset      Int64 CODEC(Delta, ZSTD),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    source      LowCardinality(String),
    id          String,
    time        DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    team        LowCardinality(String),
    feature     LowCardinality(String),
    account     String,
    text        String CODEC(ZSTD),
    requester   String,
    INDEX by_offset (partition, offset) TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
ORDER BY (team, feature, account, time);

CREATE TABLE IF NOT EXISTS usage
(
    partition   Int32,
    offset      Int64 CODEC(Delta, ZSTD),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    source      LowCardinality(String),
    id          String,
    time        DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    team        LowCardinality(String),
    feature     LowCardinality(String),
    account     String,
    operation   LowCardinality(String),
    count       UInt64,
    duration_us Nullable(UInt64),
    outcome     Enum8('' = 0, 'ok' = 1, 'error' = 2, 'denied' = 3),
    INDEX by_offset (partition, offset) TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
ORDER BY (team, feature, account, time);

CREATE TABLE IF NOT EXISTS needs
(
    partition   Int32,
    offset      Int64 CODEC(Delta, ZSTD),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    source      LowCardinality(String),
    id          String,
    time        DateTime64(6, 'UTC') CODEC(Delta, ZSTD),
    team        LowCardinality(String),
    feature     LowCardinality(String),
    account     String,
    signal      LowCardinality(String),
    count       UInt64,
    INDEX by_offset (partition, offset) TYPE minmax GRANULARITY 4
)
ENGINE = MergeTree
ORDER BY (team, feature, account, time);

-- Records that break their schema or the rules, whole: they block nothing and can be replayed after a fix.
CREATE TABLE IF NOT EXISTS dead_letters
(
    topic       LowCardinality(String),
    partition   Int32,
    offset      Int64 CODEC(Delta, ZSTD),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    reason      LowCardinality(String),
    pointer     String,
    detail      String,
    type        String,
    key         Nullable(String),
    headers     Array(Tuple(String, Nullable(String))) COMMENT 'name and value',
    payload     Nullable(String) CODEC(ZSTD)
)
ENGINE = MergeTree
ORDER BY (topic, partition, offset);
