//! A published snapshot as a row of ClickHouse's `rankings`.

use clickhouse::Row;
use domain::time::Timestamp;
use serde::Serialize;
use wire::ranking::{Item, Ranking};

/// A row of `rankings`: the document, and its items column by column.
#[derive(Row, Serialize)]
pub(crate) struct SnapshotRow {
    team: String,
    as_of: i64,
    data_through: i64,
    snapshot: String,
    accounts: u64,
    effective: f64,
    document: String,
    #[serde(rename = "items.listed")]
    listed: Vec<&'static str>,
    #[serde(rename = "items.rank")]
    rank: Vec<u32>,
    #[serde(rename = "items.feature")]
    feature: Vec<String>,
    #[serde(rename = "items.title")]
    title: Vec<String>,
    #[serde(rename = "items.score")]
    score: Vec<f64>,
    #[serde(rename = "items.demand_contribution")]
    demand_contribution: Vec<f64>,
    #[serde(rename = "items.need_contribution")]
    need_contribution: Vec<f64>,
    #[serde(rename = "items.demand_share")]
    demand_share: Vec<f64>,
    #[serde(rename = "items.demand_low")]
    demand_low: Vec<f64>,
    #[serde(rename = "items.demand_high")]
    demand_high: Vec<f64>,
    #[serde(rename = "items.demand_accounts")]
    demand_accounts: Vec<u64>,
    #[serde(rename = "items.requests")]
    requests: Vec<u64>,
    #[serde(rename = "items.need_share")]
    need_share: Vec<f64>,
    #[serde(rename = "items.need_low")]
    need_low: Vec<f64>,
    #[serde(rename = "items.need_high")]
    need_high: Vec<f64>,
    #[serde(rename = "items.need_accounts")]
    need_accounts: Vec<u64>,
}

impl SnapshotRow {
    pub(crate) fn new(
        as_of: Timestamp,
        data_through: Timestamp,
        snapshot: &str,
        ranking: &Ranking,
        document: String,
    ) -> Self {
        let all: Vec<(&'static str, &Item)> = ranking
            .items
            .iter()
            .map(|item| ("items", item))
            .chain(ranking.iterate.iter().map(|item| ("iterate", item)))
            .collect();
        /// One field of every item.
        fn column<T>(all: &[(&'static str, &Item)], field: impl Fn(&Item) -> T) -> Vec<T> {
            all.iter().map(|(_, item)| field(item)).collect()
        }
        Self {
            team: ranking.team.clone(),
            as_of: as_of.0,
            data_through: data_through.0,
            snapshot: snapshot.to_owned(),
            accounts: ranking.population.accounts,
            effective: ranking.population.effective,
            document,
            listed: all.iter().map(|(listed, _)| *listed).collect(),
            rank: column(&all, |item| item.rank),
            feature: column(&all, |item| item.feature.clone()),
            title: column(&all, |item| item.title.clone()),
            score: column(&all, |item| item.score),
            demand_contribution: column(&all, |item| item.contributions.demand),
            need_contribution: column(&all, |item| item.contributions.need),
            demand_share: column(&all, |item| item.demand.share),
            demand_low: column(&all, |item| item.demand.low),
            demand_high: column(&all, |item| item.demand.high),
            demand_accounts: column(&all, |item| item.demand.accounts),
            requests: column(&all, |item| item.demand.requests),
            need_share: column(&all, |item| item.need.share),
            need_low: column(&all, |item| item.need.low),
            need_high: column(&all, |item| item.need.high),
            need_accounts: column(&all, |item| item.need.accounts),
        }
    }
}
