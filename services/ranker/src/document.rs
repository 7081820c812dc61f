//! From a computed ranking to the document that is published, and to the columns that dashboards draw.

use std::collections::BTreeMap;

use domain::{
    catalog::Status,
    ids::{FeatureId, TeamId},
    ranking::{Confidence, Ranked, Ranking},
    reading::Reading,
    score::CONFIDENCE,
    sensitivity::sensitivity,
    time::Timestamp,
};
use sha2::{Digest as _, Sha256};

/// Name of the formula that `domain` computes.
const FORMULA: &str = "v1";

/// The document of `now`. `before` is the ranking of seven days earlier, for the change of rank.
///
/// The snapshot's id is the instant and the beginning of a hash of the content: it sorts by time, and the same content
/// has the same id.
///
/// # Errors
/// When the document cannot be serialized.
pub(crate) fn document(
    team: &TeamId,
    as_of: Timestamp,
    data_through: Timestamp,
    now: &Ranking,
    before: &Ranking,
) -> serde_json::Result<wire::ranking::Ranking> {
    let mut document = wire::ranking::Ranking {
        team: team.to_string(),
        segment: None,
        as_of: as_of.to_rfc3339(),
        data_through: data_through.to_rfc3339(),
        formula: FORMULA.to_owned(),
        snapshot: String::new(),
        confidence: match now.confidence {
            Confidence::Ok => wire::ranking::Confidence::Ok,
            Confidence::Insufficient => wire::ranking::Confidence::Insufficient,
        },
        parameters: wire::ranking::Parameters {
            activity_window_days: now.parameters.activity_window_days,
            half_life_days: now.parameters.half_life_days,
            need_window_days: now.parameters.need_window_days,
            need_min_count: now.parameters.need_min_count,
            demand_weight: now.parameters.demand_weight,
            need_weight: now.parameters.need_weight,
            confidence: CONFIDENCE,
        },
        population: wire::ranking::Population {
            accounts: now.population.accounts,
            used: now.population.used,
            weight: now.population.weight,
            effective: now.population.effective,
        },
        items: items(&now.items, &before.items),
        iterate: items(&now.iterate, &before.iterate),
        sensitivity: sensitivity(now).map(|found| wire::ranking::Sensitivity {
            first: found.first.to_string(),
            demand_weight_low: found.low.demand_weight,
            first_below: found.low.successor.map(|feature| feature.to_string()),
            demand_weight_high: found.high.demand_weight,
            first_above: found.high.successor.map(|feature| feature.to_string()),
        }),
        next_cursor: None,
    };
    document.snapshot = snapshot(as_of, &serde_json::to_vec(&document)?);
    Ok(document)
}

fn items(now: &[Ranked], before: &[Ranked]) -> Vec<wire::ranking::Item> {
    let ranks_before: BTreeMap<&FeatureId, u32> = before.iter().map(|item| (&item.feature, item.rank)).collect();
    now.iter()
        .map(|ranked| {
            let change = ranks_before.get(&ranked.feature).map(|before| i64::from(*before) - i64::from(ranked.rank));
            item(ranked, change)
        })
        .collect()
}

fn item(ranked: &Ranked, rank_change_7d: Option<i64>) -> wire::ranking::Item {
    wire::ranking::Item {
        rank: ranked.rank,
        rank_low: Some(ranked.margin.rank_low),
        rank_high: Some(ranked.margin.rank_high),
        tie_group: Some(ranked.margin.tie_group),
        surely_above_next: ranked.margin.surely_above_next,
        feature: ranked.feature.to_string(),
        title: ranked.title.clone(),
        status: ranked.status.map(status),
        door: ranked.door.map(|door| door.as_str().to_owned()),
        door_decision: ranked.undecided.then_some(wire::ranking::DoorDecision::Undecided),
        effort_months: ranked.effort_months,
        score_per_effort: ranked.score_per_effort,
        score: ranked.score,
        contributions: wire::ranking::Contributions {
            demand: ranked.demand_contribution,
            need: ranked.need_contribution,
        },
        demand: wire::ranking::Demand {
            share: ranked.demand.share,
            low: ranked.demand.low,
            high: ranked.demand.high,
            accounts: ranked.demand.accounts,
            requests: ranked.demand.requests,
            outside: wire::ranking::Outside { lapsed: ranked.demand.lapsed, never_used: ranked.demand.never_used },
        },
        need: wire::ranking::Need {
            share: ranked.need.share,
            low: ranked.need.low,
            high: ranked.need.high,
            accounts: ranked.need.accounts,
            measured: ranked.need.measured,
        },
        reading: ranked.reading.map(reading),
        top_account_share: ranked.top_account_share,
        rank_change_7d,
    }
}

fn reading(reading: Reading) -> wire::ranking::Reading {
    match reading {
        Reading::AskedAndNeeded => wire::ranking::Reading::AskedAndNeeded,
        Reading::AskedNotNeeded => wire::ranking::Reading::AskedNotNeeded,
        Reading::AskedUnmeasured => wire::ranking::Reading::AskedUnmeasured,
        Reading::NeededNotAsked => wire::ranking::Reading::NeededNotAsked,
        Reading::Quiet => wire::ranking::Reading::Quiet,
    }
}

fn status(status: Status) -> wire::ranking::Status {
    match status {
        Status::Proposed => wire::ranking::Status::Proposed,
        Status::Planned => wire::ranking::Status::Planned,
        Status::Building => wire::ranking::Status::Building,
        Status::Launched => wire::ranking::Status::Launched,
        Status::Retired => wire::ranking::Status::Retired,
    }
}

/// Such as `20261121T184500Z-1f2e3d4c5b6a`.
fn snapshot(as_of: Timestamp, content: &[u8]) -> String {
    let instant: String = as_of.to_rfc3339().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let hash: String = Sha256::digest(content).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{instant}-{hash}")
}
