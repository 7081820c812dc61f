-- What ingest needs to write every event once: tables for repeats and days, memory of its inserts, and ways to look.
--
-- Stop ingest, migrate, start ingest: an older one that writes usage meanwhile does not write its days. If it did, run the
-- INSERT INTO usage_days below once more; it may be run at any time.

-- Valid records that say again what a record before them in their partition said. They count nowhere; they are kept because
-- every offset is accounted for, and because whoever takes a partition over must know them: a repeat may be repeated.
CREATE TABLE IF NOT EXISTS repeats
(
    topic       LowCardinality(String),
    partition   Int32,
    offset      Int64 CODEC(Delta, ZSTD),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    source      LowCardinality(String),
    id          String
)
ENGINE = MergeTree
ORDER BY (topic, partition, offset);

-- When each account used each feature first and last on each day (UTC). A row says no more than some usage row does, and the
-- smallest and largest survive, so rows may be written any number of times: ingest writes them before the usage rows that
-- they come from, and whoever finds a usage row finds its day.
CREATE TABLE IF NOT EXISTS usage_days
(
    team    LowCardinality(String),
    feature LowCardinality(String),
    account String,
    day     Date32,
    first   SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    last    SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (team, feature, account, day);

INSERT INTO usage_days
SELECT team, feature, account, toDate32(time) AS day, min(time), max(time)
FROM usage
GROUP BY team, feature, account, day
SETTINGS optimize_aggregation_in_order = 1;

-- Need signals add up, so their days cannot be written twice: a projection is part of the rows' own part, there with them or
-- not at all.
ALTER TABLE needs ADD PROJECTION IF NOT EXISTS by_day
(
    SELECT team, feature, account, signal, toDate32(time), sum(count), count(), min(time), max(time)
    GROUP BY team, feature, account, signal, toDate32(time)
);
ALTER TABLE needs MATERIALIZE PROJECTION IF EXISTS by_day;

-- Requests and definitions count once for ever: ingest asks for each whether it was said before its memory begins.
ALTER TABLE requests ADD PROJECTION IF NOT EXISTS by_id (SELECT partition, offset, source, id ORDER BY id);
ALTER TABLE requests MATERIALIZE PROJECTION IF EXISTS by_id;
ALTER TABLE teams ADD PROJECTION IF NOT EXISTS by_id (SELECT partition, offset, source, id ORDER BY id);
ALTER TABLE teams MATERIALIZE PROJECTION IF EXISTS by_id;
ALTER TABLE features ADD PROJECTION IF NOT EXISTS by_id (SELECT partition, offset, source, id ORDER BY id);
ALTER TABLE features MATERIALIZE PROJECTION IF EXISTS by_id;
ALTER TABLE accounts ADD PROJECTION IF NOT EXISTS by_id (SELECT partition, offset, source, id ORDER BY id);
ALTER TABLE accounts MATERIALIZE PROJECTION IF EXISTS by_id;

-- Looking before inserting again asks for ranges of offsets, in the catalog too.
ALTER TABLE teams ADD INDEX IF NOT EXISTS by_offset (partition, offset) TYPE minmax GRANULARITY 4;
ALTER TABLE teams MATERIALIZE INDEX IF EXISTS by_offset;
ALTER TABLE features ADD INDEX IF NOT EXISTS by_offset (partition, offset) TYPE minmax GRANULARITY 4;
ALTER TABLE features MATERIALIZE INDEX IF EXISTS by_offset;
ALTER TABLE accounts ADD INDEX IF NOT EXISTS by_offset (partition, offset) TYPE minmax GRANULARITY 4;
ALTER TABLE accounts MATERIALIZE INDEX IF EXISTS by_offset;

-- So many inserts' tokens does each table remember, all writers together: almost three hours of ten inserts a second. An insert
-- that was delayed for longer than it takes to make so many is written twice. A full window takes 23 MB of memory, and half a
-- second when the server starts; ten times as many would take ten times as much. `usage_days` needs none.
ALTER TABLE requests MODIFY SETTING non_replicated_deduplication_window = 100000;
ALTER TABLE request_texts MODIFY SETTING non_replicated_deduplication_window = 100000;
ALTER TABLE usage MODIFY SETTING non_replicated_deduplication_window = 100000;
ALTER TABLE needs MODIFY SETTING non_replicated_deduplication_window = 100000;
ALTER TABLE teams MODIFY SETTING non_replicated_deduplication_window = 100000;
ALTER TABLE features MODIFY SETTING non_replicated_deduplication_window = 100000;
ALTER TABLE accounts MODIFY SETTING non_replicated_deduplication_window = 100000;
ALTER TABLE dead_letters MODIFY SETTING non_replicated_deduplication_window = 100000;
ALTER TABLE repeats MODIFY SETTING non_replicated_deduplication_window = 100000;
