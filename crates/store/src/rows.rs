//! The rows that ClickHouse answers with, and what they mean.

use anyhow::{Context as _, bail};
use clickhouse::Row;
use domain::{
    catalog::{CatalogEvent, Definition, Door, FeatureDefinition, Parameters, Status, TeamDefinition, Tier},
    ids::{FeatureId, TeamId},
    time::Timestamp,
};
use serde::Deserialize;

#[derive(Row, Deserialize)]
pub(crate) struct TeamRow {
    /// The team that it is of.
    pub(crate) of: String,
    pub(crate) time: i64,
    pub(crate) source: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) segments: Vec<String>,
    pub(crate) activity_window_days: f64,
    pub(crate) half_life_days: f64,
    pub(crate) need_window_days: f64,
    pub(crate) need_min_count: u64,
    pub(crate) demand_weight: f64,
    pub(crate) need_weight: f64,
}

impl TeamRow {
    pub(crate) fn into_event(self, team: &TeamId) -> CatalogEvent {
        CatalogEvent {
            time: Timestamp(self.time),
            source: self.source,
            id: self.id,
            definition: Definition::Team(TeamDefinition {
                team: team.clone(),
                name: self.name.into(),
                segments: self.segments.into_iter().map(Into::into).collect(),
                parameters: Parameters {
                    activity_window_days: self.activity_window_days,
                    half_life_days: self.half_life_days,
                    need_window_days: self.need_window_days,
                    need_min_count: self.need_min_count,
                    demand_weight: self.demand_weight,
                    need_weight: self.need_weight,
                },
            }),
        }
    }
}

#[derive(Row, Deserialize)]
pub(crate) struct FeatureRow {
    /// The team that it is of.
    pub(crate) of: String,
    pub(crate) time: i64,
    pub(crate) source: String,
    pub(crate) id: String,
    pub(crate) feature: String,
    pub(crate) title: String,
    pub(crate) status: i8,
    pub(crate) merged_into: String,
    pub(crate) effort_months: Option<f64>,
    pub(crate) door: i8,
}

impl FeatureRow {
    pub(crate) fn into_event(self, team: &TeamId) -> anyhow::Result<CatalogEvent> {
        let merged_into =
            (!self.merged_into.is_empty()).then(|| parse(&self.merged_into, FeatureId::parse)).transpose()?;
        Ok(CatalogEvent {
            time: Timestamp(self.time),
            source: self.source,
            id: self.id,
            definition: Definition::Feature(FeatureDefinition {
                team: team.clone(),
                feature: parse(&self.feature, FeatureId::parse)?,
                title: self.title.into(),
                status: status(self.status)?,
                merged_into,
                effort_months: self.effort_months,
                door: door(self.door)?,
            }),
        })
    }
}

#[derive(Row, Deserialize)]
pub(crate) struct AccountRow {
    pub(crate) account: String,
    pub(crate) tier: i8,
    pub(crate) segments: Vec<String>,
    pub(crate) active: bool,
    pub(crate) used: bool,
    pub(crate) ever_used: bool,
}

#[derive(Row, Deserialize)]
pub(crate) struct StatementRow {
    pub(crate) account: String,
    pub(crate) feature: String,
    pub(crate) time: i64,
    pub(crate) importance: i8,
    pub(crate) source: String,
    pub(crate) id: String,
    pub(crate) requests: u64,
}

// The values of the tables' enums.

/// 0 where the join found no definition.
pub(crate) fn tier(value: i8) -> anyhow::Result<Tier> {
    match value {
        0 | 1 => Ok(Tier::Standard),
        2 => Ok(Tier::Growth),
        3 => Ok(Tier::Enterprise),
        _ => bail!("stored tier {value} is unknown"),
    }
}

pub(crate) fn status(value: i8) -> anyhow::Result<Status> {
    match value {
        1 => Ok(Status::Proposed),
        2 => Ok(Status::Planned),
        3 => Ok(Status::Building),
        4 => Ok(Status::Launched),
        5 => Ok(Status::Retired),
        _ => bail!("stored status {value} is unknown"),
    }
}

pub(crate) fn door(value: i8) -> anyhow::Result<Option<Door>> {
    match value {
        0 => Ok(None),
        1 => Ok(Some(Door::OneWay)),
        2 => Ok(Some(Door::TwoWay)),
        _ => bail!("stored door {value} is unknown"),
    }
}

/// What is stored was valid when ingest took it.
pub(crate) fn parse<T, E>(text: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> anyhow::Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    parse(text).with_context(|| format!("stored id {text:?}"))
}
