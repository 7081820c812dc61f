//! What a program would declare that leaves the reading to a derive: structs that own what they hold.

#![expect(dead_code, reason = "filling the members is what is measured")]

use domain::catalog::{Door, Importance, Outcome, Status, Tier};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Whole<Data> {
    specversion: String,
    id: String,
    source: String,
    r#type: String,
    time: String,
    data: Data,
}

#[derive(Deserialize)]
pub(crate) struct Usage {
    team: String,
    feature: String,
    account: String,
    operation: String,
    count: u64,
    duration_us: Option<u64>,
    outcome: Option<Outcome>,
}

#[derive(Deserialize)]
pub(crate) struct Need {
    team: String,
    feature: String,
    account: String,
    signal: String,
    count: u64,
}

#[derive(Deserialize)]
pub(crate) struct Stated {
    team: String,
    feature: String,
    account: String,
    importance: Importance,
    channel: Option<String>,
    text: Option<String>,
    requester: Option<String>,
    r#ref: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Withdrawn {
    team: String,
    feature: String,
    account: String,
}

#[derive(Deserialize)]
pub(crate) struct Team {
    team: String,
    name: String,
    #[serde(default)]
    segments: Vec<String>,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    activity_window_days: Option<f64>,
    half_life_days: Option<f64>,
    need_window_days: Option<f64>,
    need_min_count: Option<u64>,
    demand_weight: Option<f64>,
    need_weight: Option<f64>,
}

#[derive(Deserialize)]
pub(crate) struct Feature {
    team: String,
    feature: String,
    title: String,
    status: Status,
    merged_into: Option<String>,
    effort_months: Option<f64>,
    door: Option<Door>,
}

#[derive(Deserialize)]
pub(crate) struct Account {
    account: String,
    tier: Tier,
    #[serde(default)]
    segments: Vec<String>,
}
