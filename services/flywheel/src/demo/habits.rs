//! What one customer does: the events of using the product, needing a thing, asking for it.

use flywheel_sdk::{Data, NeedSignaled, Outcome, RequestStated, RequestWithdrawn, UsageObserved};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    customers::Customer,
    story::{Candidate, Operation, Team},
};

/// Where accounts speak up.
const CHANNELS: [&str; 4] = ["support", "sales", "forum", "survey"];

/// An ordinary use of the product.
pub(super) fn usage(team: &Team, customer: &Customer, rng: &mut ChaCha8Rng) -> Data {
    let operation = &team.operations[rng.random_range(0..team.operations.len() as u32) as usize];
    observed(team, customer, operation, 200, rng)
}

/// The use of a feature after its launch.
pub(super) fn adoption(team: &Team, customer: &Customer, candidate: &Candidate, rng: &mut ChaCha8Rng) -> Data {
    let operation = Operation { feature: candidate.feature, name: "use", duration_us: 50_000 };
    observed(team, customer, &operation, 5, rng)
}

fn observed(team: &Team, customer: &Customer, operation: &Operation, often: u64, rng: &mut ChaCha8Rng) -> Data {
    let outcome = match rng.random_range(0..1_000u32) {
        0..15 => Outcome::Error,
        15..18 => Outcome::Denied,
        _ => Outcome::Ok,
    };
    UsageObserved {
        team: team.id.to_owned(),
        feature: operation.feature.to_owned(),
        account: customer.account.clone(),
        operation: operation.name.to_owned(),
        count: rng.random_range(1..=often) * (customer.rank as u64 + 1),
        duration_us: Some(operation.duration_us * rng.random_range(50..=200u64) / 100),
        outcome: Some(outcome),
    }
    .into()
}

/// A sign of the pain that `candidate` would end.
pub(super) fn need(team: &Team, customer: &Customer, candidate: &Candidate, rng: &mut ChaCha8Rng) -> Data {
    NeedSignaled {
        team: team.id.to_owned(),
        feature: candidate.feature.to_owned(),
        account: customer.account.clone(),
        signal: candidate.signal.to_owned(),
        count: rng.random_range(1..=20u64),
    }
    .into()
}

/// A request for `candidate`.
pub(super) fn request(team: &Team, customer: &Customer, candidate: &Candidate, rng: &mut ChaCha8Rng) -> Data {
    let channel = CHANNELS[rng.random_range(0..CHANNELS.len() as u32) as usize];
    RequestStated {
        channel: Some(channel.to_owned()),
        text: rng.random_bool(0.5).then(|| candidate.text.to_owned()),
        reference: Some(format!("{channel}-{}", rng.random_range(10_000..100_000u32))),
        ..RequestStated::new(team.id, candidate.feature, customer.account.as_str(), candidate.importance[customer.rank])
    }
    .into()
}

/// The account no longer asks.
pub(super) fn withdrawal(team: &Team, customer: &Customer, candidate: &Candidate) -> Data {
    RequestWithdrawn {
        team: team.id.to_owned(),
        feature: candidate.feature.to_owned(),
        account: customer.account.clone(),
    }
    .into()
}
