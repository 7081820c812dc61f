//! A generated world: teams, features, accounts and their events, from a seed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use domain::{
    history::Logged,
    ids::Partition,
    record::{Record, decode},
    time::{MICROS_PER_DAY, MICROS_PER_SECOND, Timestamp},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use testkit::record::Described;
use wire::topics::{CATALOG, REQUESTS, USAGE};

/// Every topic has so many partitions; the world chooses each record's, so that it knows the logs.
pub(crate) const PARTITIONS: u64 = 6;
const SOURCE: &str = "//flywheel/tests/world";

/// How large the world is.
pub(crate) struct Size {
    pub(crate) teams: usize,
    pub(crate) features: usize,
    pub(crate) accounts: usize,
    pub(crate) events: usize,
}

/// Records in the order in which they are to be produced.
pub(crate) struct World {
    pub(crate) records: Vec<Described>,
}

impl World {
    /// A world whose events all happened between 200 days before `now` and an hour before.
    pub(crate) fn generate(seed: u64, size: &Size, now: Timestamp) -> Self {
        let mut world = Generator { random: ChaCha8Rng::seed_from_u64(seed), now, records: Vec::new(), next_id: 0 };
        world.catalog(size);
        while world.records.len() < size.events {
            world.event(size);
        }
        Self { records: world.records }
    }

    /// The partitions' logs as `domain` sees them, each record received at `received`.
    pub(crate) fn logged(&self, received: Timestamp) -> Vec<Logged> {
        self.records.iter().filter_map(|described| logged(described, received)).collect()
    }
}

/// The valid event in a described record.
pub(crate) fn logged(described: &Described, received: Timestamp) -> Option<Logged> {
    let headers: Vec<(&str, Option<&[u8]>)> =
        described.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_slice()))).collect();
    let record = Record {
        topic: match described.topic.as_str() {
            REQUESTS => domain::record::InputTopic::Requests,
            USAGE => domain::record::InputTopic::Usage,
            _ => domain::record::InputTopic::Catalog,
        },
        key: described.key.as_deref().map(str::as_bytes),
        headers: &headers,
        payload: described.payload.as_deref(),
        timestamp: received,
    };
    let partition = Partition(described.partition.expect("the world chooses partitions"));
    Some(Logged { received, partition, event: decode(&record).ok()?.into_owned() })
}

struct Generator {
    random: ChaCha8Rng,
    now: Timestamp,
    records: Vec<Described>,
    next_id: u64,
}

impl Generator {
    fn catalog(&mut self, size: &Size) {
        for account in 0..size.accounts {
            // Some accounts are known by their events alone; some change their tier later.
            for _ in 0..self.random.random_range(0..=2) {
                let tier = *self.pick(&["standard", "growth", "enterprise"]);
                let segments = self.pick(&[&[][..], &["retail"], &["gaming", "retail"]]).to_vec();
                let id = account_id(account);
                let data = json!({"account": id, "tier": tier, "segments": segments});
                self.push(CATALOG, "io.flywheel.account.defined.v1", &format!("account:{id}"), &data);
            }
        }
        for team in 0..size.teams {
            let id = team_id(team);
            let demand_weight = *self.pick(&[0.6, 0.5, 0.25]);
            let parameters = json!({
                "activity_window_days": *self.pick(&[90.0, 45.5]),
                "half_life_days": *self.pick(&[90.0, 30.0]),
                "need_window_days": *self.pick(&[30.0, 60.0]),
                "need_min_count": self.random.random_range(1..=3),
                "demand_weight": demand_weight,
                "need_weight": 1.0 - demand_weight,
            });
            let data = json!({"team": id, "name": format!("Team {team}"), "parameters": parameters});
            self.push(CATALOG, "io.flywheel.team.defined.v1", &format!("team:{id}"), &data);
            // One feature of each team is launched for sure, so that there is something to iterate on.
            let launched = json!({"team": id, "feature": feature_id(0), "title": "Launched", "status": "launched"});
            self.push(CATALOG, "io.flywheel.feature.defined.v1", &format!("feature:{id}/{}", feature_id(0)), &launched);
            for feature in 1..size.features {
                // A later definition replaces an earlier one: statuses change, merges are made and undone.
                for _ in 0..self.random.random_range(0..=3) {
                    self.define_feature(size, &id, feature);
                }
            }
        }
    }

    fn define_feature(&mut self, size: &Size, team: &str, feature: usize) {
        let id = feature_id(feature);
        let status = *self.pick(&["proposed", "proposed", "planned", "building", "launched", "retired"]);
        let mut data = json!({"team": team, "feature": id, "title": format!("Feature {feature}"), "status": status});
        if self.random.random_bool(0.25) {
            let target = self.random.random_range(0..size.features);
            data["merged_into"] = json!(feature_id(target));
        }
        if self.random.random_bool(0.3) {
            data["effort_months"] = json!(self.random.random_range(1..20) as f64 / 2.0);
        }
        if self.random.random_bool(0.3) {
            data["door"] = json!(*self.pick(&["one_way", "two_way"]));
        }
        self.push(CATALOG, "io.flywheel.feature.defined.v1", &format!("feature:{team}/{id}"), &data);
    }

    fn event(&mut self, size: &Size) {
        let roll: f64 = self.random.random();
        if roll < 0.01 {
            // A repeat: the same record again, at a higher offset of the same partition.
            let at = self.random.random_range(0..self.records.len());
            let repeat = self.records[at].clone();
            self.records.push(repeat);
            return;
        }
        let team = team_id(self.random.random_range(0..size.teams));
        let feature = feature_id(self.skewed(size.features));
        let account = account_id(self.skewed(size.accounts));
        let mut data = json!({"team": team, "feature": feature, "account": account});
        let (topic, kind) = if roll < 0.15 {
            data["importance"] = json!(*self.pick(&["nice_to_have", "important", "critical"]));
            (REQUESTS, "io.flywheel.request.stated.v1")
        } else if roll < 0.18 {
            (REQUESTS, "io.flywheel.request.withdrawn.v1")
        } else if roll < 0.3 {
            data["signal"] = json!("full_scan");
            data["count"] = json!(self.random.random_range(1..=2));
            (USAGE, "io.flywheel.need.signaled.v1")
        } else {
            data["operation"] = json!("query");
            data["count"] = json!(self.random.random_range(1..=50));
            data["duration_us"] = json!(self.random.random_range(100..100_000));
            (USAGE, "io.flywheel.usage.observed.v1")
        };
        self.push(topic, kind, &account, &data);
    }

    fn push(&mut self, topic: &str, kind: &str, key: &str, data: &Value) {
        self.next_id += 1;
        let mut hash = DefaultHasher::new();
        key.hash(&mut hash);
        let partition = i32::try_from(hash.finish() % PARTITIONS).expect("a small number");
        let age = self.random.random_range(3_600 * MICROS_PER_SECOND..200 * MICROS_PER_DAY);
        // Whole hours now and then, so that some events share their time.
        let exact = self.now.plus_micros(-age);
        let hour = 3_600 * MICROS_PER_SECOND;
        let time = if self.random.random_bool(0.2) { Timestamp(exact.0.div_euclid(hour) * hour) } else { exact };
        let headers = [
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", format!("e-{}", self.next_id)),
            ("ce_source", SOURCE.to_owned()),
            ("ce_type", kind.to_owned()),
            ("ce_time", time.to_rfc3339()),
            ("content-type", "application/json".to_owned()),
        ];
        self.records.push(Described {
            topic: topic.to_owned(),
            partition: Some(partition),
            key: Some(key.to_owned()),
            headers: headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec(),
            payload: Some(data.to_string().into_bytes()),
        });
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.random.random_range(0..of.len())]
    }

    /// Small numbers more often than large ones.
    fn skewed(&mut self, below: usize) -> usize {
        let roll: f64 = self.random.random();
        (roll * roll * below as f64) as usize
    }
}

pub(crate) fn team_id(number: usize) -> String {
    format!("team-{number}")
}

fn feature_id(number: usize) -> String {
    format!("feature-{number}")
}

fn account_id(number: usize) -> String {
    format!("account-{number}")
}
