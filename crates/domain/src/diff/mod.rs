//! Why a ranking is another than it was: each feature's change of score in eight parts that add up to it.
//!
//! Eight switches stand at one instant or the other. They are turned one after the other, forward from the first and
//! backward from the last, and a part is the mean of what its switch changed in the two. Scores are integers, billionths
//! of a point, so the parts add up exactly, and a diff the other way round has the same parts with the other sign.
//!
//! How the definition is read where it leaves a choice:
//!
//! - *Requests*: a pair whose latest statement differs belongs to `requests_new` or to `requests_withdrawn` by what stands at
//!   the later of the two instants, whichever of them is `to`. Statements never vanish with time, so the later instant has
//!   one for every such pair; and only so is a diff the negative of its reverse part by part.
//! - *Status*: what the catalog says of the feature itself. A feature of which it says nothing can be listed. Whether
//!   anybody has heard of a feature is no matter of its status: without statements and signals its score is 0 anyway. So
//!   the first request for a feature is a new request and not half a change of status.
//! - *Merges* decide both where statements and signals count, and that a feature merged away is not listed.
//! - *Population* takes the segment too, where one is asked about: who is in it, as it stood at that end.
//! - *Parameters* are the windows' lengths, the half-life, the least count, the two weights, and the tiers' weights. So an
//!   account's activity has four values, by the instant and by the window's length; so have the need signals.
//! - *Need* is the signals alone. The activity that they and the statements mean is the population's.
//! - *Launches*: see [`Comparison`]: nothing is cut off at a launch.

mod comparison;
mod states;
mod switch;

pub use comparison::{AccountAt, Comparison, FeatureAt, NeedAt, Said, StatementAt, TeamAt};
pub use switch::{End, Ends, Switch};

use crate::{
    diff::{
        states::{States, UNITS_PER_POINT},
        switch::State,
    },
    ids::FeatureId,
};

/// Why a ranking is another than it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// The features listed at either end, and those with a part that is not 0 though they are not; by ascending id.
    pub features: Vec<FeatureDiff>,
}

/// Why one feature's score is another than it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureDiff {
    /// The feature.
    pub feature: FeatureId,
    /// Whether the ranking lists it, at either end.
    pub listed: Ends<bool>,
    /// Its score at either end, in billionths of a point; 0 where it is not listed.
    pub score: Ends<i64>,
    /// What each switch changed, in half billionths of a point, in the order of [`Switch::ALL`]. They add up to twice the
    /// change of the score.
    pub parts: [i64; 8],
}

impl FeatureDiff {
    /// The change of the score, in points.
    #[must_use]
    pub fn change(&self) -> f64 {
        (self.score.to - self.score.from) as f64 / UNITS_PER_POINT
    }

    /// What the switch changed, in points.
    #[must_use]
    pub fn part(&self, switch: Switch) -> f64 {
        self.parts[switch as usize] as f64 / (2.0 * UNITS_PER_POINT)
    }
}

/// The change of every feature's score from one instant to the other, in its parts.
#[must_use]
pub fn diff(comparison: &Comparison) -> Diff {
    let mut states = States::new(comparison);
    let listed = Ends::of(|end| states.listed(end));
    let mut parts = vec![[0_i64; 8]; states.features().len()];

    let from = states.scores(State::ALL_FROM);
    turn(Switch::ALL.into_iter(), &from, &mut states, &mut parts);
    let to = turn(Switch::ALL.into_iter().rev(), &from, &mut states, &mut parts);

    let features = states.features().iter().zip(parts).enumerate();
    let features = features
        .map(|(slot, (feature, parts))| FeatureDiff {
            feature: feature.clone(),
            listed: Ends { from: listed.from[slot], to: listed.to[slot] },
            score: Ends { from: from[slot], to: to[slot] },
            parts,
        })
        .filter(|feature| feature.listed.from || feature.listed.to || feature.parts.iter().any(|part| *part != 0))
        .collect();
    Diff { features }
}

/// Turns the switches to [`End::To`] one after the other and adds what each changed to the parts. The scores at the end.
fn turn(
    switches: impl Iterator<Item = Switch>,
    from: &[i64],
    states: &mut States<'_>,
    parts: &mut [[i64; 8]],
) -> Vec<i64> {
    let mut state = State::ALL_FROM;
    let mut before = from.to_vec();
    for switch in switches {
        state = state.with(switch);
        let after = states.scores(state);
        for ((parts, after), before) in parts.iter_mut().zip(&after).zip(&before) {
            parts[switch as usize] += after - before;
        }
        before = after;
    }
    before
}
