//! A schedule: what happens, in which order. Made from a seed, run by the world, and shrunk when it fails.

use std::fmt;

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::planted::Bug;

use super::{oracle::Violation, world::World};

/// What happens, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub(super) settings: Settings,
    pub(super) actions: Vec<Action>,
}

/// How a schedule is run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) bug: Option<Bug>,
    /// A broken rule passes until a row is lost or doubled.
    pub(crate) harm_only: bool,
    /// The world breaks a promise that the protocol rests on.
    pub(crate) breach: Option<Breach>,
}

/// A promise broken: each shows that the protocol does rest on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// ClickHouse forgets its tokens when it restarts, as if its window were too short.
    TokensForgotten,
    /// ClickHouse shows rows before it records their token, and can be killed in between.
    RowsBeforeToken,
    /// The client repeats a commit by itself, and the first copy arrives late.
    CommitsRepeated,
    /// The client sends a queued commit without its member id, and the group is empty at that moment.
    StrangersCommit,
}

impl Breach {
    pub(crate) const ALL: [Self; 4] =
        [Self::TokensForgotten, Self::RowsBeforeToken, Self::CommitsRepeated, Self::StrangersCommit];
}

/// What stays the same throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) ranges_in_flight_max: usize,
    /// Whether instances have ids of their own in the group.
    pub(super) static_members: bool,
}

/// One thing that happens, if it can. `pick` chooses among what it could happen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) kind: Kind,
    pub(super) process: usize,
    pub(super) pick: usize,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Produce,
    /// Whatever a process and those it talks to would do next.
    Work,
    Flush,
    /// An answer is delivered; some twice.
    Answer,
    Drain,
    SendCommit,
    /// A commit reaches the broker; the answer may be lost.
    ArriveCommit,
    /// The client gives up on a commit that is under way.
    LoseCommit,
    /// The broker refuses a commit without a look at it.
    RefuseCommit,
    SendInsert,
    AdvanceRequest,
    /// A request is lost, refused or breaks, in whatever stage.
    BreakRequest,
    /// The client gives up on an insert whose requests go on.
    AbandonInsert,
    FailLook,
    RestartClickHouse,
    Time,
    Heartbeat,
    Rebalance,
    /// The group expels a member.
    Expire,
    Pause,
    Wake,
    Crash,
    Start,
    Shutdown,
}

/// How often each kind is drawn.
const WEIGHTS: [(Kind, u32); 24] = [
    (Kind::Produce, 12),
    (Kind::Work, 110),
    (Kind::Flush, 6),
    (Kind::Answer, 8),
    (Kind::Drain, 4),
    (Kind::SendCommit, 3),
    (Kind::ArriveCommit, 7),
    (Kind::LoseCommit, 4),
    (Kind::RefuseCommit, 1),
    (Kind::SendInsert, 4),
    (Kind::AdvanceRequest, 18),
    (Kind::BreakRequest, 8),
    (Kind::AbandonInsert, 8),
    (Kind::FailLook, 1),
    (Kind::RestartClickHouse, 1),
    (Kind::Time, 10),
    (Kind::Heartbeat, 4),
    (Kind::Rebalance, 4),
    (Kind::Expire, 1),
    (Kind::Pause, 2),
    (Kind::Wake, 3),
    (Kind::Crash, 2),
    (Kind::Start, 4),
    (Kind::Shutdown, 1),
];

impl Schedule {
    /// The schedule of that seed: the same on every machine.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let settings =
            Settings { ranges_in_flight_max: random.random_range(1..=3), static_members: random.random_bool(0.5) };
        // Some worlds are wild, in others faults are rare enough that work gets far between them.
        let calm = [1, 2, 5][random.random_range(0..3)];
        let weight = |kind: Kind, weight: u32| if kind == Kind::Work { weight * calm } else { weight };
        let total: u32 = WEIGHTS.iter().map(|(kind, of)| weight(*kind, *of)).sum();
        let length = random.random_range(100..500);
        let actions = (0..length).map(|_| {
            let mut draw = random.random_range(0..total);
            let drawn = WEIGHTS.iter().find(|(kind, of)| {
                let hit = draw < weight(*kind, *of);
                draw = draw.saturating_sub(weight(*kind, *of));
                hit
            });
            let kind = drawn.map_or(Kind::Work, |(kind, _)| *kind);
            Action { kind, process: random.next_u32() as usize % 60, pick: random.next_u32() as usize % 5040 }
        });
        Self { settings, actions: actions.collect() }
    }

    /// Runs it, lets every fault end, and waits for all to be well.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn run(&self) -> Result<(), Violation> {
        self.run_with(Plan::default())
    }

    pub(crate) fn run_with(&self, plan: Plan) -> Result<(), Violation> {
        let mut world = World::new(self.settings, plan);
        for action in &self.actions {
            world.act(*action);
            world.verdict()?;
        }
        world.heal();
        world.verdict()
    }

    /// A shorter schedule with the same kind of violation: no single action of it can be left out.
    #[must_use]
    pub fn shrunk(&self) -> Self {
        self.shrunk_with(Plan::default())
    }

    pub(crate) fn shrunk_with(&self, plan: Plan) -> Self {
        let kind = |schedule: &Self| schedule.run_with(plan).err().map(|violation| violation.kind());
        let wanted = kind(self);
        let mut best = self.clone();
        let mut chunk = best.actions.len().div_ceil(2);
        while wanted.is_some() && chunk > 0 {
            let before = best.actions.len();
            let mut at = 0;
            while at < best.actions.len() {
                let mut shorter = best.clone();
                shorter.actions.drain(at..(at + chunk).min(best.actions.len()));
                if kind(&shorter) == wanted { best = shorter } else { at += chunk }
            }
            // At single actions: again, until nothing more can go.
            if chunk > 1 || best.actions.len() == before {
                chunk /= 2;
            }
        }
        best
    }

    /// Runs it and tells, line by line, what happened.
    #[must_use]
    pub fn story(&self) -> Vec<String> {
        self.story_with(Plan::default())
    }

    pub(crate) fn story_with(&self, plan: Plan) -> Vec<String> {
        let mut world = World::new(self.settings, plan);
        world.story = Some(vec![format!("{:?}", self.settings)]);
        for action in &self.actions {
            world.tell(format!("{action}"));
            world.act(*action);
            if world.verdict().is_err() {
                break;
            }
        }
        if world.verdict().is_ok() {
            world.tell("every fault ends".to_owned());
            world.heal();
        }
        if let Err(violation) = world.verdict() {
            world.tell(violation.to_string());
        }
        world.story.unwrap_or_default()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (process {}, pick {})", self.kind, self.process, self.pick)
    }
}
