//! The examples that the OpenAPI document shows: the founding story.

mod answers;
mod dead_letters;
mod evidence;

pub(crate) use answers::{diff, outcome, portfolio};
pub(crate) use dead_letters::dead_letters;
pub(crate) use evidence::{evidence, history};

use wire::ranking::{
    Confidence, Contributions, Demand, Item, Need, Outside, Parameters, Population, Ranking, Reading, Sensitivity,
    Status, TierWeights,
};

/// The ranking of a team whose customers ask for one thing and need another.
pub(crate) fn ranking() -> Ranking {
    Ranking {
        team: "dynamodb".into(),
        segment: None,
        as_of: "2026-11-21T18:00:00Z".into(),
        data_through: "2026-11-21T17:59:59.482113Z".into(),
        formula: "v1".into(),
        snapshot: Some("20261121T180000Z-3f1f0c0a9d11".into()),
        before_first_event: false,
        confidence: Confidence::Ok,
        parameters: Parameters {
            activity_window_days: 90.0,
            half_life_days: 90.0,
            need_window_days: 30.0,
            need_min_count: 1,
            demand_weight: 0.6,
            need_weight: 0.4,
            confidence: 0.95,
        },
        tier_weights: TierWeights::default(),
        population: Population { accounts: 100, used: 100, weight: 120.0, effective: 80.0 },
        items: vec![secondary_indexes(), multi_region()],
        iterate: Vec::new(),
        sensitivity: Some(Sensitivity {
            first: "secondary-indexes".into(),
            demand_weight_low: 0.0,
            first_below: None,
            demand_weight_high: 0.683739166,
            first_above: Some("multi-region".into()),
        }),
        merge_cycles: Vec::new(),
        next_cursor: None,
    }
}

fn secondary_indexes() -> Item {
    Item {
        rank: 1,
        rank_low: Some(1),
        rank_high: Some(2),
        tie_group: Some(1),
        surely_above_next: Some(false),
        feature: "secondary-indexes".into(),
        title: "Secondary indexes".into(),
        status: Some(Status::Proposed),
        door: None,
        door_decision: None,
        effort_months: None,
        score_per_effort: None,
        score: 10.5507377912,
        contributions: Contributions { demand: 3.266796924, need: 7.283940868 },
        demand: Demand {
            share: 0.1041666667,
            low: 0.0544466154,
            high: 0.1901594038,
            accounts: 15,
            requests: 17,
            outside: Outside { lapsed: 0, never_used: 0 },
        },
        need: Need { share: 0.2666666667, low: 0.1820985217, high: 0.3726166054, accounts: 24, measured: true },
        reading: Some(Reading::NeededNotAsked),
        top_account_share: Some(0.09),
        rank_change_7d: Some(1),
    }
}

fn multi_region() -> Item {
    Item {
        rank: 2,
        feature: "multi-region".into(),
        title: "Multi-region tables".into(),
        score: 9.3975608851,
        contributions: Contributions { demand: 5.87994468, need: 3.517616204 },
        demand: Demand {
            share: 0.1631495526,
            low: 0.0979990780,
            high: 0.2591677420,
            accounts: 10,
            requests: 11,
            outside: Outside { lapsed: 1, never_used: 2 },
        },
        need: Need { share: 0.15, low: 0.0879404051, high: 0.2441322856, accounts: 6, measured: true },
        surely_above_next: None,
        reading: Some(Reading::AskedNotNeeded),
        rank_change_7d: Some(-1),
        ..secondary_indexes()
    }
}
