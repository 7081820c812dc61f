//! The ingest role's instruments: names, units and descriptions in one place.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clickhouse::error::Error;
use domain::ids::Partition;
use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram, Meter},
};
use opentelemetry_semantic_conventions::attribute;

use protocol::{CommitAnswer, TopicPartition};
use wire::topics::INPUTS;

use crate::{clickhouse::Findings, member::Rows, progress::Progress};

/// Seconds from Kafka's receipt of a record to its rows being durable. A ranking is meant to follow within a second or two.
const FRESHNESS_BOUNDARIES: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0];

/// The instruments. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    consumed: Counter<u64>,
    process_duration: Histogram<f64>,
    insert_duration: Histogram<f64>,
    commit_duration: Histogram<f64>,
    rows: Counter<u64>,
    bytes: Counter<u64>,
    dead_letters: Counter<u64>,
    repeats: Counter<u64>,
    replays: Counter<u64>,
    audited: Counter<u64>,
    audit_findings: Counter<u64>,
    freshness: Histogram<f64>,
    standing: Arc<Mutex<Standing>>,
}

/// How the loop stands, as it says now and then.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Memory that rows take which are not durable yet, in bytes.
    pub(crate) buffered_bytes: u64,
    /// The bound of the same, in bytes.
    pub(crate) buffered_bytes_max: u64,
    /// Memory that the windows take which recognise repeats, in bytes.
    pub(crate) windows_bytes: u64,
    /// How long ago the oldest range was sealed that is not durable yet, for each partition that has one.
    pub(crate) range_ages: Vec<(TopicPartition, Duration)>,
    /// How far back a repeat is recognised in memory, for each partition, in milliseconds.
    pub(crate) horizons_ms: Vec<(TopicPartition, i64)>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = global::meter("flywheel.ingest");
        let standing = Arc::new(Mutex::new(Standing::default()));
        observe_standing(&meter, &standing);
        let metrics = Self {
            consumed: kit::metrics::messaging_client_consumed_messages(&meter),
            process_duration: kit::metrics::messaging_process_duration(&meter),
            insert_duration: kit::metrics::db_client_operation_duration(&meter),
            commit_duration: kit::metrics::messaging_client_operation_duration(&meter),
            rows: meter
                .u64_counter("flywheel.ingest.rows")
                .with_unit("{row}")
                .with_description("Rows that ClickHouse acknowledged, by table.")
                .build(),
            bytes: meter
                .u64_counter("flywheel.ingest.inserted")
                .with_unit("By")
                .with_description("Bytes of blocks sent to ClickHouse before compression, tries included, by table.")
                .build(),
            dead_letters: meter
                .u64_counter("flywheel.ingest.dead_letters")
                .with_unit("{record}")
                .with_description("Records that became dead letters, by reason.")
                .build(),
            repeats: meter
                .u64_counter("flywheel.ingest.repeats")
                .with_unit("{record}")
                .with_description("Records that repeat an earlier one of their partition and do not count.")
                .build(),
            replays: meter
                .u64_counter("flywheel.ingest.replays")
                .with_unit("{range}")
                .with_description("Declared ranges that were read again because their rows were not all there.")
                .build(),
            audited: meter
                .u64_counter("flywheel.ingest.audited")
                .with_unit("{offset}")
                .with_description("Offsets whose rows were counted after they were written.")
                .build(),
            audit_findings: meter
                .u64_counter("flywheel.ingest.audit.findings")
                .with_unit("{row}")
                .with_description("Rows that the audit found doubled or missing. Anything but 0 is an error.")
                .build(),
            freshness: kit::telemetry::seconds_histogram(
                &meter,
                "flywheel.ingest.freshness",
                "From Kafka's receipt of a partition's last record in a range to its rows being durable.",
                FRESHNESS_BOUNDARIES,
            ),
            standing,
        };
        // So that what never happened is 0, and not absent: an alert on an increase sees the first one too.
        for topic in INPUTS {
            let topic = [KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, topic)];
            metrics.repeats.add(0, &topic);
            metrics.replays.add(0, &topic);
        }
        metrics
    }

    /// An insert of a group ended: `written` are the rows of each table, `took` is the time from its first byte to its last
    /// acknowledgement.
    pub(crate) fn batch_written(&self, written: &[(&'static str, usize)], took: Duration) {
        let system = KeyValue::new(attribute::MESSAGING_SYSTEM, "kafka");
        let operation = KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "process");
        self.process_duration.record(took.as_secs_f64(), &[system, operation]);
        for (table, rows) in written {
            self.rows.add(*rows as u64, &[KeyValue::new(attribute::DB_COLLECTION_NAME, *table)]);
        }
    }

    /// A range of `topic` is durable.
    pub(crate) fn durable(&self, topic: &'static str, rows: &Rows) {
        let topic = KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, topic);
        let system = KeyValue::new(attribute::MESSAGING_SYSTEM, "kafka");
        let operation = KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "poll");
        self.consumed.add(rows.records, &[system, operation, topic.clone()]);
        for (reason, count) in rows.tables.reasons() {
            self.dead_letters.add(*count, &[KeyValue::new("flywheel.reason", *reason)]);
        }
        let repeats = rows.tables.repeats();
        if repeats > 0 {
            self.repeats.add(repeats as u64, std::slice::from_ref(&topic));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.freshness.record((now - rows.timestamp_ms as f64 / 1_000.0).max(0.0), &[topic]);
    }

    /// A declared range of `topic` was read again.
    pub(crate) fn replayed(&self, topic: &'static str) {
        self.replays.add(1, &[KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, topic)]);
    }

    /// One try of an insert of so many bytes ended.
    pub(crate) fn inserted(&self, table: &'static str, bytes: usize, took: Duration, error: Option<&Error>) {
        let mut attributes = vec![
            KeyValue::new(attribute::DB_SYSTEM_NAME, "clickhouse"),
            KeyValue::new(attribute::DB_OPERATION_NAME, "INSERT"),
            KeyValue::new(attribute::DB_COLLECTION_NAME, table),
        ];
        self.bytes.add(bytes as u64, &attributes[2..]);
        if let Some(error) = error {
            attributes.push(KeyValue::new(attribute::ERROR_TYPE, error_type(error)));
        }
        self.insert_duration.record(took.as_secs_f64(), &attributes);
    }

    /// A commit was answered.
    pub(crate) fn committed(&self, took: Duration, answer: CommitAnswer) {
        let mut attributes = vec![
            KeyValue::new(attribute::MESSAGING_SYSTEM, "kafka"),
            KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "commit"),
        ];
        let error = match answer {
            CommitAnswer::Ok => None,
            CommitAnswer::Fenced => Some("fenced"),
            CommitAnswer::Failed => Some("refused"),
            CommitAnswer::Unknown => Some("unknown"),
        };
        attributes.extend(error.map(|error| KeyValue::new(attribute::ERROR_TYPE, error)));
        self.commit_duration.record(took.as_secs_f64(), &attributes);
    }

    /// An audit of so many offsets ended.
    pub(crate) fn audited(&self, offsets: u32, findings: Findings) {
        self.audited.add(u64::from(offsets), &[]);
        for (finding, count) in [("doubled", findings.doubled), ("missing", findings.missing)] {
            self.audit_findings.add(count, &[KeyValue::new("flywheel.finding", finding)]);
        }
    }

    /// How the loop stands now.
    pub(crate) fn stands(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }
}

fn labels(partition: TopicPartition) -> [KeyValue; 2] {
    [
        KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, partition.topic.0),
        KeyValue::new(attribute::MESSAGING_DESTINATION_PARTITION_ID, partition.partition.0.to_string()),
    ]
}

fn observe_standing(meter: &Meter, standing: &Arc<Mutex<Standing>>) {
    let bytes = |name, description, value: fn(&Standing) -> u64| {
        let standing = Arc::clone(standing);
        let gauge = meter.u64_observable_gauge(name).with_unit("By").with_description(description);
        let gauge = gauge.with_callback(move |observer| {
            observer.observe(value(&standing.lock().unwrap_or_else(PoisonError::into_inner)), &[]);
        });
        gauge.build();
    };
    bytes("flywheel.ingest.buffered", "Memory taken by rows that are not durable yet.", |now| now.buffered_bytes);
    bytes("flywheel.ingest.buffered.limit", "Intake rests while so much is buffered.", |now| now.buffered_bytes_max);
    bytes("flywheel.ingest.repeats.memory", "Memory taken by what recognises repeats.", |now| now.windows_bytes);
    let aging = Arc::clone(standing);
    meter
        .f64_observable_gauge("flywheel.ingest.range.age")
        .with_unit("s")
        .with_description("How long ago the oldest range of a partition was sealed that is not durable yet.")
        .with_callback(move |observer| {
            for (partition, age) in &aging.lock().unwrap_or_else(PoisonError::into_inner).range_ages {
                observer.observe(age.as_secs_f64(), &labels(*partition));
            }
        })
        .build();
    let remembering = Arc::clone(standing);
    meter
        .f64_observable_gauge("flywheel.ingest.repeats.horizon")
        .with_unit("s")
        .with_description("How far back in a partition a repeat is recognised from memory.")
        .with_callback(move |observer| {
            for (partition, horizon_ms) in &remembering.lock().unwrap_or_else(PoisonError::into_inner).horizons_ms {
                observer.observe(*horizon_ms as f64 / 1_000.0, &labels(*partition));
            }
        })
        .build();
}

/// Reports how far behind each assigned partition is, for as long as the process lives.
pub(crate) fn observe(progress: &Arc<Mutex<Progress>>) {
    let meter = global::meter("flywheel.ingest");
    let labels = |topic: &str, partition: Partition| {
        [
            KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, topic.to_owned()),
            KeyValue::new(attribute::MESSAGING_DESTINATION_PARTITION_ID, partition.0.to_string()),
        ]
    };
    let lagging = Arc::clone(progress);
    meter
        .u64_observable_gauge("kafka.consumer_group.lag")
        .with_unit("{message}")
        .with_description("Messages of an assigned partition that are not durable in ClickHouse yet.")
        .with_callback(move |observer| {
            let progress = lagging.lock().unwrap_or_else(PoisonError::into_inner);
            for (topic, partition, lag) in progress.lags() {
                observer.observe(lag, &labels(topic, partition));
            }
        })
        .build();
    let aging = Arc::clone(progress);
    meter
        .f64_observable_gauge("flywheel.ingest.lag")
        .with_unit("s")
        .with_description("How long ago everything in an assigned partition was durable.")
        .with_callback(move |observer| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            for reached in aging.lock().unwrap_or_else(PoisonError::into_inner).reached() {
                let age = (now - reached.progress_ms as f64 / 1_000.0).max(0.0);
                observer.observe(age, &labels(&reached.topic, reached.partition));
            }
        })
        .build();
}

/// ClickHouse's code where it answered, otherwise what kept it from answering: few distinct values.
fn error_type(error: &Error) -> String {
    match error {
        Error::BadResponse(reason) => reason
            .strip_prefix("Code: ")
            .and_then(|rest| rest.split_once('.'))
            .map_or_else(|| "bad_response".to_owned(), |(code, _)| code.to_owned()),
        Error::TimedOut => "timeout".to_owned(),
        Error::Network(_) => "network".to_owned(),
        _ => "other".to_owned(),
    }
}
