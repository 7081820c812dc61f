//! From what `domain` computes to the ranking document.

use std::collections::BTreeMap;

use domain::{
    assumptions::Assumptions,
    catalog::Status,
    ids::{FeatureId, TeamId},
    ranking::{Confidence, Ranked, Ranking},
    reading::Reading,
    score::CONFIDENCE,
    sensitivity::sensitivity,
    time::Timestamp,
};

use crate::ranking;

/// Name of the formula that `domain` computes.
pub(crate) const FORMULA: &str = "v1";

/// What a computed ranking is of.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The team.
    pub team: &'a TeamId,
    /// The segment that the population is restricted to; none for all accounts.
    pub segment: Option<&'a str>,
    /// The instant T.
    pub as_of: Timestamp,
    /// Every event with a time up to this instant is in the numbers.
    pub data_through: Timestamp,
}

impl ranking::Ranking {
    /// The document of `now`, without a snapshot's id. `before` is the ranking of seven days earlier, for the change of rank.
    #[must_use]
    pub fn computed(scope: &Scope<'_>, assumptions: &Assumptions, now: &Ranking, before: &Ranking) -> Self {
        Self {
            team: scope.team.to_string(),
            segment: scope.segment.map(ToOwned::to_owned),
            as_of: scope.as_of.to_rfc3339(),
            data_through: scope.data_through.to_rfc3339(),
            formula: FORMULA.to_owned(),
            snapshot: None,
            before_first_event: false,
            confidence: confidence(now.confidence),
            parameters: ranking::Parameters {
                activity_window_days: now.parameters.activity_window_days,
                half_life_days: now.parameters.half_life_days,
                need_window_days: now.parameters.need_window_days,
                need_min_count: now.parameters.need_min_count,
                demand_weight: now.parameters.demand_weight,
                need_weight: now.parameters.need_weight,
                confidence: CONFIDENCE,
            },
            tier_weights: ranking::TierWeights {
                standard: assumptions.tier_weights.standard,
                growth: assumptions.tier_weights.growth,
                enterprise: assumptions.tier_weights.enterprise,
            },
            population: ranking::Population::computed(&now.population),
            items: items(&now.items, &before.items),
            iterate: items(&now.iterate, &before.iterate),
            sensitivity: sensitivity(now).map(|found| ranking::Sensitivity {
                first: found.first.to_string(),
                demand_weight_low: found.low.demand_weight,
                first_below: found.low.successor.map(|feature| feature.to_string()),
                demand_weight_high: found.high.demand_weight,
                first_above: found.high.successor.map(|feature| feature.to_string()),
            }),
            merge_cycles: now
                .merge_cycles
                .iter()
                .map(|cycle| cycle.iter().map(ToString::to_string).collect())
                .collect(),
            next_cursor: None,
        }
    }
}

impl ranking::Population {
    /// As it was computed.
    #[must_use]
    pub fn computed(population: &domain::ranking::Population) -> Self {
        Self {
            accounts: population.accounts,
            used: population.used,
            weight: population.weight,
            effective: population.effective,
        }
    }
}

impl ranking::Demand {
    /// As it was computed.
    #[must_use]
    pub fn computed(demand: &domain::ranking::Demand) -> Self {
        Self {
            share: demand.share,
            low: demand.low,
            high: demand.high,
            accounts: demand.accounts,
            requests: demand.requests,
            outside: ranking::Outside { lapsed: demand.lapsed, never_used: demand.never_used },
        }
    }
}

impl ranking::Need {
    /// As it was computed.
    #[must_use]
    pub fn computed(need: &domain::ranking::Need) -> Self {
        Self { share: need.share, low: need.low, high: need.high, accounts: need.accounts, measured: need.measured }
    }
}

pub(crate) fn confidence(confidence: Confidence) -> ranking::Confidence {
    match confidence {
        Confidence::Ok => ranking::Confidence::Ok,
        Confidence::Insufficient => ranking::Confidence::Insufficient,
    }
}

fn items(now: &[Ranked], before: &[Ranked]) -> Vec<ranking::Item> {
    let ranks_before: BTreeMap<&FeatureId, u32> = before.iter().map(|item| (&item.feature, item.rank)).collect();
    now.iter()
        .map(|ranked| {
            let change = ranks_before.get(&ranked.feature).map(|before| i64::from(*before) - i64::from(ranked.rank));
            item(ranked, change)
        })
        .collect()
}

pub(crate) fn item(ranked: &Ranked, rank_change_7d: Option<i64>) -> ranking::Item {
    ranking::Item {
        rank: ranked.rank,
        rank_low: Some(ranked.margin.rank_low),
        rank_high: Some(ranked.margin.rank_high),
        tie_group: Some(ranked.margin.tie_group),
        surely_above_next: ranked.margin.surely_above_next,
        feature: ranked.feature.to_string(),
        title: ranked.title.clone(),
        status: ranked.status.map(status),
        door: ranked.door.map(|door| door.as_str().to_owned()),
        door_decision: ranked.undecided.then_some(ranking::DoorDecision::Undecided),
        effort_months: ranked.effort_months,
        score_per_effort: ranked.score_per_effort,
        score: ranked.score,
        contributions: ranking::Contributions { demand: ranked.demand_contribution, need: ranked.need_contribution },
        demand: ranking::Demand::computed(&ranked.demand),
        need: ranking::Need::computed(&ranked.need),
        reading: ranked.reading.map(reading),
        top_account_share: ranked.top_account_share,
        rank_change_7d,
    }
}

pub(crate) fn reading(reading: Reading) -> ranking::Reading {
    match reading {
        Reading::AskedAndNeeded => ranking::Reading::AskedAndNeeded,
        Reading::AskedNotNeeded => ranking::Reading::AskedNotNeeded,
        Reading::AskedUnmeasured => ranking::Reading::AskedUnmeasured,
        Reading::NeededNotAsked => ranking::Reading::NeededNotAsked,
        Reading::Quiet => ranking::Reading::Quiet,
    }
}

pub(crate) fn status(status: Status) -> ranking::Status {
    match status {
        Status::Proposed => ranking::Status::Proposed,
        Status::Planned => ranking::Status::Planned,
        Status::Building => ranking::Status::Building,
        Status::Launched => ranking::Status::Launched,
        Status::Retired => ranking::Status::Retired,
    }
}
