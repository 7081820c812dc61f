//! The golden case: 90 standard and 10 enterprise accounts, whose numbers were computed by hand and by another program.

use domain::{
    catalog::{AccountDefinition, Importance, Tier},
    event::Body,
    history::{Logged, facts_at},
    margins::Margin,
    ranking::{Confidence, Ranked, rank},
    reading::Reading,
    sensitivity::{End, sensitivity},
};

use crate::support::{account, days_ago, feature, logged, now, team};

#[test]
fn the_golden_case_comes_out_to_nine_digits() {
    let ranking = rank(&facts_at(&golden(), &team(), now()), None);
    assert_eq!(ranking.confidence, Confidence::Ok);
    let population = &ranking.population;
    assert_eq!((population.accounts, population.used), (100, 100));
    assert_close("weight", population.weight, 120.0);
    assert_close("effective", population.effective, 80.0);

    let [indexes, regions] = &ranking.items[..] else { panic!("{:?}", ranking.items) };
    assert_eq!((indexes.feature.as_str(), indexes.rank), ("secondary-indexes", 1));
    assert_numbers(
        indexes,
        10.550_737_791_2,
        [0.104_166_666_7, 0.054_446_615_4, 0.190_159_403_8],
        [0.266_666_666_7, 0.182_098_521_7, 0.372_616_605_4],
    );
    assert_eq!((indexes.demand.accounts, indexes.demand.requests, indexes.need.accounts), (15, 15, 24));

    assert_eq!((regions.feature.as_str(), regions.rank), ("multi-region", 2));
    assert_numbers(
        regions,
        9.397_560_885_1,
        [0.163_149_552_6, 0.097_999_078_0, 0.259_167_742_0],
        [0.15, 0.087_940_405_1, 0.244_132_285_6],
    );
    assert_eq!((regions.demand.accounts, regions.demand.requests, regions.need.accounts), (10, 10, 6));
    // One enterprise account that asks in full, 30 days ago, and needs it.
    let largest = 3.0 * (0.6 * (-1.0_f64 / 3.0).exp2() + 0.4);
    let total = 0.6 * 120.0 * regions.demand.share + 0.4 * 120.0 * regions.need.share;
    assert_close("top account", regions.top_account_share.expect("evidence"), largest / total);
    assert!(ranking.iterate.is_empty());

    // The contributions as published, to seven digits.
    assert!((indexes.demand_contribution - 3.266_796_9).abs() < 5e-8, "{indexes:?}");
    assert!((indexes.need_contribution - 7.283_940_9).abs() < 5e-8, "{indexes:?}");
    // At 100 accounts the two cannot be told apart.
    let margin = |surely_above_next| Margin { rank_low: 1, rank_high: 2, tie_group: 1, surely_above_next };
    assert_eq!((indexes.margin, regions.margin), (margin(Some(false)), margin(None)));
    assert_eq!(indexes.reading, Some(Reading::NeededNotAsked));
    assert_eq!(regions.reading, Some(Reading::AskedNotNeeded));

    // Need alone says secondary indexes, demand alone multi-region; they change places where the scores cross.
    let sensitivity = sensitivity(&ranking).expect("a first place");
    assert_eq!(sensitivity.first, indexes.feature);
    assert_eq!(sensitivity.low, End { demand_weight: 0.0, included: true, successor: None });
    let (asked, needed) = (0.097_999_078_0 - 0.054_446_615_4, 0.182_098_521_7 - 0.087_940_405_1);
    assert_close("crossing", sensitivity.high.demand_weight, needed / (needed + asked));
    assert_eq!((sensitivity.high.included, &sensitivity.high.successor), (false, &Some(regions.feature.clone())));
}

fn assert_numbers(item: &Ranked, score: f64, demand: [f64; 3], need: [f64; 3]) {
    assert_close("score", item.score, score);
    assert_close("contributions", item.demand_contribution + item.need_contribution, score);
    for (name, found, expected) in [
        ("D", item.demand.share, demand[0]),
        ("D low", item.demand.low, demand[1]),
        ("D high", item.demand.high, demand[2]),
        ("U", item.need.share, need[0]),
        ("U low", item.need.low, need[1]),
        ("U high", item.need.high, need[2]),
    ] {
        assert_close(name, found, expected);
    }
}

/// The published numbers have ten digits after the point.
fn assert_close(name: &str, found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{name}: {found}, expected {expected}");
}

fn light(at: usize) -> String {
    format!("light-{at:02}")
}

fn heavy(at: usize) -> String {
    format!("heavy-{at}")
}

fn golden() -> Vec<Logged> {
    let mut log = Vec::new();
    let mut say = |days: i64, body: Body| log.push(logged(&format!("e-{}", log.len()), days_ago(days), body));

    for at in 0..10 {
        let definition = AccountDefinition { account: account(&heavy(at)), tier: Tier::Enterprise, segments: vec![] };
        say(100, Body::AccountDefined(definition));
    }
    for name in (0..90).map(light).chain((0..10).map(heavy)) {
        say(
            1,
            Body::UsageObserved {
                team: team(),
                feature: feature("tables"),
                account: account(&name),
                operation: "query".into(),
                count: 1,
                duration_us: None,
                outcome: None,
            },
        );
    }
    let stated = |name: String, wanted: &str, importance| Body::RequestStated {
        team: team(),
        feature: feature(wanted),
        account: account(&name),
        importance,
        channel: None,
        text: None,
        requester: None,
        reference: None,
    };
    let needed = |name: String, missing: &str| Body::NeedSignaled {
        team: team(),
        feature: feature(missing),
        account: account(&name),
        signal: "pain".into(),
        count: 1,
    };
    for at in 0..12 {
        say(0, stated(light(at), "secondary-indexes", Importance::Important));
    }
    for at in 0..3 {
        say(90, stated(heavy(at), "secondary-indexes", Importance::Critical));
    }
    for name in (0..20).map(light).chain((0..4).map(heavy)) {
        say(2, needed(name, "secondary-indexes"));
    }
    for at in 0..2 {
        say(30, stated(light(at), "multi-region", Importance::NiceToHave));
    }
    for at in 0..8 {
        say(30, stated(heavy(at), "multi-region", Importance::Critical));
    }
    for at in 0..6 {
        say(2, needed(heavy(at), "multi-region"));
    }
    log
}
