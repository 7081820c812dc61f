//! A load at a steady rate from a producer that costs the machine next to nothing, because it shares the processors with
//! what is measured.
//!
//! Every so often one request carries a batch for each partition. The batches are written beforehand and sent in turn; only
//! what must differ from one sending to the next is written again in place: ids, a probe's time, the checksum.
//!
//! - [`batch`]: Kafka's batch of records, and what changes in it.
//! - [`block`]: LZ4 that leaves room for changes.
//! - [`connection`]: requests and answers.

mod batch;
mod block;
mod connection;

use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use flywheel_sdk::{Event, EventTime, Outcome, Record, UsageObserved};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use wire::topics::USAGE;

use self::{
    batch::{Batch, Draft, header},
    connection::Connection,
};
use crate::{
    backlog::now_us,
    events::{Events, id},
};

/// Probes are of a team of their own, so that their rows are found without reading others.
pub(crate) const PROBE_TEAM: &str = "bench-probe";
/// As long as the SDK's producer waits for a batch to fill. One of the batches carries one probe.
const STEP: Duration = Duration::from_millis(10);
/// By the step.
pub(crate) const PROBES_PER_S: usize = 100;
/// Each partition has so many batches for every partition; among them is one of each with a probe.
const ROUNDS: usize = 2;
const SEED: u64 = 20_261_122;

/// Events that are ready to be sent at a rate.
pub(crate) struct Load {
    /// By step, and then by partition; the first step follows the last.
    steps: Vec<Vec<Batch>>,
    rate_per_s: f64,
}

/// What was sent.
pub(crate) struct Sent {
    pub(crate) events: u64,
    pub(crate) elapsed: Duration,
    /// Milliseconds by which each request left later than its time, sorted; those of the warm-up left out.
    pub(crate) late_ms: Vec<f64>,
}

impl Load {
    /// Usage as in the backlog and probes among it, in the partitions that the SDK's client would choose.
    ///
    /// # Errors
    /// When a record cannot be encoded.
    pub(crate) fn new(partitions: usize, rate_per_s: f64) -> anyhow::Result<Self> {
        let events_of_a_batch = ((rate_per_s * STEP.as_secs_f64() / partitions as f64).round() as usize).max(1);
        let steps = ROUNDS * partitions;
        let mut waiting = records(partitions, steps * events_of_a_batch)?;
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let mut batch = |step: usize, partition: usize| {
            let from = waiting[partition].len() - events_of_a_batch;
            let mut drafts: Vec<Draft> =
                waiting[partition].drain(from..).map(|record| Draft { record, sent_now: false }).collect();
            if step % partitions == partition {
                let record = probe(partition, partitions)?;
                drafts[events_of_a_batch / 2] = Draft { record, sent_now: true };
            }
            Batch::new(&drafts, &mut rng)
        };
        let steps = (0..steps)
            .map(|step| (0..partitions).map(|partition| batch(step, partition)).collect())
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { steps, rate_per_s })
    }

    /// Sends for `length`. What is late is sent as soon as it can be.
    ///
    /// # Errors
    /// When Kafka cannot be reached or does not take a batch.
    pub(crate) fn send(mut self, brokers: &str, warm_up: Duration, length: Duration) -> anyhow::Result<Sent> {
        let mut connection = Connection::open(brokers)?;
        let total = (self.rate_per_s * length.as_secs_f64()) as u64;
        let (mut events, mut late_ms) = (0, Vec::new());
        let began = Instant::now();
        for step in 0.. {
            if events >= total {
                break;
            }
            let due = Duration::from_secs_f64(events as f64 / self.rate_per_s);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            connection.wait_for_room()?;
            if due >= warm_up {
                late_ms.push(began.elapsed().saturating_sub(due).as_secs_f64() * 1_000.0);
            }
            let now = now_as_sent()?;
            let count = self.steps.len();
            let batches = &mut self.steps[step % count];
            for batch in batches.iter_mut() {
                batch.stamp(events, &now);
                events += batch.records();
            }
            connection.send(USAGE, batches)?;
        }
        let elapsed = began.elapsed();
        connection.close()?;
        late_ms.sort_by(f64::total_cmp);
        Ok(Sent { events, elapsed, late_ms })
    }
}

/// As many records for each partition.
fn records(partitions: usize, of_each: usize) -> anyhow::Result<Vec<Vec<Record>>> {
    let mut events = Events::new((partitions * of_each) as u64, 1, now_us());
    let mut records = vec![Vec::with_capacity(of_each); partitions];
    let mut missing = partitions * of_each;
    while missing > 0 {
        let record = events.next_record()?;
        let of_partition = &mut records[partition(&record.key, partitions)];
        if of_partition.len() < of_each {
            of_partition.push(record);
            missing -= 1;
        }
    }
    Ok(records)
}

/// An event of the probes' team whose account belongs to a partition.
fn probe(partition: usize, partitions: usize) -> anyhow::Result<Record> {
    let account =
        (0..1_000).map(|number| format!("probe-{number}")).find(|key| self::partition(key, partitions) == partition);
    let data = usage_of_a_probe(account.context("no account of a probe belongs to a partition")?);
    let time = EventTime::At(SystemTime::now());
    Ok(Record::of(&Event::new("//bench", time, data).with_id(id(now_us() / 1_000, [0; 10])))?)
}

fn usage_of_a_probe(account: String) -> UsageObserved {
    UsageObserved {
        team: PROBE_TEAM.to_owned(),
        feature: "probe".to_owned(),
        account,
        operation: "probe".to_owned(),
        count: 1,
        duration_us: None,
        outcome: Some(Outcome::Ok),
    }
}

/// The time header of an event that is sent now.
fn now_as_sent() -> anyhow::Result<Vec<u8>> {
    let record = probe(0, 1)?;
    Ok(header(&record, batch::TIME_HEADER)?.to_vec())
}

/// Where the client's own partitioner puts a key.
fn partition(key: &str, partitions: usize) -> usize {
    crc32(key.as_bytes()) as usize % partitions
}

/// The checksum of IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use rdkafka::{
        ClientConfig, Offset, TopicPartitionList,
        consumer::{BaseConsumer, Consumer as _},
        message::{Headers as _, Message as _},
        mocking::MockCluster,
    };
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;

    const PARTITIONS: i32 = 3;

    /// What a consumer finds in a record.
    struct Seen {
        partition: i32,
        key: String,
        headers: Vec<(String, String)>,
        payload: Value,
    }

    impl Seen {
        fn header(&self, name: &str) -> &str {
            &self.headers.iter().find(|(of, _)| of == name).unwrap().1
        }
    }

    /// Every record of the topic, checksums checked.
    fn consume(brokers: &str, count: u64) -> Vec<Seen> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "all")
            .set("check.crcs", "true")
            .create()
            .unwrap();
        let mut all = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            all.add_partition_offset(USAGE, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&all).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut seen = Vec::new();
        while (seen.len() as u64) < count {
            assert!(Instant::now() < deadline, "{} of {count} records came", seen.len());
            let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
            let message = message.unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let headers = message.headers().unwrap().iter();
            seen.push(Seen {
                partition: message.partition(),
                key: text(message.key().unwrap()),
                headers: headers.map(|header| (header.key.to_owned(), text(header.value.unwrap()))).collect(),
                payload: serde_json::from_slice(message.payload().unwrap()).unwrap(),
            });
        }
        assert!(consumer.poll(Duration::ZERO).is_none(), "there are more records");
        seen
    }

    #[test]
    fn what_is_sent_is_read_as_events_of_the_sdk_with_ids_of_their_own() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(USAGE, PARTITIONS, 1).unwrap();
        let brokers = cluster.bootstrap_servers();
        let load = Load::new(PARTITIONS as usize, 60_000.0).unwrap();
        let before = EventTime::At(SystemTime::now());
        let sent = load.send(&brokers, Duration::ZERO, Duration::from_millis(200)).unwrap();
        assert!(sent.events >= 12_000, "{}", sent.events);

        let seen = consume(&brokers, sent.events);
        let like_the_sdk = probe(0, 1).unwrap();
        let names: Vec<&String> = like_the_sdk.headers.iter().map(|(name, _)| name).collect();
        let mut places: HashMap<&str, i32> = HashMap::new();
        for record in &seen {
            assert!(record.headers.iter().map(|(name, _)| name).eq(names.iter().copied()), "{:?}", record.headers);
            assert_eq!(record.payload["account"], record.key);
            assert_eq!(partition(&record.key, PARTITIONS as usize) as i32, record.partition);
            assert_eq!(*places.entry(&record.key).or_insert(record.partition), record.partition);
        }
        let ids: BTreeSet<Uuid> = seen.iter().map(|record| record.header("ce_id").parse().unwrap()).collect();
        assert_eq!(ids.len(), seen.len(), "ids came twice");

        let probes: Vec<&Seen> = seen.iter().filter(|record| record.payload["team"] == PROBE_TEAM).collect();
        assert_eq!(probes.len(), sent.late_ms.len(), "one probe in each request");
        let record = |time| Record::of(&Event::new("//bench", time, usage_of_a_probe("a".to_owned()))).unwrap();
        let (before, after) = (record(before), record(EventTime::At(SystemTime::now())));
        let window = header(&before, batch::TIME_HEADER).unwrap()..header(&after, batch::TIME_HEADER).unwrap();
        let times: BTreeSet<&str> = probes.iter().map(|record| record.header("ce_time")).collect();
        assert_eq!(times.len(), probes.len(), "a time came twice");
        assert!(times.iter().all(|time| window.contains(&time.as_bytes())), "{times:?}");
    }

    #[test]
    fn what_kafka_does_not_take_is_an_error() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(USAGE, PARTITIONS, 1).unwrap();
        // One partition more than the topic has.
        let load = Load::new(PARTITIONS as usize + 1, 1_000.0).unwrap();
        let sent = load.send(&cluster.bootstrap_servers(), Duration::ZERO, Duration::from_millis(20));
        let error = format!("{:#}", sent.err().unwrap());
        assert!(error.contains("partition 3: error 3"), "{error}");
    }

    #[test]
    fn keys_go_where_the_client_would_put_them() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
