//! The whole role against a Kafka broker: librdkafka's mock, which speaks the protocol and can go down.

use std::{net::SocketAddr, time::Duration};

use api::ApiConfig;
use futures::future::join_all;
use kit::{
    config::{ClickHouseConfig, KafkaConfig, Secret},
    health::Health,
};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    mocking::MockCluster,
    producer::{DefaultProducerContext, FutureProducer, FutureRecord},
};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use wire::{
    ranking::Ranking,
    topics::{RANKING_PUBLISHED, RANKINGS},
};

use crate::support::ranking;

const DEADLINE: Duration = Duration::from_secs(30);

struct Role {
    client: reqwest::Client,
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    /// The broker lives as long as this.
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: FutureProducer,
}

impl Role {
    /// A broker whose topic holds `records`, and an API that follows it.
    async fn start(records: Vec<(&str, Option<Ranking>)>) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(RANKINGS, 3, 1).unwrap();
        let brokers = cluster.bootstrap_servers();
        let producer = ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        // In flight together, in this order: one client's records of one partition stay in order.
        join_all(records.iter().map(|(team, ranking)| send(&producer, team, ranking.as_ref()))).await;
        let nowhere = ClickHouseConfig {
            url: "http://127.0.0.1:1".to_owned(),
            database: "flywheel".to_owned(),
            user: "default".to_owned(),
            password: Secret::default(),
        };
        let role = api::run_on(
            listener,
            ApiConfig::default(),
            KafkaConfig { brokers },
            nowhere,
            Health::default(),
            shutdown.clone(),
        );
        Self { client: reqwest::Client::new(), address, shutdown, task: tokio::spawn(role), cluster, producer }
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("http://{}{path}", self.address)).send().await.unwrap()
    }

    /// Waits until `/readyz` has this status.
    async fn readiness(&self, status: StatusCode) {
        self.eventually(&format!("/readyz is {status}"), async || self.get("/readyz").await.status() == status).await;
    }

    /// Waits until the team's current ranking is this snapshot.
    async fn snapshot(&self, team: &str, snapshot: &str) {
        let path = format!("/v1/teams/{team}/rankings");
        self.eventually(&format!("{team} is at {snapshot}"), async || {
            let answer: Value = self.get(&path).await.json().await.unwrap();
            answer["snapshot"] == snapshot
        })
        .await;
    }

    async fn eventually(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let wait = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(DEADLINE, wait).await.is_ok(), "it never came to be that {what}");
    }

    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap().unwrap();
    }
}

async fn send(producer: &FutureProducer, team: &str, ranking: Option<&Ranking>) {
    let value = ranking.map(|ranking| serde_json::to_vec(ranking).unwrap());
    send_raw(producer, team, RANKING_PUBLISHED, value.as_deref()).await;
}

async fn send_raw(producer: &FutureProducer, team: &str, ce_type: &str, value: Option<&[u8]>) {
    let headers = OwnedHeaders::new().insert(Header { key: "ce_type", value: Some(ce_type) });
    let mut record = FutureRecord::to(RANKINGS).key(team).headers(headers);
    record.payload = value;
    producer.send(record, DEADLINE).await.unwrap();
}

fn at(team: &str, snapshot: &str, second: u32) -> Option<Ranking> {
    Some(ranking(team, snapshot, &format!("2026-01-01T12:00:{second:02}Z"), 2, 0))
}

#[tokio::test]
async fn it_is_ready_with_the_last_ranking_of_every_team_and_follows_on() {
    let role = Role::start(vec![
        ("dynamodb", at("dynamodb", "d1", 1)),
        ("lambda", at("lambda", "l1", 1)),
        ("gone", at("gone", "g1", 1)),
        ("dynamodb", at("dynamodb", "d2", 2)),
        ("gone", None),
    ])
    .await;
    role.readiness(StatusCode::OK).await;
    // Ready means read to the end: no waiting from here on.
    let teams: Value = role.get("/v1/teams").await.json().await.unwrap();
    let held: Vec<_> = teams["items"].as_array().unwrap().iter().map(|team| &team["snapshot"]).collect();
    assert_eq!(held, ["d2", "l1"]);
    assert_eq!(role.get("/v1/teams/gone/rankings").await.status(), StatusCode::NOT_FOUND);

    // An older ranking does not displace a newer one, and what does not parse stops nothing.
    send(&role.producer, "dynamodb", at("dynamodb", "d0", 0).as_ref()).await;
    send_raw(&role.producer, "dynamodb", RANKING_PUBLISHED, Some(b"{not json")).await;
    send_raw(&role.producer, "dynamodb", "io.flywheel.other.v1", Some(b"{}")).await;
    send(&role.producer, "dynamodb", at("dynamodb", "d3", 3).as_ref()).await;
    role.snapshot("dynamodb", "d3").await;
    role.stop().await;
}

#[tokio::test]
async fn it_is_not_ready_before_it_has_read_every_partition_to_its_end() {
    let names: Vec<String> = (0..2_000).map(|team| format!("team-{team}")).collect();
    let role = Role::start(names.iter().map(|name| (name.as_str(), at(name, "s1", 1))).collect()).await;
    let last = format!("/v1/teams/{}/rankings", names.last().unwrap());
    let answered = async {
        loop {
            let status = role.get(&last).await.status();
            // Never a 404: a team that is yet to be read is not an unknown one.
            if status != StatusCode::SERVICE_UNAVAILABLE {
                break status;
            }
        }
    };
    assert_eq!(tokio::time::timeout(DEADLINE, answered).await.unwrap(), StatusCode::OK);
    for name in &names {
        assert_eq!(role.get(&format!("/v1/teams/{name}/rankings")).await.status(), StatusCode::OK, "{name}");
    }
    role.stop().await;
}

#[tokio::test]
async fn it_answers_on_without_kafka_and_is_ready_again_when_kafka_returns() {
    let role = Role::start(vec![("dynamodb", at("dynamodb", "d1", 1))]).await;
    role.readiness(StatusCode::OK).await;

    role.cluster.broker_down(1).unwrap();
    role.readiness(StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(role.get("/v1/teams/dynamodb/rankings").await.status(), StatusCode::OK);

    role.cluster.broker_up(1).unwrap();
    role.readiness(StatusCode::OK).await;
    send(&role.producer, "dynamodb", at("dynamodb", "d2", 2).as_ref()).await;
    role.snapshot("dynamodb", "d2").await;
    role.stop().await;
}

#[tokio::test]
async fn an_empty_topic_is_ready_too() {
    let role = Role::start(Vec::new()).await;
    role.readiness(StatusCode::OK).await;
    assert_eq!(role.get("/v1/teams/dynamodb/rankings").await.status(), StatusCode::NOT_FOUND);
    role.stop().await;
}
