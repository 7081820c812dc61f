//! Publishes a ranking: the snapshot to ClickHouse first, then the document to the topic that the API follows.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, ensure};
use clickhouse::Client;
use domain::{ids::TeamId, time::Timestamp};
use kit::{config::KafkaConfig, kafka::Quiet};
use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram},
};
use opentelemetry_semantic_conventions::attribute;
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use tracing::Instrument as _;
use wire::{
    ranking::Ranking,
    topics::{RANKING_PUBLISHED, RANKINGS},
};

use crate::{config::RankerConfig, snapshot::SnapshotRow};

/// Name of the ranker as a source of events.
const SOURCE: &str = "//flywheel/ranker";
const INSERT_MAX: Duration = Duration::from_secs(30);
/// The topic takes records of 8 MiB, headers included.
const DOCUMENT_BYTES_MAX: usize = 8_000_000;

/// Publishes rankings.
pub(crate) struct Publisher {
    client: Client,
    producer: FutureProducer<Quiet>,
    /// What ClickHouse has and Kafka did not take, for each team at most one.
    unsent: Mutex<BTreeMap<TeamId, Document>>,
    sent: Counter<u64>,
    send_duration: Histogram<f64>,
}

/// A ranking that the topic cannot take: a team with very many features.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the ranking has {bytes} bytes, more than the {DOCUMENT_BYTES_MAX} that the topic takes")]
pub(crate) struct TooLarge {
    bytes: usize,
}

/// A ranking as it is sent.
#[derive(Clone, Debug)]
struct Document {
    /// Team and snapshot: snapshots of two teams may carry the same id.
    id: String,
    time: String,
    json: String,
}

impl Publisher {
    pub(crate) fn new(config: &RankerConfig, kafka: &KafkaConfig, client: Client) -> anyhow::Result<Self> {
        let producer = kit::kafka::client_config(kafka, "flywheel-ranker")
            // A retry must not put an older ranking behind a newer one.
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", config.send_ms_max.to_string())
            .set("message.max.bytes", "8388608")
            .set("compression.type", "lz4")
            // A ranking is waited for; there is nothing to batch it with.
            .set("linger.ms", "0")
            .create_with_context(Quiet)
            .context("the Kafka settings are not valid")?;
        let meter = global::meter("flywheel.ranker");
        Ok(Self {
            client: client.with_setting("async_insert", "0").with_setting("wait_end_of_query", "1"),
            producer,
            unsent: Mutex::default(),
            sent: kit::metrics::messaging_client_sent_messages(&meter),
            send_duration: kit::metrics::messaging_client_operation_duration(&meter),
        })
    }

    /// Sends the team's last snapshot if Kafka did not take it then. Call it before anything newer is computed: a snapshot
    /// that is stored is also published.
    ///
    /// # Errors
    /// When Kafka does not take it now either; it is kept.
    pub(crate) async fn send_unsent(&self, team: &TeamId) -> anyhow::Result<()> {
        let unsent = self.unsent().get(team).cloned();
        if let Some(document) = unsent {
            self.send(team, &document).await?;
            self.unsent().remove(team);
        }
        Ok(())
    }

    /// Publishes one ranking: the snapshot, then the record.
    ///
    /// # Errors
    /// When ClickHouse or Kafka does not take it. A record that only Kafka did not take is kept for
    /// [`Publisher::send_unsent`].
    pub(crate) async fn publish(
        &self,
        team: &TeamId,
        as_of: Timestamp,
        data_through: Timestamp,
        ranking: &Ranking,
    ) -> anyhow::Result<()> {
        let json = serde_json::to_string(ranking).context("cannot serialize the ranking")?;
        ensure!(json.len() <= DOCUMENT_BYTES_MAX, TooLarge { bytes: json.len() });
        self.store(&SnapshotRow::new(as_of, data_through, ranking, json.clone())).await?;
        let document = Document { id: format!("{team}/{}", ranking.snapshot), time: as_of.to_rfc3339(), json };
        let sent = self.send(team, &document).await;
        if sent.is_err() {
            self.unsent().insert(team.clone(), document);
        }
        sent
    }

    async fn store(&self, row: &SnapshotRow) -> anyhow::Result<()> {
        // The first insert asks for the table's columns, which the insert's own timeouts do not cover.
        let mut insert = tokio::time::timeout(INSERT_MAX, self.client.insert::<SnapshotRow>("rankings"))
            .await
            .context("ClickHouse does not answer")?
            .context("cannot insert the snapshot")?
            .with_timeouts(Some(INSERT_MAX), Some(INSERT_MAX));
        insert.write(row).await.context("cannot insert the snapshot")?;
        insert.end().await.context("cannot insert the snapshot")
    }

    async fn send(&self, team: &TeamId, document: &Document) -> anyhow::Result<()> {
        let span = tracing::info_span!(
            "send flywheel.rankings.v1",
            otel.kind = "producer",
            messaging.system = "kafka",
            messaging.destination.name = RANKINGS,
            messaging.operation.name = "send",
            messaging.operation.type = "send",
        );
        self.produce(team, document).instrument(span).await
    }

    async fn produce(&self, team: &TeamId, document: &Document) -> anyhow::Result<()> {
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", &document.id),
            ("ce_source", SOURCE),
            ("ce_type", RANKING_PUBLISHED),
            ("ce_time", &document.time),
            ("content-type", "application/json"),
        ]
        .into_iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let record = FutureRecord::to(RANKINGS)
            .key(team.as_str())
            .payload(&document.json)
            .headers(kit::propagation::inject_current(headers));

        let begun = Instant::now();
        // Zero: a full queue is an error to try again after, not something to wait for in here.
        let sent = self.producer.send(record, Duration::ZERO).await;
        let mut attributes = vec![
            KeyValue::new(attribute::MESSAGING_SYSTEM, "kafka"),
            KeyValue::new(attribute::MESSAGING_OPERATION_NAME, "send"),
            KeyValue::new(attribute::MESSAGING_DESTINATION_NAME, RANKINGS),
        ];
        if let Err((error, _)) = &sent {
            let code = error.rdkafka_error_code().map_or_else(|| "other".to_owned(), |code| format!("{code:?}"));
            attributes.push(KeyValue::new(attribute::ERROR_TYPE, code));
        }
        self.send_duration.record(begun.elapsed().as_secs_f64(), &attributes);
        self.sent.add(1, &attributes);
        sent.map(drop).map_err(|(error, _)| anyhow!(error)).context("Kafka did not take the ranking")
    }

    fn unsent(&self) -> MutexGuard<'_, BTreeMap<TeamId, Document>> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
