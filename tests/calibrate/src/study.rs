//! Many samples of many worlds of every family, on all cores. The same seed gives the same figures on any number of them.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::{
    family::{Family, Shape},
    sample::{ids, tallies},
    verdict::{Verdict, judge},
    world::World,
};

/// How many accounts the samples have.
pub const ACCOUNTS: [usize; 4] = [40, 100, 300, 1_000];
/// At least so many features' intervals must hold the true rank.
pub const COVERAGE_MIN: f64 = 0.95;
/// At least so many intervals of the true first must hold it.
pub const COVERAGE_FIRST_MIN: f64 = 0.93;
/// Intervals of the usual `spread` at [`WIDTH_ACCOUNTS`] accounts may be so many ranks wide, on average.
pub const WIDTH_MAX: f64 = 5.5;
/// See [`WIDTH_MAX`].
pub const WIDTH_ACCOUNTS: usize = 300;

/// A family at a number of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The family.
    pub family: Family,
    /// The number of accounts.
    pub accounts: usize,
}

/// What came out of a cell.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which cell.
    pub cell: Cell,
    /// How many samples were ranked.
    pub samples: u64,
    /// How many more had fewer than 30 effective accounts. They are left out: their intervals hold everything.
    pub insufficient: u64,
    /// Share of intervals that hold the true rank.
    pub coverage: Mean,
    /// Share of intervals of a true first that hold it.
    pub coverage_first: Mean,
    /// Ranks in an interval.
    pub width: Mean,
    /// Share of features at their true rank in a strict order of raw votes.
    pub votes_right: Mean,
    /// How often the most voted for is truly first.
    pub votes_first: Mean,
    /// Share of features at their true rank in the order of the scores.
    pub scores_right: Mean,
    /// How often the highest score is truly first.
    pub scores_first: Mean,
}

/// A mean over samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    count: u64,
    sum: f64,
    squares: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
    }

    /// The mean; 0 of nothing.
    #[must_use]
    pub fn value(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    /// Its standard error. Samples are independent, the features of one are not: it is taken over samples.
    #[must_use]
    pub fn error(&self) -> f64 {
        if self.count < 2 {
            return f64::INFINITY;
        }
        let count = self.count as f64;
        let variance = (self.squares / count - self.value().powi(2)).max(0.0) * count / (count - 1.0);
        (variance / count).sqrt()
    }
}

/// Every cell of these families.
#[must_use]
pub fn cells(families: &[Family]) -> Vec<Cell> {
    families.iter().flat_map(|&family| ACCOUNTS.map(|accounts| Cell { family, accounts })).collect()
}

/// Draws so many samples in every cell, each of a world of its own, on so many threads. Outcomes come in the order of the
/// cells.
#[must_use]
pub fn run(cells: &[Cell], samples: u64, threads: usize, seed: u64) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Outcome)>> = Mutex::new(Vec::with_capacity(cells.len()));
    // The largest first, so that no thread is left alone with one at the end.
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(cells[at].accounts * cells[at].family.features));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run_cell(&cells[at], samples, seed, at as u64);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

fn run_cell(cell: &Cell, samples: u64, seed: u64, stream: u64) -> Outcome {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let ids = ids(cell.family.features);
    let mut outcome = Outcome::none(*cell);
    for _ in 0..samples {
        let world = World::draw(&cell.family, &mut rng);
        let sums = tallies(&world, cell.accounts, &mut rng, &ids);
        match judge(&sums, &ids, &world.true_ranks()) {
            Some(verdict) => outcome.add(&verdict),
            None => outcome.insufficient += 1,
        }
    }
    outcome
}

impl Outcome {
    fn none(cell: Cell) -> Self {
        let none = Mean::default();
        Self {
            cell,
            samples: 0,
            insufficient: 0,
            coverage: none,
            coverage_first: none,
            width: none,
            votes_right: none,
            votes_first: none,
            scores_right: none,
            scores_first: none,
        }
    }

    fn add(&mut self, verdict: &Verdict) {
        self.samples += 1;
        for (mean, value) in [
            (&mut self.coverage, verdict.held),
            (&mut self.coverage_first, verdict.held_first),
            (&mut self.width, verdict.width),
            (&mut self.votes_right, verdict.votes_right),
            (&mut self.votes_first, verdict.votes_first),
            (&mut self.scores_right, verdict.scores_right),
            (&mut self.scores_first, verdict.scores_first),
        ] {
            mean.add(value);
        }
    }

    /// The bounds that the cell breaks by more than so many standard errors.
    #[must_use]
    pub fn broken(&self, errors_max: f64) -> Vec<String> {
        let Cell { family, accounts } = self.cell;
        let mut broken = Vec::new();
        let mut bound = |name: &str, mean: &Mean, distance: f64, limit: f64| {
            if distance > errors_max * mean.error() || self.samples < 2 {
                let (value, error) = (mean.value(), mean.error());
                broken.push(format!("{family}, {accounts} accounts: {name} is {value:.4} ± {error:.4}, bound {limit}"));
            }
        };
        bound("coverage", &self.coverage, COVERAGE_MIN - self.coverage.value(), COVERAGE_MIN);
        let first = &self.coverage_first;
        bound("coverage of the first", first, COVERAGE_FIRST_MIN - first.value(), COVERAGE_FIRST_MIN);
        if family == Family::usual(Shape::Spread) && accounts == WIDTH_ACCOUNTS {
            bound("mean width", &self.width, self.width.value() - WIDTH_MAX, WIDTH_MAX);
        }
        broken
    }
}
