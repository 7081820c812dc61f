//! Traffic after the history: the same customers with the same habits, for as long as somebody asks for the next event.

use domain::time::Timestamp;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    customers::{Customer, customers, rng},
    emission::{Emission, event, malformed, repeats},
    habits,
    story::{Candidate, TEAMS, Team},
};

/// Of ten thousand events so many are requests; those who ask speak up as often, one to another, as in the history.
const REQUESTS_PER_10_000: u32 = 40;
/// Of a hundred of the other events so many are signs of need.
const NEEDS_PERCENT: u32 = 30;
/// One broken record after so many events.
const MALFORMED_EVERY: u64 = 2_000;

/// The stream of live events of one run.
pub struct Live {
    rng: ChaCha8Rng,
    run: String,
    sent: u64,
    customers: Vec<(&'static Team, Customer)>,
    /// Who shows which need: indices of a customer and of a candidate.
    needs: Vec<(u32, u32)>,
    /// Who asks for what, once for every time they would say so in the history.
    asks: Vec<(u32, u32)>,
}

/// The live events of a run that begins at `start`; no other run has the same ids.
pub fn live(seed: u64, start: Timestamp) -> Live {
    let customers: Vec<(&'static Team, Customer)> = TEAMS
        .iter()
        .enumerate()
        .flat_map(|(index, team)| customers(seed, index).into_iter().map(move |it| (team, it)))
        .collect();
    let (mut needs, mut asks) = (Vec::new(), Vec::new());
    for (who, (team, customer)) in (0u32..).zip(&customers) {
        for (what, (candidate, felt)) in (0u32..).zip(team.candidates.iter().zip(&customer.traits)) {
            if felt.needs {
                needs.push((who, what));
            }
            if felt.asks {
                asks.extend((0..candidate.voice).map(|_| (who, what)));
            }
        }
    }
    // Its own draws: one run after another does not repeat what the last one did.
    let rng = rng(seed, 1 << 40 | start.0.unsigned_abs() & ((1 << 40) - 1));
    Live { rng, run: format!("demo-{seed}-live-{}", start.0), sent: 0, customers, needs, asks }
}

impl Live {
    /// What happens at `now`, which is later than every `now` before: one event, perhaps its repeat, perhaps something broken.
    pub fn next(&mut self, now: Timestamp) -> impl Iterator<Item = Emission> + use<> {
        let n = self.sent;
        self.sent += 1;
        let data = self.draw();
        let event = event(format!("{}-{n}", self.run), now, data);
        let repeat = repeats(&mut self.rng).then(|| Emission::Repeat(event.clone()));
        let broken = (n % MALFORMED_EVERY == MALFORMED_EVERY - 1)
            .then(|| Emission::Malformed(malformed(format!("{}-broken-{n}", self.run), n / MALFORMED_EVERY, now)));
        [Some(Emission::Event(event)), repeat, broken].into_iter().flatten()
    }

    fn draw(&mut self) -> flywheel_sdk::Data {
        let rng = &mut self.rng;
        if rng.random_ratio(REQUESTS_PER_10_000, 10_000) {
            let (team, customer, candidate) = pick(&self.customers, &self.asks, rng);
            habits::request(team, customer, candidate, rng)
        } else if rng.random_ratio(NEEDS_PERCENT, 100) {
            let (team, customer, candidate) = pick(&self.customers, &self.needs, rng);
            habits::need(team, customer, candidate, rng)
        } else {
            let (team, customer) = &self.customers[rng.random_range(0..self.customers.len() as u32) as usize];
            habits::usage(team, customer, rng)
        }
    }
}

fn pick<'a>(
    customers: &'a [(&'static Team, Customer)],
    pairs: &[(u32, u32)],
    rng: &mut ChaCha8Rng,
) -> (&'static Team, &'a Customer, &'static Candidate) {
    let (who, what) = pairs[rng.random_range(0..pairs.len() as u32) as usize];
    let (team, customer) = &customers[who as usize];
    (*team, customer, &team.candidates[what as usize])
}
