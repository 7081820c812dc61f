//! The simulator: two or three members, Kafka and ClickHouse in one deterministic world that crashes, delays, doubles,
//! reorders and lies. Every schedule has a seed; one that fails is shrunk to the actions that it needs.
//!
//! - [`schedule`](Schedule): what happens, from a seed, and the shrinking.
//! - `world`: lets it happen, and then lets every fault end.
//! - `process`: a member: the machine, Kafka's client and the shell between them.
//! - `kafka` and `clickhouse`: what the protocol rests on, with the ways in which they fail.
//! - `oracle`: the invariants, checked as things happen.
//!
//! What it does not contain: a token that is forgotten, a row that vanishes, one insert that becomes several blocks, and
//! a server that shows rows before it records their token. The protocol rests on none of these happening.

use crate::planted::Bug;

mod clickhouse;
mod kafka;
mod oracle;
mod process;
mod schedule;
#[cfg(test)]
mod tests;
mod world;

pub use oracle::Violation;
pub use schedule::Schedule;

use self::schedule::{Breach, Plan};

/// A planted bug or a broken promise, and the first schedules that catch it.
#[derive(Debug)]
pub struct Planted {
    /// Which.
    pub name: String,
    /// The first broken rule; `None` if no schedule breaks one.
    pub caught: Option<Caught>,
    /// The first lost or doubled row; `None` if no schedule gets there.
    pub harm: Option<Caught>,
}

/// A schedule that violates an invariant.
#[derive(Debug)]
pub struct Caught {
    /// Its seed.
    pub seed: u64,
    /// What it violates.
    pub violation: Violation,
    /// What happens in it, once it is shrunk.
    pub story: Vec<String>,
}

/// Plants each bug and runs the schedules from seed 0 on until it is caught, at most so many.
#[must_use]
pub fn planted(schedules_max: u64) -> Vec<Planted> {
    let plant = |bug: Bug| {
        let plan = Plan { bug: Some(bug), ..Plan::default() };
        Planted::of(format!("{bug:?}"), plan, schedules_max)
    };
    Bug::ALL.into_iter().map(plant).collect()
}

/// Breaks each promise that the protocol rests on, in the same way.
#[must_use]
pub fn breached(schedules_max: u64) -> Vec<Planted> {
    let breach = |breach: Breach| {
        let plan = Plan { breach: Some(breach), ..Plan::default() };
        Planted::of(format!("{breach:?}"), plan, schedules_max)
    };
    Breach::ALL.into_iter().map(breach).collect()
}

impl Planted {
    fn of(name: String, plan: Plan, schedules_max: u64) -> Self {
        let harm_only = Plan { harm_only: true, ..plan };
        Self { name, caught: catch(plan, schedules_max), harm: catch(harm_only, schedules_max) }
    }
}

fn catch(plan: Plan, schedules_max: u64) -> Option<Caught> {
    let failing = |seed| Schedule::of(seed).run_with(plan).err().map(|violation| (seed, violation));
    let (seed, violation) = (0..schedules_max).find_map(failing)?;
    Some(Caught { seed, violation, story: Schedule::of(seed).shrunk_with(plan).story_with(plan) })
}
