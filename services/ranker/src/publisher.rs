//! Publishes a ranking: the snapshot to ClickHouse first, then the document to the topic that the API follows.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use clickhouse::{Client, Row};
use domain::{ids::TeamId, time::Timestamp};
use kit::config::KafkaConfig;
use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram},
};
use opentelemetry_semantic_conventions::attribute;
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use serde::Serialize;
use tracing::Instrument as _;
use wire::{
    ranking::{Item, Ranking},
    topics::{RANKING_PUBLISHED, RANKINGS},
};

use crate::config::RankerConfig;

/// Name of the ranker as a source of events.
const SOURCE: &str = "//flywheel/ranker";
const INSERT_MAX: Duration = Duration::from_secs(30);

/// Publishes rankings.
pub(crate) struct Publisher {
    client: Client,
    producer: FutureProducer,
    sent: Counter<u64>,
    send_duration: Histogram<f64>,
}

impl Publisher {
    pub(crate) fn new(config: &RankerConfig, kafka: &KafkaConfig, client: Client) -> anyhow::Result<Self> {
        let producer = kit::kafka::client_config(kafka, "flywheel-ranker")
            // A retry must not put an older ranking behind a newer one.
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", config.send_ms_max.to_string())
            .set("message.max.bytes", "8000000")
            .set("compression.type", "lz4")
            // A ranking is waited for; there is nothing to batch it with.
            .set("linger.ms", "0")
            .create()
            .context("the Kafka settings are not valid")?;
        let meter = global::meter("flywheel.ranker");
        Ok(Self {
            client: client.with_setting("async_insert", "0").with_setting("wait_end_of_query", "1"),
            producer,
            sent: kit::metrics::messaging_client_sent_messages(&meter),
            send_duration: kit::metrics::messaging_client_operation_duration(&meter),
        })
    }

    /// Publishes one ranking.
    ///
    /// # Errors
    /// When ClickHouse or Kafka does not take it. A snapshot that ClickHouse took and Kafka did not stays: the next ranking
    /// of the team replaces it for readers of the topic.
    pub(crate) async fn publish(
        &self,
        team: &TeamId,
        as_of: Timestamp,
        data_through: Timestamp,
        ranking: &Ranking,
    ) -> anyhow::Result<()> {
        let document = serde_json::to_string(ranking).context("cannot serialize the ranking")?;
        // The first insert asks for the table's columns, which the insert's own timeouts do not cover.
        let mut insert = tokio::time::timeout(INSERT_MAX, self.client.insert::<SnapshotRow>("rankings"))
            .await
            .context("ClickHouse does not answer")?
            .context("cannot insert the snapshot")?
            .with_timeouts(Some(INSERT_MAX), Some(INSERT_MAX));
        insert.write(&SnapshotRow::new(as_of, data_through, ranking, document.clone())).await?;
        insert.end().await.context("cannot insert the snapshot")?;
        let span = tracing::info_span!(
            "send flywheel.rankings.v1",
            otel.kind = "producer",
            messaging.system = "kafka",
            messaging.destination.name = RANKINGS,
            messaging.operation.name = "send",
            messaging.operation.type = "send",
        );
        self.send(team, as_of, &ranking.snapshot, &document).instrument(span).await
    }

    async fn send(&self, team: &TeamId, as_of: Timestamp, snapshot: &str, document: &str) -> anyhow::Result<()> {
        let time = as_of.to_rfc3339();
        // Snapshots of two teams may carry the same id.
        let id = format!("{team}/{snapshot}");
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", &id),
            ("ce_source", SOURCE),
            ("ce_type", RANKING_PUBLISHED),
            ("ce_time", &time),
            ("content-type", "application/json"),
        ]
        .into_iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let record = FutureRecord::to(RANKINGS)
            .key(team.as_str())
            .payload(document)
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
}

/// A row of `rankings`: the document, and its items column by column.
#[derive(Row, Serialize)]
struct SnapshotRow {
    team: String,
    as_of: i64,
    data_through: i64,
    snapshot: String,
    accounts: u64,
    effective: f64,
    document: String,
    #[serde(rename = "items.listed")]
    listed: Vec<&'static str>,
    #[serde(rename = "items.rank")]
    rank: Vec<u32>,
    #[serde(rename = "items.feature")]
    feature: Vec<String>,
    #[serde(rename = "items.title")]
    title: Vec<String>,
    #[serde(rename = "items.score")]
    score: Vec<f64>,
    #[serde(rename = "items.demand_contribution")]
    demand_contribution: Vec<f64>,
    #[serde(rename = "items.need_contribution")]
    need_contribution: Vec<f64>,
    #[serde(rename = "items.demand_share")]
    demand_share: Vec<f64>,
    #[serde(rename = "items.demand_low")]
    demand_low: Vec<f64>,
    #[serde(rename = "items.demand_high")]
    demand_high: Vec<f64>,
    #[serde(rename = "items.demand_accounts")]
    demand_accounts: Vec<u64>,
    #[serde(rename = "items.requests")]
    requests: Vec<u64>,
    #[serde(rename = "items.need_share")]
    need_share: Vec<f64>,
    #[serde(rename = "items.need_low")]
    need_low: Vec<f64>,
    #[serde(rename = "items.need_high")]
    need_high: Vec<f64>,
    #[serde(rename = "items.need_accounts")]
    need_accounts: Vec<u64>,
}

impl SnapshotRow {
    fn new(as_of: Timestamp, data_through: Timestamp, ranking: &Ranking, document: String) -> Self {
        let all: Vec<(&'static str, &Item)> = ranking
            .items
            .iter()
            .map(|item| ("items", item))
            .chain(ranking.iterate.iter().map(|item| ("iterate", item)))
            .collect();
        /// One field of every item.
        fn column<T>(all: &[(&'static str, &Item)], field: impl Fn(&Item) -> T) -> Vec<T> {
            all.iter().map(|(_, item)| field(item)).collect()
        }
        Self {
            team: ranking.team.clone(),
            as_of: as_of.0,
            data_through: data_through.0,
            snapshot: ranking.snapshot.clone(),
            accounts: ranking.population.accounts,
            effective: ranking.population.effective,
            document,
            listed: all.iter().map(|(listed, _)| *listed).collect(),
            rank: column(&all, |item| item.rank),
            feature: column(&all, |item| item.feature.clone()),
            title: column(&all, |item| item.title.clone()),
            score: column(&all, |item| item.score),
            demand_contribution: column(&all, |item| item.contributions.demand),
            need_contribution: column(&all, |item| item.contributions.need),
            demand_share: column(&all, |item| item.demand.share),
            demand_low: column(&all, |item| item.demand.low),
            demand_high: column(&all, |item| item.demand.high),
            demand_accounts: column(&all, |item| item.demand.accounts),
            requests: column(&all, |item| item.demand.requests),
            need_share: column(&all, |item| item.need.share),
            need_low: column(&all, |item| item.need.low),
            need_high: column(&all, |item| item.need.high),
            need_accounts: column(&all, |item| item.need.accounts),
        }
    }
}
