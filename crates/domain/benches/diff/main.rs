//! What a diff costs for a team of 100,000 accounts with three statements and five need signals each, over 28 features:
//! `cargo bench -p domain --bench diff`.

use divan::Bencher;
use domain::{
    assumptions::Assumptions,
    catalog::{Catalog, CatalogEvent, Definition, FeatureDefinition, Importance, Parameters, Status, Tier},
    diff::{AccountAt, Comparison, Ends, FeatureAt, NeedAt, Said, StatementAt, TeamAt, diff},
    ids::{FeatureId, TeamId},
    time::{MICROS_PER_DAY, Timestamp},
};

const ACCOUNTS: u32 = 100_000;
const FEATURES: u32 = 28;

fn main() {
    divan::main();
}

/// Only what happened is different.
#[divan::bench(sample_count = 10)]
fn a_week(bencher: Bencher) {
    let comparison = comparison(false);
    bencher.bench_local(|| diff(&comparison));
}

/// The parameters and the merges are others too: no two states have a sum in common.
#[divan::bench(sample_count = 10)]
fn a_week_with_every_switch(bencher: Bencher) {
    let comparison = comparison(true);
    bencher.bench_local(|| diff(&comparison));
}

fn comparison(everything: bool) -> Comparison {
    let to = Timestamp(20_000 * MICROS_PER_DAY);
    let from = Timestamp(to.0 - 7 * MICROS_PER_DAY);
    let mut draw = Draw(1);
    let mut said = |until: Timestamp| Said {
        time: Timestamp(until.0 - i64::from(draw.below(100)) * MICROS_PER_DAY),
        importance: Importance::from_level(draw.below(4) as u8),
    };
    let statements = pairs(3)
        .map(|(account, feature)| {
            let before = said(from);
            let after = if feature % 4 == 0 { said(to).max(before) } else { before };
            StatementAt { account, feature, said: Ends { from: Some(before), to: Some(after) } }
        })
        .collect();
    let needs = pairs(5)
        .map(|(account, feature)| {
            let count = |until: u32| u64::from((account + feature + until) % 3);
            let windows = |until| Ends { from: count(until), to: count(until + 1) };
            NeedAt { account, feature, count: Ends { from: windows(0), to: windows(1) } }
        })
        .collect();
    let accounts = (0..ACCOUNTS).map(|account| {
        let active = |until: u32| !(account + until).is_multiple_of(10);
        let windows = |until| Ends { from: active(until), to: active(until + everything as u32) };
        let tier = [Tier::Standard, Tier::Growth, Tier::Enterprise][account as usize % 3];
        AccountAt { tier: Ends { from: tier, to: tier }, active: Ends { from: windows(0), to: windows(1) } }
    });
    let team = |as_of, merged: bool, half_life_days| TeamAt {
        as_of,
        catalog: catalog(as_of, merged),
        assumptions: Assumptions::of(Parameters { half_life_days, ..Parameters::default() }),
    };
    Comparison {
        team: Ends { from: team(from, false, 90.0), to: team(to, everything, if everything { 60.0 } else { 90.0 }) },
        accounts: accounts.collect(),
        features: (0..FEATURES)
            .map(|at| FeatureAt { feature: feature(at), known: Ends { from: true, to: true } })
            .collect(),
        statements,
        needs,
    }
}

/// Every account with so many different features.
fn pairs(each: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..ACCOUNTS).flat_map(move |account| (0..each).map(move |at| (account, (account * 7 + at * 5) % FEATURES)))
}

fn feature(at: u32) -> FeatureId {
    FeatureId::parse(&format!("feature-{at:02}")).expect("an id")
}

fn catalog(as_of: Timestamp, merged: bool) -> Catalog {
    let team = TeamId::parse("dynamodb").expect("an id");
    let events = (0..FEATURES).map(|at| CatalogEvent {
        time: Timestamp(0),
        source: "//bench".to_owned(),
        id: at.to_string(),
        definition: Definition::Feature(FeatureDefinition {
            team: team.clone(),
            feature: feature(at),
            title: "A feature".into(),
            status: Status::Proposed,
            merged_into: (merged && at == 1).then(|| feature(0)),
            effort_months: None,
            door: None,
        }),
    });
    Catalog::from_events(&team, as_of, events)
}

/// The same numbers everywhere: Knuth's MMIX generator.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(limit)) as u32
    }
}
