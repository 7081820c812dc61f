//! What a ranking assumes: the parameters of the score, and what an account of each tier weighs.

use crate::catalog::{Parameters, Tier};

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
}
