//! The parameters of the score that a team may set, and what they may be.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits;

/// The parameters of the score that a team may set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// An account is active if it has an event in the last so many days.
    pub activity_window_days: f64,
    /// After so many days a request counts half.
    pub half_life_days: f64,
    /// Need signals count for so many days.
    pub need_window_days: f64,
    /// So many signals in the need window make an account one that needs the feature.
    pub need_min_count: u64,
    /// Weight of stated demand, 0 to 1.
    pub demand_weight: f64,
    /// Weight of revealed need; the two weights add up to 1.
    pub need_weight: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            activity_window_days: 90.0,
            half_life_days: 90.0,
            need_window_days: 30.0,
            need_min_count: 1,
            demand_weight: 0.6,
            need_weight: 0.4,
        }
    }
}

/// A parameter that the score cannot be computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidParameters {
    /// A parameter by itself.
    #[error("{field} must be {must_be}")]
    Field {
        /// The parameter's name.
        field: &'static str,
        /// What it must be.
        must_be: &'static str,
    },
    /// The two weights together.
    #[error("demand_weight and need_weight must add up to 1")]
    WeightSum,
}

impl Parameters {
    /// Whether the score can be computed with them.
    ///
    /// # Errors
    /// The first parameter that is out of bounds, or that the weights do not add up.
    pub fn validate(&self) -> Result<(), InvalidParameters> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// Everything that the score cannot be computed with.
    #[must_use]
    pub fn problems(&self) -> Vec<InvalidParameters> {
        let mut problems = Vec::new();
        let mut demand = |holds: bool, field, must_be| {
            if !holds {
                problems.push(InvalidParameters::Field { field, must_be });
            }
        };
        for (field, days) in [
            ("activity_window_days", self.activity_window_days),
            ("half_life_days", self.half_life_days),
            ("need_window_days", self.need_window_days),
        ] {
            // Written so that NaN fails.
            demand(days > 0.0 && days <= limits::WINDOW_DAYS_MAX, field, "above 0 and at most 36500");
        }
        let counts = 1..=limits::COUNT_MAX;
        demand(counts.contains(&self.need_min_count), "need_min_count", "from 1 to 1000000000000");
        let weights = [("demand_weight", self.demand_weight), ("need_weight", self.need_weight)];
        for (field, weight) in weights {
            demand((0.0..=1.0).contains(&weight), field, "from 0 to 1");
        }
        let each_is_one = weights.iter().all(|(_, weight)| (0.0..=1.0).contains(weight));
        if each_is_one && (self.demand_weight + self.need_weight - 1.0).abs() > limits::WEIGHT_SUM_TOLERANCE {
            problems.push(InvalidParameters::WeightSum);
        }
        problems
    }
}
