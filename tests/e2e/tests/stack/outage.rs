//! ClickHouse and Kafka go away under load and come back: nothing is lost, and readiness says what happened.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use devstack::{Role, Server, Stack};
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use testkit::{eventually::eventually, flywheel::Flywheel};
use wire::topics::USAGE;

const AWAY: Duration = Duration::from_secs(20);
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

    go_away(&flywheel, stack.clickhouse().expect("the test's own"), "clickhouse").await;
    go_away(&flywheel, stack.kafka().expect("the test's own"), "kafka").await;

    stop.store(true, Ordering::Relaxed);
    let produced = tokio::task::spawn_blocking(move || load.join().expect("the load ends")).await.unwrap();
    assert!(produced > 1_000, "only {produced} events were produced");
    every_event_is_there(&stack, produced).await;
    let (status, log) = flywheel.terminate().await;
    assert!(status.success(), "{log}");
}

/// Stops a server for a while; readiness turns red and names it, and green again without a restart of ours.
async fn go_away(flywheel: &Flywheel, server: &Server, part: &str) {
    server.stop().await.expect("the server stops");
    eventually("readiness is red", NOTICED_MAX, async || match flywheel.readyz().await {
        Some((503, body)) if body.contains(part) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    // The outage itself: this long, whatever else happens.
    tokio::time::sleep(AWAY).await;
    server.start().await.expect("the server starts");
    eventually("readiness is green again", RECOVERED_MAX, async || match flywheel.readyz().await {
        Some((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
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
