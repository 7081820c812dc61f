use super::{
    Schedule,
    schedule::{Breach, Plan},
};
use crate::planted::Bug;

/// How many schedules a run of the tests tries.
const SCHEDULES: u64 = 20_000;

#[test]
fn twenty_thousand_schedules_keep_every_invariant() {
    for seed in 0..SCHEDULES {
        if let Err(violation) = Schedule::of(seed).run() {
            let story = Schedule::of(seed).shrunk().story().join("\n");
            panic!("seed {seed}: {violation}\n{story}");
        }
    }
}

#[test]
fn every_planted_bug_is_caught() {
    let mut missed = Bug::ALL.to_vec();
    missed.retain(|bug| !is_caught(Plan { bug: Some(*bug), ..Plan::default() }));
    assert_eq!(missed, [], "these rules could be left out unseen");
}

#[test]
fn every_promise_that_the_protocol_rests_on_is_needed() {
    let mut unneeded = Breach::ALL.to_vec();
    unneeded.retain(|breach| !is_caught(Plan { breach: Some(*breach), ..Plan::default() }));
    assert_eq!(unneeded, [], "the protocol would hold without these");
}

fn is_caught(plan: Plan) -> bool {
    (0..SCHEDULES).any(|seed| Schedule::of(seed).run_with(plan).is_err())
}

#[test]
fn a_seed_gives_the_same_schedule_and_the_same_story() {
    for seed in 0..20 {
        assert_eq!(Schedule::of(seed), Schedule::of(seed));
        assert_eq!(Schedule::of(seed).story(), Schedule::of(seed).story());
    }
}

#[test]
fn a_shrunk_schedule_shows_the_same_and_nothing_can_be_left_out() {
    let plan = Plan { bug: Some(Bug::AmbiguousIsOk), ..Plan::default() };
    let kind = |schedule: &Schedule| schedule.run_with(plan).err().map(|violation| violation.kind());
    let long = (0..SCHEDULES).map(Schedule::of).find(|schedule| kind(schedule).is_some()).expect("it is caught");
    let short = long.shrunk_with(plan);
    assert!(short.actions.len() < long.actions.len() / 2, "{}", short.actions.len());
    assert_eq!(kind(&short), kind(&long));
    for at in 0..short.actions.len() {
        let mut shorter = short.clone();
        shorter.actions.remove(at);
        assert_ne!(kind(&shorter), kind(&short), "action {at} is not needed");
    }
}
