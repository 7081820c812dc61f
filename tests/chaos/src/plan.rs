//! Which faults happen, in which order: data from a seed, printable, and the same for the same seed.

use std::{collections::BTreeSet, fmt};

use rand::{RngExt as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

/// The session timeout of the instances, in milliseconds: the least that Kafka takes.
pub const SESSION_MS: u64 = 6_000;

/// Rounds of faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where it came from; the load is drawn from it too.
    pub seed: u64,
    /// One after the other, each with its recovery.
    pub rounds: Vec<Round>,
}

/// Faults that happen together, on parts that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round(pub Vec<Timed>);

/// A fault and when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timed {
    /// After the round's beginning.
    pub after_ms: u64,
    /// What happens.
    pub fault: Fault,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An instance is killed with SIGKILL and started again.
    KillInstance {
        /// Which.
        instance: usize,
        /// Until it is started again.
        away_ms: u64,
    },
    /// An instance is killed, started, and killed again while it takes up what the first left behind.
    KillInReplay {
        /// Which.
        instance: usize,
        /// How long it lives in between.
        lived_ms: u64,
    },
    /// Every instance is killed at once.
    KillEveryInstance {
        /// Until they are started again.
        away_ms: u64,
    },
    /// An instance is asked to stop, as for an update, and started again.
    StopInstance {
        /// Which.
        instance: usize,
    },
    /// An instance is frozen for longer than its session, so that another takes over, and then wakes.
    PauseInstance {
        /// Which.
        instance: usize,
        /// For how long.
        for_ms: u64,
    },
    /// A server is killed with SIGKILL and started again.
    KillServer {
        /// Which.
        server: Server,
        /// Until it is started again.
        away_ms: u64,
    },
    /// The line between an instance and a server breaks.
    BreakLine {
        /// Whose.
        instance: usize,
        /// To which server.
        server: Server,
        /// How.
        how: Break,
        /// For how long.
        for_ms: u64,
    },
}

/// What the instances depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// Kafka.
    Kafka,
    /// ClickHouse.
    ClickHouse,
}

/// How a line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Connections are closed.
    Cut,
    /// Nothing passes.
    Silent,
    /// Requests arrive, answers do not.
    AnswersLost,
    /// Everything takes long.
    Slow,
}

/// What a fault touches; two faults of a round never touch the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Instance(usize),
    Server(Server),
    Line(usize, Server),
}

/// Makes a fault for one of the instances.
type Draw = fn(&mut ChaCha8Rng, usize) -> Fault;

/// Every kind once; some kinds of fault are several, by what they touch or how.
const KINDS: [Draw; 15] = [
    |random, instance| Fault::KillInstance { instance, away_ms: random.random_range(0..3_000) },
    |random, instance| Fault::KillInReplay { instance, lived_ms: random.random_range(100..3_000) },
    |random, _| Fault::KillEveryInstance { away_ms: random.random_range(0..2_000) },
    |_, instance| Fault::StopInstance { instance },
    |random, instance| Fault::PauseInstance { instance, for_ms: SESSION_MS + 2_000 + random.random_range(0..3_000) },
    |random, _| kill(random, Server::Kafka),
    |random, _| kill(random, Server::ClickHouse),
    |random, instance| broken(random, instance, Server::Kafka, Break::Cut),
    |random, instance| broken(random, instance, Server::Kafka, Break::Silent),
    |random, instance| broken(random, instance, Server::Kafka, Break::AnswersLost),
    |random, instance| broken(random, instance, Server::Kafka, Break::Slow),
    |random, instance| broken(random, instance, Server::ClickHouse, Break::Cut),
    |random, instance| broken(random, instance, Server::ClickHouse, Break::Silent),
    |random, instance| broken(random, instance, Server::ClickHouse, Break::AnswersLost),
    |random, instance| broken(random, instance, Server::ClickHouse, Break::Slow),
];

fn kill(random: &mut ChaCha8Rng, server: Server) -> Fault {
    Fault::KillServer { server, away_ms: random.random_range(0..3_000) }
}

fn broken(random: &mut ChaCha8Rng, instance: usize, server: Server, how: Break) -> Fault {
    Fault::BreakLine { instance, server, how, for_ms: random.random_range(1_000..9_000) }
}

impl Plan {
    /// So many rounds over so many instances. Each kind comes once before any comes again; a round has up to three faults.
    #[must_use]
    pub fn random(seed: u64, rounds: usize, instances: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut deck: Vec<Draw> = Vec::new();
        let rounds = (0..rounds).map(|_| {
            if deck.is_empty() {
                deck = KINDS.to_vec();
                deck.shuffle(&mut random);
            }
            let first = deck.pop().unwrap_or(KINDS[0]);
            let instance = random.random_range(0..instances);
            let mut round = Round(vec![Timed { after_ms: 0, fault: first(&mut random, instance) }]);
            while round.0.len() < 3 && random.random_bool(0.35) {
                let (kind, instance) = (random.random_range(0..KINDS.len()), random.random_range(0..instances));
                let fault = KINDS[kind](&mut random, instance);
                round.add(Timed { after_ms: random.random_range(0..4_000), fault }, instances);
            }
            round
        });
        Self { seed, rounds: rounds.collect() }
    }

    /// The shortest plan under which at-least-once is sure to show: inserts that were applied are taken for failed.
    #[must_use]
    pub fn answers_lost(seed: u64, instances: usize) -> Self {
        let lost = |instance| {
            let how = Break::AnswersLost;
            Timed { after_ms: 0, fault: Fault::BreakLine { instance, server: Server::ClickHouse, how, for_ms: 3_000 } }
        };
        Self { seed, rounds: vec![Round((0..instances).map(lost).collect())] }
    }
}

impl Round {
    /// Adds a fault, unless it touches what another touches already.
    fn add(&mut self, timed: Timed, instances: usize) {
        let touched: BTreeSet<Part> = self.0.iter().flat_map(|timed| timed.fault.parts(instances)).collect();
        if timed.fault.parts(instances).iter().all(|part| !touched.contains(part)) {
            self.0.push(timed);
        }
    }
}

impl Fault {
    /// Its kind, for counting.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::KillInstance { .. } => "kill_ingest",
            Self::KillInReplay { .. } => "kill_ingest_in_replay",
            Self::KillEveryInstance { .. } => "kill_every_ingest",
            Self::StopInstance { .. } => "stop_ingest",
            Self::PauseInstance { .. } => "pause_ingest",
            Self::KillServer { server: Server::Kafka, .. } => "kill_kafka",
            Self::KillServer { server: Server::ClickHouse, .. } => "kill_clickhouse",
            Self::BreakLine { server: Server::Kafka, how, .. } => match how {
                Break::Cut => "cut_kafka",
                Break::Silent => "silence_kafka",
                Break::AnswersLost => "lose_kafka_answers",
                Break::Slow => "slow_kafka",
            },
            Self::BreakLine { server: Server::ClickHouse, how, .. } => match how {
                Break::Cut => "cut_clickhouse",
                Break::Silent => "silence_clickhouse",
                Break::AnswersLost => "lose_clickhouse_answers",
                Break::Slow => "slow_clickhouse",
            },
        }
    }

    fn parts(&self, instances: usize) -> Vec<Part> {
        match *self {
            Self::KillInstance { instance, .. }
            | Self::KillInReplay { instance, .. }
            | Self::StopInstance { instance }
            | Self::PauseInstance { instance, .. } => vec![Part::Instance(instance)],
            Self::KillEveryInstance { .. } => (0..instances).map(Part::Instance).collect(),
            Self::KillServer { server, .. } => vec![Part::Server(server)],
            Self::BreakLine { instance, server, .. } => vec![Part::Line(instance, server)],
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, timed) in self.0.iter().enumerate() {
            if number > 0 {
                write!(f, "; after {} ms ", timed.after_ms)?;
            }
            write!(f, "{}", timed.fault)?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())?;
        match self {
            Self::KillInstance { instance, away_ms } => write!(f, " {instance}, back after {away_ms} ms"),
            Self::KillInReplay { instance, lived_ms } => write!(f, " {instance}, again {lived_ms} ms after its start"),
            Self::KillEveryInstance { away_ms } | Self::KillServer { away_ms, .. } => {
                write!(f, ", back after {away_ms} ms")
            }
            Self::StopInstance { instance } => write!(f, " {instance}"),
            Self::PauseInstance { instance, for_ms } => write!(f, " {instance} for {for_ms} ms"),
            Self::BreakLine { instance, for_ms, .. } => write!(f, " of {instance} for {for_ms} ms"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_seed_another() {
        assert_eq!(Plan::random(7, 40, 2), Plan::random(7, 40, 2));
        assert_ne!(Plan::random(7, 40, 2), Plan::random(8, 40, 2));
    }

    #[test]
    fn every_kind_comes_before_any_comes_first_again() {
        let plan = Plan::random(1, 2 * KINDS.len(), 2);
        for half in plan.rounds.chunks(KINDS.len()) {
            let kinds: BTreeSet<_> = half.iter().map(|round| round.0[0].fault.kind()).collect();
            assert_eq!(kinds.len(), KINDS.len());
        }
    }

    #[test]
    fn no_two_faults_of_a_round_touch_the_same_part() {
        let rounds = (0..50).flat_map(|seed| Plan::random(seed, 40, 3).rounds);
        let mut together = 0;
        for round in rounds {
            let parts: Vec<Part> = round.0.iter().flat_map(|timed| timed.fault.parts(3)).collect();
            assert_eq!(parts.len(), parts.iter().collect::<BTreeSet<_>>().len(), "{round}");
            together += usize::from(round.0.len() > 1);
        }
        assert!(together > 100, "only {together} rounds had several faults");
    }

    #[test]
    fn a_pause_outlasts_the_session() {
        for round in (0..50).flat_map(|seed| Plan::random(seed, 15, 2).rounds) {
            for timed in round.0 {
                if let Fault::PauseInstance { for_ms, .. } = timed.fault {
                    assert!(for_ms > SESSION_MS);
                }
            }
        }
    }
}
