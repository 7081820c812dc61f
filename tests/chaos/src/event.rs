//! Events as emitters write them: of every type, valid or malformed, new or sent again, from a seed.

use domain::time::Timestamp;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use wire::topics::{CATALOG, REQUESTS, USAGE};

use crate::malformed::{self, Malformation};

/// Names the record and what it is meant to be: `<number> valid`, or `<number> <reason>`. Ingest does not know it.
pub const MARK: &str = "chaos";

/// Names and values.
pub type Headers = Vec<(String, Vec<u8>)>;

/// Events that may be sent again.
const KEPT_MAX: usize = 20_000;
/// How far back a near repeat reaches, in events.
const NEAR: usize = 32;
const HOUR_MS: i64 = 3_600_000;

/// A record to produce.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its topic.
    pub topic: &'static str,
    /// Its partition.
    pub partition: i32,
    /// Its timestamp in Unix milliseconds, where Kafka lets us choose it.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: String,
    /// Its headers.
    pub headers: Headers,
    /// Its value.
    pub payload: Option<Vec<u8>>,
}

/// An event, before it is put into a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub(crate) topic: &'static str,
    pub(crate) partition: i32,
    pub(crate) key: String,
    pub(crate) kind: &'static str,
    pub(crate) source: String,
    pub(crate) id: String,
    /// RFC 3339.
    pub(crate) time: String,
    pub(crate) data: Value,
    /// Everything in the value, instead of attributes in the headers.
    pub(crate) structured: bool,
}

/// Partitions of the input topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partitions {
    /// Of usage.
    pub usage: i32,
    /// Of each other topic.
    pub others: i32,
}

/// Draws events for ever.
pub struct Events {
    random: ChaCha8Rng,
    partitions: Partitions,
    drawn: u64,
    /// What was sent and may be sent again, in no order once it is full.
    kept: Vec<Event>,
    recent: Vec<Event>,
}

impl Events {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64, partitions: Partitions) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self { random, partitions, drawn: 0, kept: Vec::new(), recent: Vec::new() }
    }

    /// The next record. `now_ms` is now, `usage_ms` the timestamp that usage gets.
    pub fn draw(&mut self, now_ms: i64, usage_ms: i64) -> Record {
        let number = self.drawn;
        self.drawn += 1;
        let roll: f64 = self.random.random();
        let (event, malformation) = match self.pick_earlier(roll) {
            Some(earlier) if roll < 0.08 => (self.again(earlier, now_ms, usage_ms), None),
            // The same pair in another partition, and the same id of another source: both are new.
            Some(earlier) if roll < 0.09 => (Event { partition: self.partition(earlier.topic), ..earlier }, None),
            Some(earlier) if roll < 0.10 => (Event { source: format!("{}/other", earlier.source), ..earlier }, None),
            _ => {
                let event = self.fresh(now_ms, usage_ms);
                let malformation = (roll >= 0.96).then(|| malformed::draw(&mut self.random));
                (event, malformation)
            }
        };
        // Also what is malformed now: sent again in order, it is the first of its pair.
        self.keep(event.clone());
        event.record(number, malformation, if event.topic == USAGE { usage_ms } else { now_ms })
    }

    /// An event that was sent already: a near one, or any.
    fn pick_earlier(&mut self, roll: f64) -> Option<Event> {
        let among = if roll < 0.04 { &self.recent } else { &self.kept };
        (!among.is_empty()).then(|| among[self.random.random_range(0..among.len())].clone())
    }

    /// The pair again; now and then with other content, in which case the rule takes the first.
    fn again(&mut self, earlier: Event, now_ms: i64, usage_ms: i64) -> Event {
        if self.random.random_bool(0.7) {
            return earlier;
        }
        let Event { topic, partition, source, id, .. } = earlier;
        loop {
            let other = self.fresh(now_ms, usage_ms);
            if other.topic == topic {
                return Event { partition, source, id, ..other };
            }
        }
    }

    fn keep(&mut self, event: Event) {
        if self.recent.len() == NEAR {
            self.recent.remove(0);
        }
        self.recent.push(event.clone());
        if self.kept.len() < KEPT_MAX {
            self.kept.push(event);
        } else {
            let at = self.random.random_range(0..KEPT_MAX);
            self.kept[at] = event;
        }
    }

    fn fresh(&mut self, now_ms: i64, usage_ms: i64) -> Event {
        let (topic, kind, data) = self.content();
        let received_ms = if topic == USAGE { usage_ms } else { now_ms };
        let account = data["account"].as_str().unwrap_or("catalog").to_owned();
        Event {
            topic,
            partition: self.partition(topic),
            key: account,
            kind,
            source: format!("//flywheel/tests/chaos/{}", self.random.random_range(0..3)),
            id: format!("e-{:08x}", self.random.random::<u64>() >> 16),
            time: self.time(received_ms),
            data,
            structured: self.random.random_bool(0.05),
        }
    }

    fn content(&mut self) -> (&'static str, &'static str, Value) {
        let mut data = json!({
            "team": format!("team-{}", self.random.random_range(0..5)),
            "feature": format!("feature-{}", self.random.random_range(0..12)),
            "account": format!("account-{}", self.random.random_range(0..200)),
        });
        match self.random.random_range(0..100) {
            0..58 => {
                data["operation"] = self.one_of(&["query", "scan", "größer \"als\" 5 µs"]);
                data["count"] = json!(self.random.random_range(1..1_000_u64));
                self.sometimes(&mut data, "duration_us", |random| json!(random.random_range(0..1_000_000_u64)));
                self.sometimes(&mut data, "outcome", |random| pick(random, &["ok", "error", "denied"]));
                (USAGE, "io.flywheel.usage.observed.v1", data)
            }
            58..76 => {
                data["signal"] = self.one_of(&["full_scan", "cross_region_read"]);
                data["count"] = json!(self.random.random_range(1..100_u64));
                (USAGE, "io.flywheel.need.signaled.v1", data)
            }
            76..90 => {
                data["importance"] = self.one_of(&["nice_to_have", "important", "critical"]);
                self.sometimes(&mut data, "channel", |random| pick(random, &["support", "github", ""]));
                self.sometimes(&mut data, "text", |random| pick(random, &["We need it.\nSoon.", "", "\u{1f680} \\ /"]));
                self.sometimes(&mut data, "requester", |random| pick(random, &["Ada", "Grace"]));
                self.sometimes(&mut data, "ref", |random| json!(format!("#{}", random.random_range(1..9_999))));
                (REQUESTS, "io.flywheel.request.stated.v1", data)
            }
            90..95 => (REQUESTS, "io.flywheel.request.withdrawn.v1", data),
            95..98 => self.account(&data),
            98 => self.team(&data),
            _ => self.feature(&data),
        }
    }

    fn account(&mut self, of: &Value) -> (&'static str, &'static str, Value) {
        let mut data = json!({"account": of["account"], "tier": self.one_of(&["standard", "growth", "enterprise"])});
        self.sometimes(&mut data, "segments", |random| {
            if random.random_bool(0.5) { json!(["emea", "fintech"]) } else { json!([]) }
        });
        (CATALOG, "io.flywheel.account.defined.v1", data)
    }

    fn team(&mut self, of: &Value) -> (&'static str, &'static str, Value) {
        let mut data = json!({"team": of["team"], "name": "A team"});
        self.sometimes(&mut data, "segments", |_| json!(["emea"]));
        self.sometimes(&mut data, "parameters", |random| {
            let demand: f64 = pick(random, &["0.25", "0.5", "0.75"]).as_str().and_then(|text| text.parse().ok()).unwrap_or(0.5);
            json!({"activity_window_days": 30.5, "need_min_count": 3, "demand_weight": demand, "need_weight": 1.0 - demand})
        });
        (CATALOG, "io.flywheel.team.defined.v1", data)
    }

    fn feature(&mut self, of: &Value) -> (&'static str, &'static str, Value) {
        let status = self.one_of(&["proposed", "planned", "building", "launched", "retired"]);
        let mut data = json!({"team": of["team"], "feature": of["feature"], "title": "A feature", "status": status});
        self.sometimes(&mut data, "merged_into", |random| json!(format!("feature-{}", random.random_range(0..12))));
        self.sometimes(&mut data, "effort_months", |random| json!(f64::from(random.random_range(1..40)) / 4.0));
        self.sometimes(&mut data, "door", |random| pick(random, &["one_way", "two_way"]));
        (CATALOG, "io.flywheel.feature.defined.v1", data)
    }

    /// Up to three days back, at times on the hour, and a little ahead now and then.
    fn time(&mut self, received_ms: i64) -> String {
        let back_ms = match self.random.random_range(0..20) {
            0 => -self.random.random_range(0..23 * HOUR_MS),
            _ => self.random.random_range(0..72 * HOUR_MS),
        };
        let mut micros = (received_ms - back_ms) * 1_000 + self.random.random_range(0..1_000);
        if self.random.random_bool(0.1) {
            micros -= micros.rem_euclid(HOUR_MS * 1_000);
        }
        Timestamp(micros).to_rfc3339()
    }

    fn partition(&mut self, topic: &str) -> i32 {
        let partitions = if topic == USAGE { self.partitions.usage } else { self.partitions.others };
        self.random.random_range(0..partitions)
    }

    fn one_of(&mut self, of: &[&str]) -> Value {
        pick(&mut self.random, of)
    }

    /// Adds a member that may be left out.
    fn sometimes(&mut self, data: &mut Value, name: &str, value: impl FnOnce(&mut ChaCha8Rng) -> Value) {
        if self.random.random_bool(0.4) {
            data[name] = value(&mut self.random);
        }
    }
}

fn pick(random: &mut ChaCha8Rng, of: &[&str]) -> Value {
    json!(of[random.random_range(0..of.len())])
}

impl Event {
    /// The record of that number with this event in it, malformed if so wished.
    pub(crate) fn record(&self, number: u64, malformation: Option<Malformation>, timestamp_ms: i64) -> Record {
        let (mut headers, payload) = if self.structured && malformation.is_none() {
            self.structured_mode()
        } else {
            (self.attributes(), Some(self.data.to_string().into_bytes()))
        };
        let mut payload = payload;
        let verdict = match malformation {
            None => "valid",
            Some(malformation) => malformation.apply(&mut headers, &mut payload),
        };
        headers.push((MARK.to_owned(), format!("{number} {verdict}").into_bytes()));
        let Self { topic, partition, key, .. } = self;
        Record { topic, partition: *partition, timestamp_ms, key: key.clone(), headers, payload }
    }

    fn attributes(&self) -> Headers {
        [
            ("ce_specversion", "1.0"),
            ("ce_id", &self.id),
            ("ce_source", &self.source),
            ("ce_type", self.kind),
            ("ce_time", &self.time),
            ("content-type", "application/json"),
        ]
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .to_vec()
    }

    fn structured_mode(&self) -> (Headers, Option<Vec<u8>>) {
        let whole = json!({
            "specversion": "1.0", "id": self.id, "source": self.source, "type": self.kind, "time": self.time,
            "data": self.data,
        });
        let content_type = ("content-type".to_owned(), b"application/cloudevents+json".to_vec());
        (vec![content_type], Some(whole.to_string().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        log::{Logged, Place},
        verdict::{self, Demanded},
    };

    /// What so many records demand, every one received a second after the one before.
    fn demanded(seed: u64, records: i64) -> Demanded {
        let mut events = Events::new(seed, Partitions { usage: 3, others: 2 });
        let mut logs: BTreeMap<Place, Vec<Logged>> = BTreeMap::new();
        for at in 0..records {
            let record = events.draw(at * 1_000, at * 1_000);
            let log = logs.entry((record.topic, record.partition)).or_default();
            log.push(Logged {
                offset: log.len() as i64,
                received_ms: record.timestamp_ms,
                key: Some(record.key.into_bytes()),
                headers: record.headers.into_iter().map(|(name, value)| (name, Some(value))).collect(),
                payload: record.payload,
            });
        }
        let mut all = Demanded::default();
        for (place, log) in logs {
            let one = verdict::of(place, &log).unwrap();
            all.requests.extend(one.requests);
            all.request_texts.extend(one.request_texts);
            all.usage.extend(one.usage);
            all.needs.extend(one.needs);
            all.teams.extend(one.teams);
            all.features.extend(one.features);
            all.accounts.extend(one.accounts);
            all.dead_letters.extend(one.dead_letters);
            all.repeats.extend(one.repeats);
        }
        all
    }

    #[test]
    fn every_table_gets_rows_and_every_malformation_happens() {
        let all = demanded(1, 20_000);
        let rows =
            [&all.requests.len(), &all.request_texts.len(), &all.usage.len(), &all.needs.len(), &all.teams.len()];
        let others = [&all.features.len(), &all.accounts.len(), &all.dead_letters.len(), &all.repeats.len()];
        assert!(rows.into_iter().chain(others).all(|rows| *rows > 50), "{rows:?} {others:?}");
        let reasons: std::collections::BTreeSet<_> = all.dead_letters.iter().map(|letter| &letter.reason).collect();
        assert_eq!(reasons.len(), 18, "{reasons:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_events() {
        assert_eq!(demanded(7, 500), demanded(7, 500));
        assert_ne!(demanded(7, 500), demanded(8, 500));
    }
}
