//! Random histories of small teams in which everything happens that a ranking of an instant must get right: many events at the same
//! instant, at the edges of windows, days and months, in another order than that of their time, twice, and dated ahead.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use domain::{
    history::Logged,
    time::{MICROS_PER_DAY, MICROS_PER_SECOND, Timestamp},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use testkit::record::Described;
use wire::topics::{CATALOG, REQUESTS, USAGE};

use crate::world::{PARTITIONS, logged};

/// The segment that some accounts are in, some of the time.
pub(crate) const SEGMENT: &str = "retail";

/// Sources and ids are such that the order of (`source`, `id`) is not that of one beside the other.
const SOURCES: [&str; 3] = ["//a", "//a/b", "//b"];
const FEATURES: usize = 7;
/// Events and accounts of a team that is too small for places to be sure, and of one that is not.
const SIZES: [(usize, usize); 2] = [(220, 14), (1_200, 70)];
const DEFINITIONS_MAX: usize = 14;

/// Teams, and the records of all of them in the order in which they are to be produced.
pub(crate) struct Histories {
    pub(crate) records: Vec<Described>,
    pub(crate) teams: Vec<Team>,
}

/// A team, and the instants that it is to be asked about.
pub(crate) struct Team {
    pub(crate) team: String,
    pub(crate) instants: [Timestamp; 3],
}

impl Histories {
    /// So many teams' histories from 200 days before `now` to 20 hours after it.
    pub(crate) fn generate(seed: u64, teams: usize, now: Timestamp) -> Self {
        let mut histories = Self { records: Vec::new(), teams: Vec::new() };
        for number in 0..teams {
            let random = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number as u64));
            let (events, accounts) = SIZES[number % SIZES.len()];
            let team = format!("team-{number}");
            let mut generator = Generator { random, now, team, times: Vec::new(), number: 0, events, accounts };
            generator.times = (0..30).map(|_| generator.new_time()).collect();
            let records: Vec<Described> = (0..events).map(|_| generator.event()).collect();
            histories.records.extend(generator.with_repeats(records));
            let instants = [generator.instant(), generator.instant(), generator.instant()];
            histories.teams.push(Team { team: generator.team, instants });
        }
        histories
    }

    /// The partitions' logs, each record received at `received`.
    pub(crate) fn logged(&self, received: Timestamp) -> Vec<Logged> {
        self.records.iter().filter_map(|described| logged(described, received)).collect()
    }
}

struct Generator {
    random: ChaCha8Rng,
    now: Timestamp,
    team: String,
    /// Instants that many events share, or lie a microsecond or a window beside.
    times: Vec<Timestamp>,
    number: u64,
    events: usize,
    accounts: usize,
}

impl Generator {
    fn event(&mut self) -> Described {
        let roll: f64 = self.random.random();
        let definitions = DEFINITIONS_MAX as f64 / self.events as f64;
        if roll < definitions / 2.0 {
            self.team_definition()
        } else if roll < definitions * 2.0 {
            self.feature_definition()
        } else if roll < definitions * 4.0 {
            self.account_definition()
        } else {
            self.statement_or_usage()
        }
    }

    fn team_definition(&mut self) -> Described {
        let demand_weight = self.pick(&[0.6, 0.5, 1.0, 0.0]);
        let data = json!({
            "team": self.team,
            "name": "Team",
            "parameters": {
                "activity_window_days": self.pick(&[90.0, 45.5, 31.0, 30.0, 7.25, 1.0, 0.5, 20_000.0]),
                "half_life_days": self.pick(&[90.0, 30.0, 0.7, 0.01]),
                "need_window_days": self.pick(&[30.0, 60.0, 1.0, 0.25]),
                "need_min_count": self.pick(&[1, 1, 2, 4]),
                "demand_weight": demand_weight,
                "need_weight": 1.0 - demand_weight,
            },
        });
        let key = format!("team:{}", self.team);
        self.record(CATALOG, "io.flywheel.team.defined.v1", &key, &data)
    }

    fn feature_definition(&mut self) -> Described {
        let feature = self.feature();
        let status = self.pick(&["proposed", "proposed", "planned", "building", "launched", "launched", "retired"]);
        let mut data = json!({"team": self.team, "feature": feature, "title": "A title", "status": status});
        if self.random.random_bool(0.3) {
            data["door"] = json!("one_way");
            data["effort_months"] = json!(2.5);
        }
        if self.random.random_bool(0.5) {
            // Chains and circles, and a feature that nobody defined.
            data["merged_into"] = if self.random.random_bool(0.1) { json!("nowhere") } else { json!(self.feature()) };
        }
        let key = format!("feature:{}/{feature}", self.team);
        self.record(CATALOG, "io.flywheel.feature.defined.v1", &key, &data)
    }

    fn account_definition(&mut self) -> Described {
        let account = self.account();
        let tier = self.pick(&["standard", "growth", "enterprise"]);
        let segments = self.pick(&[&[][..], &[SEGMENT], &["gaming", SEGMENT], &["gaming"]]).to_vec();
        let key = format!("account:{account}");
        self.record(
            CATALOG,
            "io.flywheel.account.defined.v1",
            &key,
            &json!({"account": account, "tier": tier, "segments": segments}),
        )
    }

    fn statement_or_usage(&mut self) -> Described {
        let account = self.account();
        let mut data = json!({"team": self.team, "feature": self.feature(), "account": account});
        let roll: f64 = self.random.random();
        let (topic, kind) = if roll < 0.35 {
            data["importance"] = json!(self.pick(&["nice_to_have", "important", "critical"]));
            (REQUESTS, "io.flywheel.request.stated.v1")
        } else if roll < 0.47 {
            (REQUESTS, "io.flywheel.request.withdrawn.v1")
        } else if roll < 0.75 {
            data["signal"] = json!(self.pick(&["full_scan", "throttled"]));
            data["count"] = json!(self.random.random_range(1..=3));
            (USAGE, "io.flywheel.need.signaled.v1")
        } else {
            data["operation"] = json!("query");
            data["count"] = json!(1);
            (USAGE, "io.flywheel.usage.observed.v1")
        };
        self.record(topic, kind, &account, &data)
    }

    fn record(&mut self, topic: &str, kind: &str, key: &str, data: &Value) -> Described {
        self.number += 1;
        let mut hash = DefaultHasher::new();
        key.hash(&mut hash);
        let id = format!("{}-{}", self.random.random_range(0..100), self.number);
        let headers = [
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", format!("{}-{id}", self.team)),
            ("ce_source", self.pick(&SOURCES).to_owned()),
            ("ce_type", kind.to_owned()),
            ("ce_time", self.time().to_rfc3339()),
            ("content-type", "application/json".to_owned()),
        ];
        Described {
            topic: topic.to_owned(),
            partition: Some(i32::try_from(hash.finish() % PARTITIONS).expect("a small number")),
            key: Some(key.to_owned()),
            headers: headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec(),
            payload: Some(data.to_string().into_bytes()),
        }
    }

    /// Some of them once more, at any place after the first.
    fn with_repeats(&mut self, records: Vec<Described>) -> Vec<Described> {
        let mut all = Vec::with_capacity(records.len() + records.len() / 10);
        for record in records {
            all.push(record);
            if self.random.random_bool(0.08) {
                all.push(all[self.random.random_range(0..all.len())].clone());
            }
        }
        all
    }

    /// An instant to ask about: one at which something happens, the one before it, or any; now and then before everything.
    fn instant(&mut self) -> Timestamp {
        match self.random.random_range(0..20) {
            0 => self.now.minus_days(300.0),
            1..=3 => self.now,
            4..=8 => self.time().plus_micros(-1),
            9..=12 => self.new_time(),
            _ => self.time(),
        }
    }

    /// When an event happens: mostly with others, or a window before or after them.
    fn time(&mut self) -> Timestamp {
        let time = self.pick(&self.times.clone());
        let time = match self.random.random_range(0..8) {
            0 => time.plus_micros(1),
            1 => time.plus_micros(-1),
            2 => time.minus_days(self.pick(&[90.0, 45.5, 31.0, 30.0, 7.25, 1.0, 0.5, 0.25])),
            3 => self.new_time(),
            _ => time,
        };
        let latest = self.now.plus_micros(20 * 3_600 * MICROS_PER_SECOND);
        Timestamp(time.0.min(latest.0))
    }

    fn new_time(&mut self) -> Timestamp {
        let hour = 3_600 * MICROS_PER_SECOND;
        let age = self.random.random_range(-20 * hour..200 * MICROS_PER_DAY);
        let time = self.now.plus_micros(-age);
        let unit = self.pick(&[1, 1, hour, MICROS_PER_DAY, MICROS_PER_DAY]);
        Timestamp(time.0.div_euclid(unit) * unit)
    }

    /// Some more often than others, so that their places are sure.
    fn feature(&mut self) -> String {
        let roll: f64 = self.random.random();
        format!("feature-{}", (roll * roll * FEATURES as f64) as usize)
    }

    /// Teams share accounts.
    fn account(&mut self) -> String {
        format!("account-{}", self.random.random_range(0..self.accounts))
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.random.random_range(0..of.len())].clone()
    }
}
