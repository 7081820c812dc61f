-- Rankings group by account. Two hashes of its id, 96 bits together, are numbers of a fixed size: they cost half of what the text
-- costs to read and to group. They are computed when rows are written; who inserts does not name them.
ALTER TABLE requests ADD COLUMN IF NOT EXISTS k1 UInt64 MATERIALIZED cityHash64(account);
ALTER TABLE requests ADD COLUMN IF NOT EXISTS k2 UInt32 MATERIALIZED xxHash32(account);
ALTER TABLE needs ADD COLUMN IF NOT EXISTS k1 UInt64 MATERIALIZED cityHash64(account);
ALTER TABLE needs ADD COLUMN IF NOT EXISTS k2 UInt32 MATERIALIZED xxHash32(account);
ALTER TABLE usage_months ADD COLUMN IF NOT EXISTS k1 UInt64 MATERIALIZED cityHash64(account);
ALTER TABLE usage_months ADD COLUMN IF NOT EXISTS k2 UInt32 MATERIALIZED xxHash32(account);
ALTER TABLE accounts ADD COLUMN IF NOT EXISTS k1 UInt64 MATERIALIZED cityHash64(account);
ALTER TABLE accounts ADD COLUMN IF NOT EXISTS k2 UInt32 MATERIALIZED xxHash32(account);

-- Whether anything is dated ahead is asked with every ranking, and almost never so: the greatest time of a granule says so.
ALTER TABLE requests ADD INDEX IF NOT EXISTS by_time time TYPE minmax GRANULARITY 1;
ALTER TABLE needs ADD INDEX IF NOT EXISTS by_time time TYPE minmax GRANULARITY 1;
ALTER TABLE accounts ADD INDEX IF NOT EXISTS by_time time TYPE minmax GRANULARITY 1;
ALTER TABLE usage_days ADD INDEX IF NOT EXISTS by_first first TYPE minmax GRANULARITY 1;

-- Of what was there before. Until it is through, both are computed when they are read.
ALTER TABLE requests MATERIALIZE COLUMN k1;
ALTER TABLE requests MATERIALIZE COLUMN k2;
ALTER TABLE needs MATERIALIZE COLUMN k1;
ALTER TABLE needs MATERIALIZE COLUMN k2;
ALTER TABLE usage_months MATERIALIZE COLUMN k1;
ALTER TABLE usage_months MATERIALIZE COLUMN k2;
ALTER TABLE accounts MATERIALIZE COLUMN k1;
ALTER TABLE accounts MATERIALIZE COLUMN k2;
ALTER TABLE requests MATERIALIZE INDEX IF EXISTS by_time;
ALTER TABLE needs MATERIALIZE INDEX IF EXISTS by_time;
ALTER TABLE accounts MATERIALIZE INDEX IF EXISTS by_time;
ALTER TABLE usage_days MATERIALIZE INDEX IF EXISTS by_first;
