//! A world: how likely an account of each tier is to ask for and to need each feature, and therefore the truth.
//!
//! Accounts are drawn independently from the same customers. The true D of a feature is what its weighted share comes to
//! with ever more accounts: E(w x) / E(w), where x is what an account's statement counts today, its importance and age
//! included; the true U likewise. Where heavy accounts ask more often, that differs from the share of accounts that ask:
//! the weights say that a heavy account is to count for more, so they are part of what is true.

use std::f64::consts::LN_2;

use domain::{
    catalog::{Importance, Parameters, Tier},
    score::normal_quantile,
    time::MICROS_PER_DAY,
};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::family::{Behaviour, Family, Link, Shape, Statements, Weights};

/// Two true scores closer than this are equal.
const TIE_MAX: f64 = 1e-12;
/// How many answers in ten come from one inclination where asking and needing are correlated.
const TOGETHER_SHARE: f64 = 0.9;
/// The oldest statements of any feature, in days.
const AGE_DAYS_MAX: f64 = 180.0;

/// One world.
#[derive(Clone, Debug)]
pub struct World {
    /// Its features, in no particular order.
    pub features: Vec<Feature>,
    /// The tiers of accounts with their probabilities.
    pub tiers: Vec<(Tier, f64)>,
    /// The probability that an account's asking and needing come from one inclination.
    pub together: f64,
    /// Whether accounts decide by themselves.
    pub behaviour: Behaviour,
}

/// One feature of a world.
#[derive(Clone, Debug)]
pub struct Feature {
    /// By tier: the probability that an account asks for it.
    pub asks: [f64; 3],
    /// By tier: the probability that an account needs it.
    pub needs: [f64; 3],
    /// How likely a statement is of each importance.
    pub importance: [(Importance, f64); 3],
    /// The age of statements goes from 0 to this, evenly, in microseconds.
    pub age_us_max: i64,
    /// The true S.
    pub s: f64,
}

/// The true ranks that a feature has: more than one if others are equal to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrueRank {
    /// The best.
    pub low: u32,
    /// The worst.
    pub high: u32,
}

impl World {
    /// A world of the family.
    #[must_use]
    pub fn draw(family: &Family, rng: &mut ChaCha8Rng) -> Self {
        let tiers = match family.weights {
            Weights::Equal => vec![(Tier::Standard, 1.0)],
            Weights::OneTwoThree => vec![(Tier::Standard, 0.7), (Tier::Growth, 0.2), (Tier::Enterprise, 0.1)],
        };
        let together = match family.link {
            Link::Independent => 0.0,
            Link::Correlated => TOGETHER_SHARE,
        };
        let features = shares(family, rng)
            .into_iter()
            .map(|(asked, needed)| Feature::draw(asked, needed, &tiers, family, rng))
            .collect();
        let mut world = Self { features, tiers, together, behaviour: family.behaviour };
        if family.behaviour == Behaviour::OneChoice {
            world.share_out();
        }
        for feature in &mut world.features {
            feature.s = feature.truth(&world.tiers);
        }
        world
    }

    /// The true rank of every feature.
    #[must_use]
    pub fn true_ranks(&self) -> Vec<TrueRank> {
        let count = u32::try_from(self.features.len()).unwrap_or(u32::MAX);
        let those = |other: &dyn Fn(f64) -> bool| {
            u32::try_from(self.features.iter().filter(|feature| other(feature.s)).count()).unwrap_or(u32::MAX)
        };
        self.features
            .iter()
            .map(|feature| TrueRank {
                low: 1 + those(&|s| s > feature.s + TIE_MAX),
                high: count - those(&|s| s < feature.s - TIE_MAX),
            })
            .collect()
    }

    /// Makes the probabilities of asking add up to 1, and those of needing: an account chooses one feature.
    fn share_out(&mut self) {
        for tier in 0..3 {
            let asked: f64 = self.features.iter().map(|feature| feature.asks[tier]).sum();
            let needed: f64 = self.features.iter().map(|feature| feature.needs[tier]).sum();
            for feature in &mut self.features {
                feature.asks[tier] /= asked;
                feature.needs[tier] /= needed;
            }
        }
    }
}

impl Feature {
    /// A feature with these true shares, unless that takes more than every account asking.
    fn draw(asked: f64, needed: f64, tiers: &[(Tier, f64)], family: &Family, rng: &mut ChaCha8Rng) -> Self {
        let (parts, days) = match family.statements {
            Statements::Mixed => {
                let part = |rng: &mut ChaCha8Rng| 0.3 + rng.random::<f64>();
                ([part(rng), part(rng), part(rng)], rng.random::<f64>() * AGE_DAYS_MAX)
            }
            Statements::Fresh => ([0.0, 0.0, 1.0], 0.0),
        };
        let whole: f64 = parts.iter().sum();
        let [nice_to_have, important, critical] = parts.map(|part| part / whole);
        let importance = [
            (Importance::NiceToHave, nice_to_have),
            (Importance::Important, important),
            (Importance::Critical, critical),
        ];
        #[expect(clippy::cast_possible_truncation, reason = "half a year is far below the limit")]
        let age_us_max = (days * MICROS_PER_DAY as f64) as i64 + 1;
        let mut feature = Self { asks: [0.0; 3], needs: [0.0; 3], importance, age_us_max, s: 0.0 };
        let asking = match family.behaviour {
            // The shares say what is chosen; how much a choice counts follows.
            Behaviour::OneChoice => asked,
            Behaviour::Apart | Behaviour::Herds(_) => asked / feature.statement_mean(),
        };
        feature.asks = by_tier(asking, tiers, rng);
        feature.needs = by_tier(needed, tiers, rng);
        feature
    }

    /// What a statement counts on average.
    #[must_use]
    pub fn statement_mean(&self) -> f64 {
        let importance: f64 = self.importance.iter().map(|(importance, part)| importance.value() * part).sum();
        // The mean of 2^-t over t from 0 to `ages`.
        let ages = self.age_us_max as f64 / (Parameters::default().half_life_days * MICROS_PER_DAY as f64);
        importance * -(-ages * LN_2).exp_m1() / (ages * LN_2)
    }

    /// wd D + wu U of all customers.
    fn truth(&self, tiers: &[(Tier, f64)]) -> f64 {
        let parameters = Parameters::default();
        let asked = weighted(&self.asks, tiers) * self.statement_mean();
        parameters.demand_weight * asked + parameters.need_weight * weighted(&self.needs, tiers)
    }
}

/// E(w p) / E(w).
fn weighted(by_tier: &[f64; 3], tiers: &[(Tier, f64)]) -> f64 {
    let total: f64 = tiers.iter().map(|(tier, part)| part * tier.weight()).sum();
    tiers.iter().zip(by_tier).map(|((tier, part), p)| part * tier.weight() * p).sum::<f64>() / total
}

/// Probabilities by tier whose weighted mean is `share`; heavy accounts up to three times as likely as light ones, or as
/// unlikely.
fn by_tier(share: f64, tiers: &[(Tier, f64)], rng: &mut ChaCha8Rng) -> [f64; 3] {
    if tiers.len() == 1 {
        return [share.min(1.0); 3];
    }
    let tilt = rng.random_range(-0.5..0.5);
    let odds = [1.0 - tilt, 1.0, 1.0 + tilt];
    let mean = weighted(&odds, tiers);
    odds.map(|odds| (share * odds / mean).min(1.0))
}

/// The true shares (asked, needed) of each feature of a world of the family.
fn shares(family: &Family, rng: &mut ChaCha8Rng) -> Vec<(f64, f64)> {
    let (asked, needed) = (rng.random_range(0.05..0.35), rng.random_range(0.05..0.4));
    let near = |rng: &mut ChaCha8Rng, share: f64| (share + 0.01 * normal(rng)).clamp(0.001, 0.95);
    (0..family.features)
        .map(|at| match family.shape {
            Shape::NearTies => (near(rng, asked), near(rng, needed)),
            Shape::Spread => (beta(rng, 0.8, 8.0), beta(rng, 0.8, 5.0)),
            Shape::Outlier if at == family.features / 2 => (near(rng, asked + 0.2), near(rng, needed + 0.4)),
            Shape::Outlier => (near(rng, asked), near(rng, needed)),
            Shape::Tied => {
                let level = 0.03 * (at / 3) as f64;
                (asked * 0.5 + level, needed * 0.5 + level)
            }
            Shape::Rare if rng.random::<f64>() < 0.1 => (0.0, 0.0),
            Shape::Rare => (rng.random_range(0.0..0.02), rng.random_range(0.0..0.04)),
            Shape::Common => (rng.random_range(0.3..0.8), rng.random_range(0.3..0.8)),
        })
        .collect()
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    // Not 0, whose quantile is infinite.
    normal_quantile(rng.random_range(f64::EPSILON..1.0))
}

fn beta(rng: &mut ChaCha8Rng, a: f64, b: f64) -> f64 {
    let (a, b) = (gamma(rng, a), gamma(rng, b));
    a / (a + b)
}

/// A draw of the gamma distribution: Marsaglia and Tsang 2000.
fn gamma(rng: &mut ChaCha8Rng, shape: f64) -> f64 {
    if shape < 1.0 {
        let boost = rng.random_range(f64::EPSILON..1.0_f64).powf(1.0 / shape);
        return gamma(rng, shape + 1.0) * boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && rng.random::<f64>().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn a_beta_draw_has_the_mean_and_variance_of_its_distribution() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (a, b) in [(0.8, 8.0), (0.8, 5.0), (3.0, 2.0)] {
            let draws: Vec<f64> = (0..20_000).map(|_| beta(&mut rng, a, b)).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            let expected = a / (a + b);
            assert!((mean / expected - 1.0).abs() < 0.03, "{mean} of {expected}");
            let expected = a * b / ((a + b).powi(2) * (a + b + 1.0));
            assert!((variance / expected - 1.0).abs() < 0.06, "{variance} of {expected}");
        }
    }

    #[test]
    fn the_truth_is_what_was_drawn_whatever_the_weights() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for weights in [Weights::Equal, Weights::OneTwoThree] {
            let family = Family { weights, ..Family::usual(Shape::NearTies) };
            for _ in 0..100 {
                let world = World::draw(&family, &mut rng);
                let (low, high) = (world.features.iter().map(|f| f.s).fold(1.0, f64::min), 0.0);
                let high = world.features.iter().map(|f| f.s).fold(high, f64::max);
                assert!(high - low < 0.1, "shares within a few points of each other: {low} to {high}");
            }
        }
    }

    #[test]
    fn equal_features_share_their_true_ranks() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let world = World::draw(&Family { weights: Weights::OneTwoThree, ..Family::usual(Shape::Tied) }, &mut rng);
        let ranks = world.true_ranks();
        assert!(ranks[0..3].iter().all(|rank| *rank == TrueRank { low: 8, high: 10 }), "{ranks:?}");
        assert_eq!(ranks[9], TrueRank { low: 1, high: 1 });
    }
}
