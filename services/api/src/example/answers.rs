//! What is answered about the ranking of the founding story.

use wire::{
    diff::{Diff, DiffEnd, FeatureDiff, Parts, Ranks, Scores},
    outcome::{Before, BeforeState, Cohort, Foresight, Horizon, Outcome},
    portfolio::{First, Launch, Portfolio, TeamPortfolio, Wanted},
    ranking::{Confidence, Reading, Status},
    share::Share,
};

/// Why secondary indexes came to the first place.
pub(crate) fn diff() -> Diff {
    Diff {
        team: "dynamodb".into(),
        segment: None,
        from: DiffEnd {
            as_of: "2026-11-14T18:00:00Z".into(),
            data_through: "2026-11-14T18:00:00Z".into(),
            accounts: 98,
            listed: 2,
        },
        to: DiffEnd {
            as_of: "2026-11-21T18:00:00Z".into(),
            data_through: "2026-11-21T17:59:59.482113Z".into(),
            accounts: 100,
            listed: 2,
        },
        formula: "v1".into(),
        features: vec![FeatureDiff {
            feature: "secondary-indexes".into(),
            title: "Secondary indexes".into(),
            rank: Ranks { from: Some(2), to: Some(1) },
            score: Scores { from: 8.0, to: 10.5 },
            change: 2.5,
            parts: Parts {
                parameters: 0.0,
                status: 0.0,
                merges: 0.0,
                population: -0.25,
                requests_new: 0.75,
                requests_withdrawn: 0.0,
                fading: -0.125,
                need: 2.125,
            },
        }],
    }
}

/// What became of secondary indexes.
pub(crate) fn outcome() -> Outcome {
    let cohort = |accounts, first, second| Cohort {
        accounts: Some(accounts),
        used: Some(
            [first, second].map(|(count, share, low, high)| Share { count, of: accounts, share, low, high }).into(),
        ),
    };
    Outcome {
        team: "dynamodb".into(),
        feature: "secondary-indexes".into(),
        title: "Secondary indexes".into(),
        as_of: "2027-04-30T00:00:00Z".into(),
        data_through: "2027-04-30T00:00:00Z".into(),
        launched_at: "2027-03-01T00:00:00Z".into(),
        decided_on: "2026-11-30T23:59:59.999999Z".into(),
        before: Before {
            state: BeforeState::Listed,
            rank: Some(1),
            rank_low: Some(1),
            rank_high: Some(2),
            listed: Some(2),
            score: Some(10.5507377912),
        },
        horizons: vec![
            Horizon { days: 14, ends_at: "2027-03-15T00:00:00Z".into(), over: true },
            Horizon { days: 28, ends_at: "2027-03-29T00:00:00Z".into(), over: true },
        ],
        asked: cohort(16, (4, 0.25, 0.102, 0.495), (8, 0.5, 0.28, 0.72)),
        needed: cohort(40, (20, 0.5, 0.352, 0.648), (30, 0.75, 0.598, 0.858)),
        asked_or_needed: cohort(50, (22, 0.44, 0.312, 0.577), (35, 0.7, 0.562, 0.809)),
        asked_or_needed_active: cohort(50, (22, 0.44, 0.312, 0.577), (35, 0.7, 0.562, 0.809)),
        neither: cohort(50, (1, 0.02, 0.004, 0.105), (5, 0.1, 0.043, 0.214)),
        active: cohort(100, (23, 0.23, 0.158, 0.322), (40, 0.4, 0.309, 0.498)),
        foresight: foresight(),
    }
}

/// One launch is too few to judge by.
fn foresight() -> Foresight {
    Foresight { launches: 1, pairs: 0, in_order: 0.0, share: None, chance_low: None, chance_high: None }
}

/// The one team.
pub(crate) fn portfolio() -> Portfolio {
    let all = || Wanted {
        asked: Share { count: 1, of: 1, share: 1.0, low: 0.206, high: 1.0 },
        needed: Share { count: 1, of: 1, share: 1.0, low: 0.206, high: 1.0 },
    };
    Portfolio {
        as_of: "2027-04-30T00:00:00Z".into(),
        data_through: "2027-04-30T00:00:00Z".into(),
        wanted: all(),
        teams: vec![TeamPortfolio {
            team: "dynamodb".into(),
            name: "DynamoDB".into(),
            confidence: Confidence::Ok,
            listed: 1,
            first: vec![First {
                rank: 1,
                rank_low: 1,
                rank_high: 1,
                tie_group: 1,
                feature: "multi-region".into(),
                title: "Multi-region tables".into(),
                status: Some(Status::Proposed),
                score: 9.3975608851,
                asked: 0.1631495526,
                needed: 0.15,
                reading: Some(Reading::AskedAndNeeded),
            }],
            launches: vec![Launch {
                feature: "secondary-indexes".into(),
                title: "Secondary indexes".into(),
                launched_at: "2027-03-01T00:00:00Z".into(),
                decided_on: "2026-11-30T23:59:59.999999Z".into(),
                live: true,
                asked: true,
                needed: true,
            }],
            wanted: all(),
            foresight: foresight(),
        }],
    }
}
