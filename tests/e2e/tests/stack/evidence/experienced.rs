//! A team whose feature is used by accounts that have it well and badly, and what is to be found of that.

use std::collections::BTreeMap;

use domain::{
    event::Body,
    history::Logged,
    ids::{FeatureId, TeamId},
    time::{MICROS_PER_DAY, Timestamp},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use store::{Judged, OBSERVATIONS_MIN, Store};
use testkit::record::Described;
use wire::topics::{CATALOG, REQUESTS, USAGE};

pub(crate) const TEAM: &str = "experienced";
pub(crate) const FEATURE: &str = "search";
/// The team's own segments; in the second there is nobody.
pub(crate) const OWN_SEGMENTS: [&str; 2] = ["startups", "museums"];
/// The one segment of which all accounts are in another, that other, and how many they are.
pub(crate) const INNER: (&str, &str) = ("schools", "banks");
pub(crate) const INNER_ACCOUNTS: u64 = 2;
/// What was said last, the newest first.
pub(crate) const TEXTS: [Option<&str>; 4] = [None, Some("We would pay for it"), None, Some("It is too slow")];

const SEED: u64 = 7;
const OPERATIONS: [&str; 3] = ["query", "export", "suggest"];
/// Observations of each account; some have just enough of them, some just too few.
const OBSERVATIONS: [u64; 9] = [OBSERVATIONS_MIN - 1, OBSERVATIONS_MIN, 101, 150, 199, 200, 250, 1, 340];
const BOUNDS_US: [u64; 4] = [0, 900, 1_400, 1_000_000];

/// The records: definitions, usage with durations, and requests with texts.
pub(crate) fn experienced(now: Timestamp) -> Vec<Described> {
    let mut records = Records { now, all: Vec::new() };
    records.add(CATALOG, "team.defined", 100.0, json!({"team": TEAM, "name": "Experienced", "segments": OWN_SEGMENTS}));
    let feature = |feature: &str, status: &str, merged_into: Option<&str>| {
        let mut data = json!({"team": TEAM, "feature": feature, "title": feature, "status": status});
        if let Some(target) = merged_into {
            data["merged_into"] = json!(target);
        }
        data
    };
    records.add(CATALOG, "feature.defined", 100.0, feature(FEATURE, "proposed", None));
    records.add(CATALOG, "feature.defined", 100.0, feature("find", "proposed", Some(FEATURE)));
    records.add(CATALOG, "feature.defined", 99.0, feature("launched", "launched", None));
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    for (number, observations) in OBSERVATIONS.into_iter().enumerate() {
        let account = format!("customer-{number}");
        let segments: &[&str] =
            [&[][..], &["startups"], &["startups", "banks"], &[INNER.0, INNER.1], &["banks"]][number % 5];
        records.add(
            CATALOG,
            "account.defined",
            98.0,
            json!({"account": account, "tier": "growth", "segments": segments}),
        );
        for _ in 0..observations {
            let mut data = usage(&account, ["find", FEATURE][random.random_range(0..2)]);
            data["operation"] = json!(OPERATIONS[random.random_range(0..OPERATIONS.len())]);
            // Some accounts have it worse, and a few in a hundred observations are much worse.
            let slow = random.random_bool(0.01);
            let us: u64 = random.random_range(100..800) + 40 * number as u64 + if slow { 5_000 } else { 0 };
            data["duration_us"] = json!(us);
            records.add(USAGE, "usage.observed", random.random_range(0.0..89.0), data);
        }
        // None of these is an observation: without a duration, too long ago, or of something else.
        records.add(USAGE, "usage.observed", 1.0, usage(&account, FEATURE));
        let mut slow = usage(&account, FEATURE);
        slow["duration_us"] = json!(90_000_000);
        records.add(USAGE, "usage.observed", 91.0, slow.clone());
        slow["feature"] = json!("launched");
        records.add(USAGE, "usage.observed", 1.0, slow);
    }
    for (text, age_days) in TEXTS.into_iter().zip([1.0, 2.0, 3.0, 4.0]) {
        let mut data = json!({"team": TEAM, "feature": FEATURE, "account": "customer-1", "importance": "critical"});
        if let Some(text) = text {
            (data["text"], data["requester"]) = (json!(text), json!("A. Person"));
        }
        records.add(REQUESTS, "request.stated", age_days, data);
    }
    records.add(REQUESTS, "request.withdrawn", 5.0, json!({"team": TEAM, "feature": "find", "account": "customer-2"}));
    records.all
}

fn usage(account: &str, feature: &str) -> Value {
    json!({"team": TEAM, "feature": feature, "account": account, "operation": "query", "count": 1})
}

struct Records {
    now: Timestamp,
    all: Vec<Described>,
}

impl Records {
    fn add(&mut self, topic: &str, kind: &str, age_days: f64, data: Value) {
        let key = match kind {
            "team.defined" => format!("team:{TEAM}"),
            "feature.defined" => format!("feature:{TEAM}/{}", data["feature"].as_str().expect("a feature")),
            "account.defined" => format!("account:{}", data["account"].as_str().expect("an account")),
            _ => data["account"].as_str().expect("an account").to_owned(),
        };
        let headers = [
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", format!("experienced-{}", self.all.len())),
            ("ce_source", "//experienced".to_owned()),
            ("ce_type", format!("io.flywheel.{kind}.v1")),
            ("ce_time", self.now.minus_days(age_days).to_rfc3339()),
            ("content-type", "application/json".to_owned()),
        ];
        self.all.push(Described {
            topic: topic.to_owned(),
            partition: Some(0),
            key: Some(key),
            headers: headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec(),
            payload: Some(data.to_string().into_bytes()),
        });
    }
}

/// Percentiles are the nearest rank's of all durations in the window; an account is worse off where its own p99 is.
pub(crate) async fn assert_experience(store: &Store, log: &[Logged], team: &TeamId, as_of: Timestamp) {
    let catalog = store.catalog(team, as_of).await.expect("a catalog");
    let parameters = catalog.parameters();
    let after = as_of.plus_micros(-90 * MICROS_PER_DAY);
    let mut by_operation: BTreeMap<&str, BTreeMap<&str, Vec<u64>>> = BTreeMap::new();
    for Logged { event, .. } in log.iter().filter(|logged| logged.event.time > after && logged.event.time <= as_of) {
        if let Body::UsageObserved { team: of, feature, account, operation, duration_us: Some(us), .. } = &event.body
            && of == team
            && ["find", FEATURE].contains(&feature.as_str())
        {
            for operation in [operation, ""] {
                by_operation.entry(operation).or_default().entry(account.as_str()).or_default().push(*us);
            }
        }
    }
    let mut shares = Vec::new();
    for bound_us in BOUNDS_US {
        // Asked about the feature that is merged into it, the same is answered.
        for feature in [FEATURE, "find"] {
            let feature = FeatureId::parse(feature).expect("an id");
            let found =
                store.experience(team, &feature, as_of, &catalog, &parameters, bound_us).await.expect("an experience");
            assert_eq!(found.bound_us, bound_us);
            assert_eq!(found.operations.len(), OPERATIONS.len());
            assert!(found.operations.is_sorted_by(|a, b| a.observations >= b.observations));
            for operation in &found.operations {
                let accounts = &by_operation[operation.operation.as_str()];
                let mut all: Vec<u64> = accounts.values().flatten().copied().collect();
                assert_eq!(operation.observations, all.len() as u64);
                let found = [operation.p50_us, operation.p99_us, operation.p999_us];
                assert_eq!(found, [500, 990, 999].map(|per_mille| nearest_rank(&mut all, per_mille)));
                assert_judged(&operation.accounts, accounts, bound_us);
            }
            assert_judged(&found.accounts, &by_operation[""], bound_us);
            shares.push(found.accounts.worse.count);
        }
    }
    assert!(shares.iter().any(|count| *count > 0 && *count < 6), "a bound tells accounts apart: {shares:?}");
}

fn assert_judged(found: &Judged, accounts: &BTreeMap<&str, Vec<u64>>, bound_us: u64) {
    let (enough, too_few): (Vec<&Vec<u64>>, Vec<_>) =
        accounts.values().partition(|durations| durations.len() as u64 >= OBSERVATIONS_MIN);
    let worse = enough.iter().filter(|durations| nearest_rank(&mut durations.to_vec(), 990) > bound_us).count();
    assert_eq!((found.worse.count, found.worse.of), (worse as u64, enough.len() as u64), "bound {bound_us}");
    assert_eq!(found.too_few, too_few.len() as u64);
}

/// The least of the durations that so many in a thousand do not exceed.
fn nearest_rank(durations: &mut [u64], per_mille: usize) -> u64 {
    durations.sort_unstable();
    durations[(durations.len() * per_mille).div_ceil(1_000) - 1]
}
