//! The ingest role's instruments: names, units and descriptions in one place.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clickhouse::error::Error;
use domain::ids::Partition;
use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram},
};
use opentelemetry_semantic_conventions::attribute;

use crate::{batch::Batch, progress::Progress};

/// Seconds from Kafka's receipt of a record to its rows being durable. A ranking is meant to follow within a second or two.
const FRESHNESS_BOUNDARIES: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0];

/// The instruments. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    consumed: Counter<u64>,
    process_duration: Histogram<f64>,
    insert_duration: Histogram<f64>,
    rows: Counter<u64>,
    dead_letters: Counter<u64>,
    freshness: Histogram<f64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = global::meter("flywheel.ingest");
        Self {
            consumed: kit::metrics::messaging_client_consumed_messages(&meter),
            process_duration: kit::metrics::messaging_process_duration(&meter),
            insert_duration: kit::metrics::db_client_operation_duration(&meter),
            rows: meter
                .u64_counter("flywheel.ingest.rows")
                .with_unit("{row}")
                .with_description("Rows that ClickHouse acknowledged, by table.")
                .build(),
            dead_letters: meter
                .u64_counter("flywheel.ingest.dead_letters")
                .with_unit("{record}")
                .with_description("Records that became dead letters, by reason.")
                .build(),
            freshness: kit::telemetry::seconds_histogram(
                &meter,
                "flywheel.ingest.freshness",
                "From Kafka's receipt of a partition's last record in a batch to its rows being durable.",
                FRESHNESS_BOUNDARIES,
            ),
        }
    }

    /// A batch is durable: `written` are the rows of each table, `reasons` its dead letters by reason, `took` is the time
    /// from its first insert to its last acknowledgement.
    pub(crate) fn batch_written(
        &self,
        batch: &Batch,
        written: &[(&'static str, usize)],
        reasons: &BTreeMap<&'static str, u64>,
        took: Duration,
    ) {
        let system = KeyValue::new(attribute::MESSAGING_SYSTEM, "kafka");
        let operation = |name: &'static str| KeyValue::new(attribute::MESSAGING_OPERATION_NAME, name);
        for ((topic, _), position) in &batch.positions {
            let topic = KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, *topic);
            self.consumed.add(position.records, &[system.clone(), operation("poll"), topic]);
        }
        self.process_duration.record(took.as_secs_f64(), &[system, operation("process")]);
        for (table, rows) in written {
            self.rows.add(*rows as u64, &[KeyValue::new(attribute::DB_COLLECTION_NAME, *table)]);
        }
        for (reason, count) in reasons {
            self.dead_letters.add(*count, &[KeyValue::new("flywheel.reason", *reason)]);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        for ((topic, _), position) in &batch.positions {
            let received = position.timestamp_ms as f64 / 1_000.0;
            let topic = KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, *topic);
            self.freshness.record((now - received).max(0.0), &[topic]);
        }
    }

    /// One try of an insert ended.
    pub(crate) fn inserted(&self, table: &'static str, took: Duration, error: Option<&Error>) {
        let mut attributes = vec![
            KeyValue::new(attribute::DB_SYSTEM_NAME, "clickhouse"),
            KeyValue::new(attribute::DB_OPERATION_NAME, "INSERT"),
            KeyValue::new(attribute::DB_COLLECTION_NAME, table),
        ];
        if let Some(error) = error {
            attributes.push(KeyValue::new(attribute::ERROR_TYPE, error_type(error)));
        }
        self.insert_duration.record(took.as_secs_f64(), &attributes);
    }
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
