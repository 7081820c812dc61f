-- Published snapshots. The document and the columns that dashboards draw are one row: a snapshot is there whole or not at all.
CREATE TABLE IF NOT EXISTS rankings
(
    team         LowCardinality(String),
    as_of        DateTime64(6, 'UTC'),
    data_through DateTime64(6, 'UTC'),
    snapshot     String,
    accounts     UInt64,
    effective    Float64,
    document     String CODEC(ZSTD),
    items        Nested
    (
        listed              LowCardinality(String),
        rank                UInt32,
        feature             LowCardinality(String),
        title               String,
        score               Float64,
        demand_contribution Float64,
        need_contribution   Float64,
        demand_share        Float64,
        demand_low          Float64,
        demand_high         Float64,
        demand_accounts     UInt64,
        requests            UInt64,
        need_share          Float64,
        need_low            Float64,
        need_high           Float64,
        need_accounts       UInt64
    )
)
ENGINE = MergeTree
ORDER BY (team, as_of);

-- One row an item, for dashboards.
CREATE VIEW IF NOT EXISTS ranking_items AS
SELECT
    team,
    as_of,
    data_through,
    snapshot,
    items.listed AS listed,
    items.rank AS rank,
    items.feature AS feature,
    items.title AS title,
    items.score AS score,
    items.demand_contribution AS demand_contribution,
    items.need_contribution AS need_contribution,
    items.demand_share AS demand_share,
    items.demand_low AS demand_low,
    items.demand_high AS demand_high,
    items.demand_accounts AS demand_accounts,
    items.requests AS requests,
    items.need_share AS need_share,
    items.need_low AS need_low,
    items.need_high AS need_high,
    items.need_accounts AS need_accounts
FROM rankings
ARRAY JOIN items;
