-- The catalog's whole history: what it says is taken as it stood at the instant asked about, so no row replaces another.

CREATE TABLE IF NOT EXISTS teams
(
    partition            Int32,
    offset               Int64,
    received_at          DateTime64(3, 'UTC'),
    source               LowCardinality(String),
    id                   String,
    time                 DateTime64(6, 'UTC'),
    team                 LowCardinality(String),
    name                 String,
    segments             Array(LowCardinality(String)),
    activity_window_days Float64,
    half_life_days       Float64,
    need_window_days     Float64,
    need_min_count       UInt64,
    demand_weight        Float64,
    need_weight          Float64
)
ENGINE = MergeTree
ORDER BY (team, time);

CREATE TABLE IF NOT EXISTS features
(
    partition     Int32,
    offset        Int64,
    received_at   DateTime64(3, 'UTC'),
    source        LowCardinality(String),
    id            String,
    time          DateTime64(6, 'UTC'),
    team          LowCardinality(String),
    feature       LowCardinality(String),
    title         String,
    status        Enum8('proposed' = 1, 'planned' = 2, 'building' = 3, 'launched' = 4, 'retired' = 5),
    merged_into   LowCardinality(String),
    effort_months Nullable(Float64),
    door          Enum8('' = 0, 'one_way' = 1, 'two_way' = 2)
)
ENGINE = MergeTree
ORDER BY (team, feature, time);

CREATE TABLE IF NOT EXISTS accounts
(
    partition   Int32,
    offset      Int64,
    received_at DateTime64(3, 'UTC'),
    source      LowCardinality(String),
    id          String,
    time        DateTime64(6, 'UTC'),
    account     String,
    tier        Enum8('standard' = 1, 'growth' = 2, 'enterprise' = 3),
    segments    Array(LowCardinality(String))
)
ENGINE = MergeTree
ORDER BY (account, time);
