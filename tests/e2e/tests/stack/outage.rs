//! ClickHouse and Kafka go away under load and come back: nothing is lost, readiness says what happened, what is in memory is told on,
//! and what is computed says when to come back.
//!
//! Each is away for 20 seconds, or as many as `FLYWHEEL_TEST_OUTAGE_S` says.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use devstack::{Role, Server, Stack};
use domain::time::Timestamp;
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use testkit::{eventually::eventually, flywheel::Flywheel};
use wire::topics::USAGE;

const AWAY_S: u64 = 20;
const ASKED_EVERY: Duration = Duration::from_millis(500);
const HOT: &str = "/v1/teams/outage/rankings";
const COLD: &str = "/v1/teams/outage/rankings?as_of=2026-02-01T00:00:00Z";
const NOTICED_MAX: Duration = Duration::from_secs(15);
const RECOVERED_MAX: Duration = Duration::from_secs(90);
const EVENTS_PER_TICK: u64 = 50;
const TICK: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_clickhouse_and_one_of_kafka_lose_nothing() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::start(&stack).await;
    let stop = Arc::new(AtomicBool::new(false));
    let load = thread::spawn({
        let (brokers, stop) = (stack.kafka_brokers().to_owned(), Arc::clone(&stop));
        move || produce_until(&brokers, &stop)
    });

    eventually("the team has a ranking", RECOVERED_MAX, async || match flywheel.get(HOT).await {
        (200, _) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    go_away(&flywheel, stack.clickhouse().expect("the test's own"), "clickhouse", 503).await;
    // What is computed does not need Kafka.
    go_away(&flywheel, stack.kafka().expect("the test's own"), "kafka", 200).await;

    stop.store(true, Ordering::Relaxed);
    let produced = tokio::task::spawn_blocking(move || load.join().expect("the load ends")).await.unwrap();
    assert!(produced > 1_000, "only {produced} events were produced");
    every_event_is_there(&stack, produced).await;
    let (status, log) = flywheel.terminate().await;
    assert!(status.success(), "{log}");
}

/// Stops a server for a while. Readiness turns red and names it; rankings are told on with how far their data truly reach; what is
/// computed answers with the status `cold`, and when to come back if it is a 503. Then all is as before, without a restart of ours.
async fn go_away(flywheel: &Flywheel, server: &Server, part: &str, cold: u16) {
    server.stop().await.expect("the server stops");
    let stopped = now();
    eventually("readiness is red", NOTICED_MAX, async || match flywheel.readyz().await {
        Some((503, body)) if body.contains(part) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    eventually("computed answers are as expected", NOTICED_MAX, async || match computed(flywheel).await {
        answer if answer.0 == cold => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    // The outage itself: this long, whatever else happens.
    let began = Instant::now();
    while began.elapsed() < away() {
        let through = data_through(flywheel).await;
        assert!(through <= stopped, "without {part} since {stopped}, a ranking has data through {through}");
        let (status, retry_after) = computed(flywheel).await;
        assert_eq!((status, retry_after.as_deref()), (cold, (cold == 503).then_some("1")), "without {part}");
        let readiness = flywheel.readyz().await;
        assert!(
            readiness.as_ref().is_some_and(|(status, body)| *status == 503 && body.contains(part)),
            "{readiness:?}"
        );
        tokio::time::sleep(ASKED_EVERY).await;
    }
    server.start().await.expect("the server starts");
    eventually("readiness is green again", RECOVERED_MAX, async || match flywheel.readyz().await {
        Some((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    eventually("answers are as before", RECOVERED_MAX, async || {
        let (through, computed) = (data_through(flywheel).await, computed(flywheel).await);
        if through > stopped && computed.0 == 200 { Ok(()) } else { Err(format!("{through}, {computed:?}")) }
    })
    .await;
}

fn away() -> Duration {
    let seconds = std::env::var("FLYWHEEL_TEST_OUTAGE_S").map(|text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds.unwrap_or(AWAY_S))
}

/// How far the data of the ranking reach that is told from memory.
async fn data_through(flywheel: &Flywheel) -> Timestamp {
    let (status, ranking) = flywheel.get(HOT).await;
    assert_eq!(status, 200, "{ranking}");
    Timestamp::parse_rfc3339(ranking["data_through"].as_str().expect("a text")).expect("a time")
}

/// Status and `Retry-After` of a computed answer.
async fn computed(flywheel: &Flywheel) -> (u16, Option<String>) {
    let answer = reqwest::get(format!("{}{COLD}", flywheel.api_url())).await.expect("the API answers");
    let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().expect("a text").to_owned());
    (answer.status().as_u16(), retry_after)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    Timestamp(i64::try_from(since.as_micros()).expect("a clock before the year 294247"))
}

/// Produces numbered events until told to stop; every one of them is acknowledged by Kafka in the end.
fn produce_until(brokers: &str, stop: &AtomicBool) -> u64 {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "300000")
        .set("reconnect.backoff.max.ms", "1000")
        .create()
        .expect("a producer");
    let mut produced = 0;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..EVENTS_PER_TICK {
            send(&producer, produced);
            produced += 1;
        }
        producer.poll(TICK);
        thread::sleep(TICK);
    }
    producer.flush(Duration::from_secs(120)).expect("Kafka takes every event");
    assert_eq!(producer.in_flight_count(), 0, "Kafka did not take every event");
    produced
}

fn send(producer: &BaseProducer, number: u64) {
    let account = format!("account-{}", number % 97);
    let data = format!(
        r#"{{"team":"outage","feature":"feature-{}","account":"{account}","operation":"query","count":1}}"#,
        number % 7
    );
    let id = number.to_string();
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", &id),
        ("ce_source", "//flywheel/tests/outage"),
        ("ce_type", "io.flywheel.usage.observed.v1"),
        ("ce_time", "2026-01-15T09:30:00Z"),
    ]
    .into_iter()
    .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
    let mut record = BaseRecord::to(USAGE).key(&account).payload(&data).headers(headers);
    while let Err((error, returned)) = producer.send(record) {
        assert!(matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)), "{error}");
        producer.poll(Duration::from_millis(20));
        record = returned;
    }
}

async fn every_event_is_there(stack: &Stack, produced: u64) {
    let client = testkit::clickhouse(stack, Role::Ranker);
    let distinct = "SELECT uniqExact(source, id) FROM usage WHERE team = 'outage'";
    eventually("every event is a row", RECOVERED_MAX, async || {
        let found = client.query(distinct).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if found >= produced { Ok(()) } else { Err(format!("{found} of {produced}")) }
    })
    .await;
    let ids = client.query("SELECT DISTINCT toUInt64(id) FROM usage").fetch_all::<u64>().await.expect("ids");
    let missing: BTreeSet<u64> =
        (0..produced).collect::<BTreeSet<_>>().difference(&ids.into_iter().collect()).copied().collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}
