//! What a program would declare that leaves reading and writing to a derive: structs that own what they hold.

use domain::catalog::{Door, Importance, Outcome, Status, Tier};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
pub(crate) struct Whole<Data> {
    specversion: String,
    id: String,
    source: String,
    r#type: String,
    time: String,
    data: Data,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Usage {
    team: String,
    feature: String,
    account: String,
    operation: String,
    count: u64,
    duration_us: Option<u64>,
    outcome: Option<Outcome>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Need {
    team: String,
    feature: String,
    account: String,
    signal: String,
    count: u64,
}

#[derive(Deserialize, Serialize)]
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

#[derive(Deserialize, Serialize)]
pub(crate) struct Withdrawn {
    team: String,
    feature: String,
    account: String,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Team {
    team: String,
    name: String,
    #[serde(default)]
    segments: Vec<String>,
    parameters: Option<Parameters>,
}

#[derive(Deserialize, Serialize)]
struct Parameters {
    activity_window_days: Option<f64>,
    half_life_days: Option<f64>,
    need_window_days: Option<f64>,
    need_min_count: Option<u64>,
    demand_weight: Option<f64>,
    need_weight: Option<f64>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Feature {
    team: String,
    feature: String,
    title: String,
    status: Status,
    merged_into: Option<String>,
    effort_months: Option<f64>,
    door: Option<Door>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Account {
    account: String,
    tier: Tier,
    #[serde(default)]
    segments: Vec<String>,
}
