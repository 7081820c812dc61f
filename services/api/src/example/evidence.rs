//! What put secondary indexes in their place.

use wire::{
    evidence::{
        Durations, Evidence, Experience, Judged, Listed, Numbers, Operation, Said, SegmentCell, Signal, TierCell,
    },
    history::{History, Place, Point, Shown},
    ranking::Ranking,
    share::Share,
};

/// The evidence.
pub(crate) fn evidence() -> Evidence {
    let Ranking { team, as_of, data_through, formula, snapshot, confidence, parameters, population, items, .. } =
        super::ranking();
    let item = items.into_iter().next();
    let numbers = item.as_ref().map(|item| Numbers {
        population: population.clone(),
        score: item.score,
        contributions: item.contributions.clone(),
        demand: item.demand.clone(),
        need: item.need.clone(),
    });
    let judged = || Judged { worse: Share { count: 10, of: 80, share: 0.125, low: 0.069, high: 0.215 }, too_few: 20 };
    Evidence {
        team,
        feature: "secondary-indexes".into(),
        merged: vec!["secondary-indexes".into(), "query-by-attribute".into()],
        as_of,
        data_through,
        formula,
        snapshot,
        confidence,
        parameters,
        population,
        listed: Some(Listed::Items),
        item,
        segments: vec![
            SegmentCell { segment: "retail".into(), own: true, numbers: numbers.clone() },
            SegmentCell { segment: "gaming".into(), own: false, numbers: None },
        ],
        tiers: vec![
            TierCell { tier: "standard".into(), numbers: numbers.clone() },
            TierCell { tier: "growth".into(), numbers: None },
            TierCell { tier: "enterprise".into(), numbers },
        ],
        signals: vec![Signal {
            signal: "full_scan".into(),
            count: Some(4_120),
            accounts: Some(24),
            latest: Some("2026-11-21T17:58:03Z".into()),
        }],
        experience: Experience {
            bound_us: 1_000_000,
            observations_min: 100,
            accounts: Some(judged()),
            operations: vec![Operation {
                operation: "scan".into(),
                durations: Some(Durations {
                    observations: 40_000,
                    p50_us: 21_000,
                    p99_us: 740_000,
                    p999_us: 2_300_000,
                    accounts: judged(),
                }),
            }],
        },
        latest_requests: vec![Said {
            time: "2026-11-21T16:20:00Z".into(),
            feature: "secondary-indexes".into(),
            importance: Some("important".into()),
            channel: Some("support".into()),
            words: None,
        }],
    }
}

/// Its history.
pub(crate) fn history() -> History {
    let shown = |share, low, high, accounts| Shown { share, low, high, accounts };
    History {
        team: "dynamodb".into(),
        feature: "secondary-indexes".into(),
        from: "2026-11-20T18:00:00Z".into(),
        to: "2026-11-21T18:00:00Z".into(),
        step_s: 86_400,
        points: vec![Point {
            as_of: "2026-11-21T18:00:00Z".into(),
            snapshot: "20261121T180000Z-3f1f0c0a9d11".into(),
            accounts: 100,
            place: Some(Place {
                launched: false,
                rank: 1,
                rank_low: Some(1),
                rank_high: Some(2),
                score: 10.5507377912,
                demand: shown(0.1041666667, 0.0544466154, 0.1901594038, 15),
                need: shown(0.2666666667, 0.1820985217, 0.3726166054, 24),
                measured: true,
            }),
        }],
    }
}
