//! The customers: who they are and what they will ask for and need, drawn once from the seed.

use flywheel_sdk::Tier;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::story::{SEGMENTS, TEAMS, Team};

/// An account that needs a thing asks for it so many times more often than one that does not.
const NEED_MAKES_ASK: f64 = 1.3;

/// A customer of one team.
pub(super) struct Customer {
    pub(super) account: String,
    pub(super) tier: Tier,
    /// The tier as an index into the story's tables.
    pub(super) rank: usize,
    pub(super) segments: Vec<&'static str>,
    /// How likely it is to use the product on a given day.
    pub(super) activity: f64,
    /// For each of the team's candidates, in their order.
    pub(super) traits: Vec<Trait>,
}

/// What one customer feels about one candidate.
#[derive(Clone, Copy)]
pub(super) struct Trait {
    pub(super) asks: bool,
    pub(super) needs: bool,
}

/// The customers of a team. A customer of both teams is the same account in both.
pub(super) fn customers(seed: u64, team_index: usize) -> Vec<Customer> {
    let team = &TEAMS[team_index];
    team.customers.clone().map(|number| customer(seed, number, team, team_index)).collect()
}

fn customer(seed: u64, number: u32, team: &Team, team_index: usize) -> Customer {
    // What the account is depends on its number alone, what it does on the team as well.
    let mut person = rng(seed, u64::from(number) * 16);
    let rank = match person.random_range(0..100u32) {
        0..60 => 0,
        60..88 => 1,
        _ => 2,
    };
    let mut segments = Vec::new();
    if !person.random_bool(0.08) {
        let first = person.random_range(0..SEGMENTS.len() as u32);
        segments.push(SEGMENTS[first as usize]);
        if person.random_bool(0.15) {
            segments.push(SEGMENTS[((first + 1) % SEGMENTS.len() as u32) as usize]);
        }
    }
    let mut habits = rng(seed, u64::from(number) * 16 + 1 + team_index as u64);
    let activity = 0.35 + 0.6 * habits.random::<f64>();
    let traits = team
        .candidates
        .iter()
        .map(|candidate| {
            let needs = habits.random_bool(candidate.needs[rank]);
            let share = candidate.needs[rank];
            // The two rates average to the candidate's own.
            let base = candidate.asks[rank] / (1.0 + share * (NEED_MAKES_ASK - 1.0));
            let asks = habits.random_bool((if needs { base * NEED_MAKES_ASK } else { base }).min(1.0));
            Trait { asks, needs }
        })
        .collect();
    let tier = [Tier::Standard, Tier::Growth, Tier::Enterprise][rank];
    Customer { account: format!("customer-{number:04}"), tier, rank, segments, activity, traits }
}

/// Draws that depend on the seed and on `stream` alone, the same on every platform.
pub(super) fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}
