//! Rankings under other assumptions than those in force.

use domain::{
    assumptions::{Assumptions, InvalidWhatIf, WhatIf},
    catalog::{AccountDefinition, Importance, InvalidParameters, Parameters, Tier},
    event::Body,
    history::{Logged, facts_at, facts_under},
    ranking::{Ranking, rank, rank_under},
};

use crate::support::{account, days_ago, feature, logged, now, team};

fn stated(who: &str, what: &str) -> Body {
    Body::RequestStated {
        team: team(),
        feature: feature(what),
        account: account(who),
        importance: Importance::Critical,
        channel: None,
        text: None,
        requester: None,
        reference: None,
    }
}

fn needed(who: &str, what: &str) -> Body {
    Body::NeedSignaled { team: team(), feature: feature(what), account: account(who), signal: "pain".into(), count: 1 }
}

fn tiered(who: &str, tier: Tier) -> Body {
    Body::AccountDefined(AccountDefinition { account: account(who), tier, segments: vec![] })
}

/// A standard, a growth and an enterprise account.
fn log() -> Vec<Logged> {
    [
        (100, tiered("growth", Tier::Growth)),
        (100, tiered("enterprise", Tier::Enterprise)),
        (10, stated("standard", "search")),
        (10, stated("growth", "export")),
        (20, stated("enterprise", "audit")),
        (20, needed("standard", "export")),
    ]
    .into_iter()
    .enumerate()
    .map(|(at, (days, body))| logged(&format!("e-{at}"), days_ago(days), body))
    .collect()
}

/// The ranking under a what-if, from facts with its windows.
fn ranked(what_if: &WhatIf) -> Ranking {
    let assumptions = what_if.apply(&Parameters::default()).expect("a valid what-if");
    rank_under(&facts_under(&log(), &team(), now(), Some(&assumptions.parameters)), None, &assumptions)
}

fn demand(ranking: &Ranking, what: &str) -> f64 {
    ranking.items.iter().find(|item| item.feature == feature(what)).expect("ranked").demand.share
}

fn need(ranking: &Ranking, what: &str) -> f64 {
    ranking.items.iter().find(|item| item.feature == feature(what)).expect("ranked").need.share
}

#[test]
fn nothing_assumed_changes_nothing() {
    assert!(WhatIf::default().is_empty());
    assert_eq!(ranked(&WhatIf::default()), rank(&facts_at(&log(), &team(), now()), None));
    let own = Parameters { half_life_days: 7.0, ..Parameters::default() };
    assert_eq!(WhatIf::default().apply(&own), Ok(Assumptions::of(own)));
}

#[test]
fn tier_weights_weigh_the_accounts() {
    let enterprise_only =
        ranked(&WhatIf { tier_weight_standard: Some(0.0), tier_weight_growth: Some(0.0), ..WhatIf::default() });
    assert_eq!((enterprise_only.population.accounts, enterprise_only.population.weight), (3, 3.0));
    assert_eq!(enterprise_only.population.effective, 1.0);
    assert_eq!(demand(&enterprise_only, "search"), 0.0);
    assert_eq!(enterprise_only.items[0].feature, feature("audit"));

    let equal = ranked(&WhatIf {
        tier_weight_growth: Some(1.0),
        tier_weight_enterprise: Some(1.0),
        half_life_days: Some(20.0),
        ..WhatIf::default()
    });
    assert_eq!(equal.population.weight, 3.0);
    assert!((demand(&equal, "audit") - 0.5 / 3.0).abs() < 1e-12, "one half-life old");
}

#[test]
fn windows_and_weights_are_those_assumed() {
    let present = ranked(&WhatIf::default());
    assert_eq!(present.population.accounts, 3);
    assert!(need(&present, "export") > 0.0);
    let short = WhatIf { activity_window_days: Some(15.0), need_window_days: Some(15.0), ..WhatIf::default() };
    let recent = ranked(&short);
    assert_eq!(recent.population.accounts, 2);
    assert_eq!(need(&recent, "export"), 0.0);
    assert_eq!(recent.parameters.need_window_days, 15.0);

    let need_only = ranked(&WhatIf { need_weight: Some(1.0), ..WhatIf::default() });
    assert_eq!(need_only.parameters.demand_weight, 0.0, "one weight sets its complement");
    assert_eq!(need_only.items[0].feature, feature("export"));
    assert!(need_only.items.iter().all(|item| item.demand_contribution == 0.0));
}

#[test]
fn what_is_out_of_range_or_in_contradiction_is_refused_by_name() {
    let refused = |what_if: WhatIf| -> Vec<&'static str> {
        let problems = what_if.apply(&Parameters::default()).expect_err("it is refused");
        problems.iter().flat_map(InvalidWhatIf::fields).collect()
    };
    let other = WhatIf::default;
    for bad in [0.0, -1.0, 36_501.0, f64::NAN, f64::INFINITY] {
        assert_eq!(refused(WhatIf { half_life_days: Some(bad), ..other() }), ["half_life_days"]);
        assert_eq!(refused(WhatIf { need_window_days: Some(bad), ..other() }), ["need_window_days"]);
        assert_eq!(refused(WhatIf { activity_window_days: Some(bad), ..other() }), ["activity_window_days"]);
    }
    for bad in [-0.1, 1.1, f64::NAN] {
        assert_eq!(refused(WhatIf { demand_weight: Some(bad), ..other() }), ["demand_weight"]);
        assert_eq!(refused(WhatIf { need_weight: Some(bad), ..other() }), ["need_weight"]);
    }
    for bad in [-1.0, 100.1, f64::NAN] {
        assert_eq!(refused(WhatIf { tier_weight_growth: Some(bad), ..other() }), ["tier_weight_growth"]);
    }
    assert_eq!(refused(WhatIf { need_min_count: Some(0), ..other() }), ["need_min_count"]);

    let both = WhatIf { demand_weight: Some(0.5), need_weight: Some(0.4), ..other() };
    assert_eq!(refused(both), ["demand_weight", "need_weight"]);
    let zero = Some(0.0);
    let weightless =
        WhatIf { tier_weight_standard: zero, tier_weight_growth: zero, tier_weight_enterprise: zero, ..other() };
    assert_eq!(refused(weightless), ["tier_weight_standard", "tier_weight_growth", "tier_weight_enterprise"]);

    let many = WhatIf { half_life_days: Some(0.0), demand_weight: Some(2.0), ..other() };
    assert_eq!(refused(many.clone()), ["half_life_days", "demand_weight"]);
    let problems = many.apply(&Parameters::default()).expect_err("it is refused");
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["half_life_days must be above 0 and at most 36500", "demand_weight must be from 0 to 1"]);
    assert!(matches!(problems[1], InvalidWhatIf::Parameters(InvalidParameters::Field { .. })));
}
