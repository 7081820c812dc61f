//! What a ranking assumes: the parameters of the score, and what an account of each tier weighs.

use serde::Deserialize;
use thiserror::Error;

use crate::{
    catalog::{InvalidParameters, Parameters, Tier},
    limits,
};

/// What a ranking is computed under.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assumptions {
    /// The parameters of the score.
    pub parameters: Parameters,
    /// What an account of each tier weighs.
    pub tier_weights: TierWeights,
}

/// What an account of each tier weighs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TierWeights {
    /// An account of tier standard.
    pub standard: f64,
    /// An account of tier growth.
    pub growth: f64,
    /// An account of tier enterprise.
    pub enterprise: f64,
}

/// What to assume instead of what is in force; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct WhatIf {
    /// Instead of [`Parameters::activity_window_days`].
    pub activity_window_days: Option<f64>,
    /// Instead of [`Parameters::half_life_days`].
    pub half_life_days: Option<f64>,
    /// Instead of [`Parameters::need_window_days`].
    pub need_window_days: Option<f64>,
    /// Instead of [`Parameters::need_min_count`].
    pub need_min_count: Option<u64>,
    /// Instead of [`Parameters::demand_weight`]; alone it also sets its complement, the weight of need.
    pub demand_weight: Option<f64>,
    /// Instead of [`Parameters::need_weight`]; alone it also sets its complement, the weight of demand.
    pub need_weight: Option<f64>,
    /// Instead of [`TierWeights::standard`].
    pub tier_weight_standard: Option<f64>,
    /// Instead of [`TierWeights::growth`].
    pub tier_weight_growth: Option<f64>,
    /// Instead of [`TierWeights::enterprise`].
    pub tier_weight_enterprise: Option<f64>,
}

/// Something in a what-if that is out of range or in contradiction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidWhatIf {
    /// The parameters of the score.
    #[error(transparent)]
    Parameters(InvalidParameters),
    /// One tier's weight.
    #[error("{field} must be from 0 to 100")]
    TierWeight {
        /// Its name.
        field: &'static str,
    },
    /// The tiers' weights together.
    #[error("one of tier_weight_standard, tier_weight_growth and tier_weight_enterprise must be above 0")]
    NoTierWeight,
}

impl InvalidWhatIf {
    /// The names of what is wrong.
    #[must_use]
    pub fn fields(&self) -> Vec<&'static str> {
        match self {
            Self::Parameters(InvalidParameters::Field { field, .. }) | Self::TierWeight { field } => vec![field],
            Self::Parameters(InvalidParameters::WeightSum) => vec!["demand_weight", "need_weight"],
            Self::NoTierWeight => vec!["tier_weight_standard", "tier_weight_growth", "tier_weight_enterprise"],
        }
    }
}

impl WhatIf {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The assumptions that it makes of the parameters in force.
    ///
    /// # Errors
    /// Everything in it that is out of range or in contradiction.
    pub fn apply(&self, in_force: &Parameters) -> Result<Assumptions, Vec<InvalidWhatIf>> {
        let (demand_weight, need_weight) = match (self.demand_weight, self.need_weight) {
            (None, None) => (in_force.demand_weight, in_force.need_weight),
            (Some(demand), None) => (demand, 1.0 - demand),
            (None, Some(need)) => (1.0 - need, need),
            (Some(demand), Some(need)) => (demand, need),
        };
        let usual = TierWeights::default();
        let assumptions = Assumptions {
            parameters: Parameters {
                activity_window_days: self.activity_window_days.unwrap_or(in_force.activity_window_days),
                half_life_days: self.half_life_days.unwrap_or(in_force.half_life_days),
                need_window_days: self.need_window_days.unwrap_or(in_force.need_window_days),
                need_min_count: self.need_min_count.unwrap_or(in_force.need_min_count),
                demand_weight,
                need_weight,
            },
            tier_weights: TierWeights {
                standard: self.tier_weight_standard.unwrap_or(usual.standard),
                growth: self.tier_weight_growth.unwrap_or(usual.growth),
                enterprise: self.tier_weight_enterprise.unwrap_or(usual.enterprise),
            },
        };
        let mut problems = assumptions.parameters.problems();
        // A weight that nobody gave is not to blame for the complement of one that is out of range.
        problems.retain(|problem| match problem {
            InvalidParameters::Field { field: "demand_weight", .. } => self.demand_weight.is_some(),
            InvalidParameters::Field { field: "need_weight", .. } => self.need_weight.is_some(),
            _ => true,
        });
        let problems: Vec<InvalidWhatIf> =
            problems.into_iter().map(InvalidWhatIf::Parameters).chain(assumptions.tier_weights.problems()).collect();
        if problems.is_empty() { Ok(assumptions) } else { Err(problems) }
    }
}

impl Assumptions {
    /// These parameters, with the tiers' usual weights.
    #[must_use]
    pub fn of(parameters: Parameters) -> Self {
        Self { parameters, tier_weights: TierWeights::default() }
    }
}

impl Default for TierWeights {
    fn default() -> Self {
        Self { standard: Tier::Standard.weight(), growth: Tier::Growth.weight(), enterprise: Tier::Enterprise.weight() }
    }
}

impl TierWeights {
    /// What an account of this tier weighs.
    #[must_use]
    pub fn of(&self, tier: Tier) -> f64 {
        match tier {
            Tier::Standard => self.standard,
            Tier::Growth => self.growth,
            Tier::Enterprise => self.enterprise,
        }
    }

    fn problems(&self) -> Vec<InvalidWhatIf> {
        let weights = [
            ("tier_weight_standard", self.standard),
            ("tier_weight_growth", self.growth),
            ("tier_weight_enterprise", self.enterprise),
        ];
        let mut problems: Vec<InvalidWhatIf> = weights
            .iter()
            .filter(|(_, weight)| !(0.0..=limits::TIER_WEIGHT_MAX).contains(weight))
            .map(|(field, _)| InvalidWhatIf::TierWeight { field })
            .collect();
        if weights.iter().all(|(_, weight)| *weight == 0.0) {
            problems.push(InvalidWhatIf::NoTierWeight);
        }
        problems
    }
}
