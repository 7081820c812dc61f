//! Rankings that the bench publishes itself, as the ranker does.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use domain::time::{MICROS_PER_SECOND, Timestamp};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use wire::{
    ranking::{
        Confidence, Contributions, Demand, Item, Need, Outside, Parameters, Population, Ranking, Reading, Sensitivity,
        Status, TierWeights,
    },
    topics::{RANKING_PUBLISHED, RANKINGS},
};

const PUBLISH_MAX: Duration = Duration::from_secs(10);

/// Publishes rankings, each with a number that is its own.
pub(crate) struct Publisher {
    producer: FutureProducer,
    published: AtomicU64,
}

/// A ranking that was published.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) number: u64,
    /// When it was given to Kafka's client.
    pub(crate) sent: Instant,
}

impl Publisher {
    /// To these brokers.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub(crate) fn to(brokers: &str) -> anyhow::Result<Self> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("linger.ms", "0")
            .set("message.max.bytes", "8000000")
            .create()
            .context("cannot make a producer")?;
        Ok(Self { producer, published: AtomicU64::new(0) })
    }

    /// Publishes a ranking of so many features.
    ///
    /// # Errors
    /// When Kafka does not take it.
    pub(crate) async fn publish(&self, team: &str, items: usize) -> anyhow::Result<Made> {
        let number = self.published.fetch_add(1, Ordering::Relaxed);
        let as_of = now();
        let text = serde_json::to_vec(&ranking(team, items, as_of, number))?;
        let id = snapshot(as_of, number);
        let time = as_of.to_rfc3339();
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", &id),
            ("ce_source", "//flywheel/bench/api"),
            ("ce_type", RANKING_PUBLISHED),
            ("ce_time", &time),
        ];
        let headers = headers.into_iter().fold(OwnedHeaders::new_with_capacity(5), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        let record = FutureRecord::to(RANKINGS).key(team).payload(&text).headers(headers);
        let sent = Instant::now();
        let delivered = self.producer.send(record, PUBLISH_MAX).await;
        delivered.map_err(|(error, _)| anyhow!(error)).context("Kafka does not take a ranking")?;
        Ok(Made { number, sent })
    }
}

/// The number of the ranking with this snapshot id.
pub(crate) fn number(snapshot: &str) -> Option<u64> {
    u64::from_str_radix(snapshot.rsplit_once('-')?.1, 16).ok()
}

/// As the ranker names them; the number is where it has a hash.
fn snapshot(as_of: Timestamp, number: u64) -> String {
    let second = Timestamp(as_of.0.div_euclid(MICROS_PER_SECOND) * MICROS_PER_SECOND).to_rfc3339();
    format!("{}-{number:012x}", second.replace(['-', ':'], ""))
}

fn ranking(team: &str, items: usize, as_of: Timestamp, number: u64) -> Ranking {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    Ranking {
        team: team.to_owned(),
        segment: None,
        as_of: as_of.to_rfc3339(),
        data_through: as_of.plus_micros(-200_000).to_rfc3339(),
        formula: "v1".to_owned(),
        snapshot: Some(snapshot(as_of, number)),
        before_first_event: false,
        confidence: Confidence::Ok,
        parameters: Parameters {
            activity_window_days: 90.0,
            half_life_days: 90.0,
            need_window_days: 30.0,
            need_min_count: 1,
            demand_weight: 0.6,
            need_weight: 0.4,
            confidence: 0.95,
        },
        tier_weights: TierWeights::default(),
        population: Population { accounts: 41_873, used: 40_912, weight: 58_441.0, effective: 33_905.717_204_1 },
        items: (0..items).map(|place| item(place, items, &mut random)).collect(),
        iterate: Vec::new(),
        sensitivity: Some(Sensitivity {
            first: feature(0),
            demand_weight_low: 0.412_905_811_3,
            first_below: Some(feature(1)),
            demand_weight_high: 0.683_739_166_02,
            first_above: Some(feature(2)),
        }),
        merge_cycles: Vec::new(),
        next_cursor: None,
    }
}

fn feature(place: usize) -> String {
    format!("feature-with-a-name-{place}")
}

/// Its numbers have as many digits as those of a real one.
fn item(place: usize, items: usize, random: &mut ChaCha8Rng) -> Item {
    let mut share = || random.random_range(0.0..1.0);
    let (demand, need) = (share(), share());
    Item {
        rank: place as u32 + 1,
        rank_low: Some((place as u32).max(1)),
        rank_high: Some((place + 2).min(items) as u32),
        tie_group: Some(place as u32 / 2 + 1),
        surely_above_next: (place + 1 < items).then_some(place % 2 == 1),
        feature: feature(place),
        title: format!("A feature that customers ask for, number {place}"),
        status: Some(Status::Proposed),
        door: Some("two_way".to_owned()),
        door_decision: None,
        effort_months: Some(2.5),
        score_per_effort: Some(share() * 40.0),
        score: demand * 60.0 + need * 40.0,
        contributions: Contributions { demand: demand * 60.0, need: need * 40.0 },
        demand: Demand {
            share: demand,
            low: demand * 0.98,
            high: demand * 1.02,
            accounts: (demand * 41_873.0) as u64,
            requests: (demand * 55_301.0) as u64,
            outside: Outside { lapsed: 412, never_used: 97 },
        },
        need: Need {
            share: need,
            low: need * 0.98,
            high: need * 1.02,
            accounts: (need * 41_873.0) as u64,
            measured: true,
        },
        reading: Some(Reading::AskedAndNeeded),
        top_account_share: Some(share() / 1_000.0),
        rank_change_7d: Some(1),
    }
}

/// Now, to the microsecond.
pub(crate) fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_s_id_holds_its_number() {
        let id = snapshot(Timestamp(1_795_284_000_123_456), 77);
        assert_eq!((id.as_str(), number(&id)), ("20261121T180000Z-00000000004d", Some(77)));
    }
}
