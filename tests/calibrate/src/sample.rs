//! What the accounts of a world say and show, added up as `domain` wants it.

use domain::{
    catalog::{Importance, Parameters, Tier},
    ids::FeatureId,
    score::faded,
    tally::{Tallies, Tally},
    time::Timestamp,
};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::{
    family::Behaviour,
    world::{Feature, World},
};

/// What an account says and shows about a feature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The importance and the age, in microseconds, of its statement, if it asks.
    pub asks: Option<(Importance, i64)>,
    /// Whether it needs it.
    pub needs: bool,
}

/// Draws accounts of the world, each with its answers about the features in their order.
pub fn draw(world: &World, accounts: usize, rng: &mut ChaCha8Rng, mut account: impl FnMut(Tier, &[Answer])) {
    let herd = match world.behaviour {
        Behaviour::Herds(size) => size,
        Behaviour::Apart | Behaviour::OneChoice => 1,
    };
    let mut answers = vec![Answer::default(); world.features.len()];
    for at in 0..accounts {
        if at % herd == 0 {
            let (tier, place) = tier(world, rng);
            if world.behaviour == Behaviour::OneChoice {
                choose(world, place, rng, &mut answers);
            } else {
                decide(world, place, rng, &mut answers);
            }
            for member in 0..herd.min(accounts - at) {
                debug_assert!(at + member < accounts);
                account(tier, &answers);
            }
        }
    }
}

/// The feature ids of a world of so many features, ascending.
#[must_use]
pub fn ids(features: usize) -> Vec<FeatureId> {
    (0..features).filter_map(|at| FeatureId::parse(&format!("f-{at:02}")).ok()).collect()
}

/// Draws so many accounts and adds up what they say, into the sums of the features `ids`.
pub fn tallies(world: &World, accounts: usize, rng: &mut ChaCha8Rng, ids: &[FeatureId]) -> Tallies {
    let parameters = Parameters::default();
    let mut tallies = Tallies::default();
    let mut sums = vec![Tally { measured: true, ..Tally::default() }; ids.len()];
    draw(world, accounts, rng, |tier, answers| {
        let weight = tier.weight();
        tallies.add_accounts(tier, weight, 1, 1);
        for (tally, answer) in sums.iter_mut().zip(answers) {
            let x = answer.asks.map_or(0.0, |(importance, age_us)| {
                tally.asking += 1;
                tally.requests += 1;
                faded(importance, Timestamp(-age_us), Timestamp(0), parameters.half_life_days)
            });
            let u = if answer.needs { 1.0 } else { 0.0 };
            tally.needing += u64::from(answer.needs);
            tally.asked += weight * x;
            tally.needed += weight * u;
            tally.both += weight * x * u;
            tally.top = tally.top.max(weight * (parameters.demand_weight * x + parameters.need_weight * u));
        }
    });
    tallies.features = ids.iter().cloned().zip(sums).collect();
    tallies
}

fn tier(world: &World, rng: &mut ChaCha8Rng) -> (Tier, usize) {
    let mut left = rng.random::<f64>();
    for (place, (tier, part)) in world.tiers.iter().enumerate() {
        if left < *part {
            return (*tier, place);
        }
        left -= part;
    }
    (Tier::Standard, 0)
}

/// The account decides about each feature by itself.
fn decide(world: &World, place: usize, rng: &mut ChaCha8Rng, answers: &mut [Answer]) {
    for (feature, answer) in world.features.iter().zip(answers) {
        let inclination = rng.random::<f64>();
        let other =
            if world.together > 0.0 && rng.random::<f64>() < world.together { inclination } else { rng.random() };
        answer.asks = (inclination < feature.asks[place]).then(|| statement(feature, rng));
        answer.needs = other < feature.needs[place];
    }
}

/// The account asks for one feature and needs one.
fn choose(world: &World, place: usize, rng: &mut ChaCha8Rng, answers: &mut [Answer]) {
    answers.fill(Answer::default());
    let asked = one_of(world, rng, |feature| feature.asks[place]);
    let needed = one_of(world, rng, |feature| feature.needs[place]);
    answers[asked].asks = Some(statement(&world.features[asked], rng));
    answers[needed].needs = true;
}

fn one_of(world: &World, rng: &mut ChaCha8Rng, part: impl Fn(&Feature) -> f64) -> usize {
    let mut left = rng.random::<f64>();
    for (at, feature) in world.features.iter().enumerate() {
        if left < part(feature) {
            return at;
        }
        left -= part(feature);
    }
    world.features.len() - 1
}

fn statement(feature: &Feature, rng: &mut ChaCha8Rng) -> (Importance, i64) {
    let mut left = rng.random::<f64>();
    let mut said = Importance::Critical;
    for (importance, part) in feature.importance {
        if left < part {
            said = importance;
            break;
        }
        left -= part;
    }
    (said, rng.random_range(0..feature.age_us_max))
}

#[cfg(test)]
mod tests {
    use domain::{
        catalog::Catalog,
        facts::{AccountFacts, Facts, NeedCount, Statement},
        ids::AccountId,
        tally::tally,
        time::Timestamp,
    };
    use rand::SeedableRng as _;

    use super::*;
    use crate::family::{Family, Link, Shape, Weights};

    /// The same draws as facts, added up by `domain`.
    #[test]
    fn the_sums_are_those_that_domain_makes_of_the_same_answers() {
        let family = Family { weights: Weights::OneTwoThree, link: Link::Correlated, ..Family::usual(Shape::Common) };
        let world = World::draw(&family, &mut ChaCha8Rng::seed_from_u64(5));
        let ids = ids(family.features);
        let ours = tallies(&world, 200, &mut ChaCha8Rng::seed_from_u64(6), &ids);

        let as_of = Timestamp::parse_rfc3339("2026-06-01T12:00:00Z").unwrap();
        let mut facts = Facts {
            as_of,
            catalog: Catalog::default(),
            accounts: [].into(),
            statements: vec![],
            needs: vec![],
            measured: ids.iter().cloned().collect(),
            known: ids.iter().cloned().collect(),
        };
        draw(&world, 200, &mut ChaCha8Rng::seed_from_u64(6), |tier, answers| {
            let account = AccountId::parse(&format!("a-{:04}", facts.accounts.len())).unwrap();
            for (feature, answer) in ids.iter().zip(answers) {
                if let Some((importance, age_us)) = answer.asks {
                    facts.statements.push(Statement {
                        account: account.clone(),
                        feature: feature.clone(),
                        time: as_of.plus_micros(-age_us),
                        importance: Some(importance),
                        order: ("//test".into(), "id".into()),
                        requests: 1,
                    });
                }
                if answer.needs {
                    facts.needs.push(NeedCount { account: account.clone(), feature: feature.clone(), count: 1 });
                }
            }
            let active = AccountFacts { tier, active: true, used: true, ever_used: true, ..AccountFacts::default() };
            facts.accounts.insert(account, active);
        });
        assert_eq!(ours, tally(&facts, None));
    }

    #[test]
    fn answers_come_as_often_as_the_world_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for (behaviour, link) in [
            (Behaviour::Apart, Link::Independent),
            (Behaviour::Apart, Link::Correlated),
            (Behaviour::Herds(5), Link::Independent),
            (Behaviour::OneChoice, Link::Independent),
        ] {
            let family = Family { behaviour, link, weights: Weights::OneTwoThree, ..Family::usual(Shape::Common) };
            let world = World::draw(&family, &mut rng);
            let sums = tallies(&world, 40_000, &mut rng, &ids(family.features));
            for (feature, tally) in world.features.iter().zip(sums.features.values()) {
                let s = (0.6 * tally.asked + 0.4 * tally.needed) / sums.weight;
                assert!((s - feature.s).abs() < 0.02, "{family}: {s} of {}", feature.s);
            }
        }
    }
}
