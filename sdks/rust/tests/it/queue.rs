//! The queue's bounds: in events, in bytes, and what happens at them.

use std::time::Duration;

use flywheel_sdk::{ConnectError, EmitError, Emitter, EmitterConfig, Report};

use crate::support::{DEADLINE, cluster, config, request};

/// An emitter whose broker is away, so that its queue only fills.
fn stuck(queue_events_max: u32, queue_kbytes_max: u32) -> Emitter {
    let config = EmitterConfig { queue_events_max, queue_kbytes_max, ..EmitterConfig::new("127.0.0.1:9") };
    Emitter::connect(&config).unwrap()
}

#[tokio::test]
async fn a_queue_full_of_events_says_so() {
    let emitter = stuck(2, 1024);
    assert_eq!(emitter.try_emit(&request("1")).unwrap(), "1");
    emitter.try_emit(&request("2")).unwrap();
    assert!(matches!(emitter.try_emit(&request("3")), Err(EmitError::QueueFull)));
    assert_eq!(emitter.report(), Report { sent: 2, delivered: 0, failed: 0 });
}

#[tokio::test]
async fn a_queue_full_of_bytes_says_so() {
    let emitter = stuck(100, 1);
    let mut event = request("large");
    let flywheel_sdk::Data::RequestStated(data) = &mut event.data else { unreachable!() };
    data.text = Some("x".repeat(600));
    emitter.try_emit(&event).unwrap();
    assert!(matches!(emitter.try_emit(&event), Err(EmitError::QueueFull)));
    assert_eq!(emitter.report().sent, 1);
}

#[tokio::test]
async fn emit_waits_for_room_and_goes_on_when_there_is() {
    let cluster = cluster();
    let emitter = Emitter::connect(&EmitterConfig { queue_events_max: 1, ..config(&cluster) }).unwrap();
    cluster.broker_down(1).unwrap();
    emitter.emit(&request("1")).await.unwrap();
    let event = request("2");
    let mut waiting = std::pin::pin!(emitter.emit(&event));
    let early = tokio::time::timeout(Duration::from_millis(200), waiting.as_mut()).await;
    assert!(early.is_err(), "the queue holds one event and has one");
    cluster.broker_up(1).unwrap();
    tokio::time::timeout(DEADLINE, waiting).await.expect("room comes with the broker").unwrap();
    assert_eq!(emitter.flush(DEADLINE).await.unwrap().delivered, 2);
}

#[tokio::test]
async fn a_waiting_emit_that_is_dropped_sends_nothing_and_takes_no_room() {
    let emitter = stuck(1, 1024);
    emitter.emit(&request("1")).await.unwrap();
    let event = request("2");
    drop(tokio::time::timeout(Duration::from_millis(20), emitter.emit(&event)).await);
    assert_eq!(emitter.report().sent, 1);
}

#[test]
fn a_bound_that_cannot_work_is_refused_by_name() {
    let config = EmitterConfig { queue_events_max: 0, ..EmitterConfig::new("127.0.0.1:9") };
    let error = Emitter::connect(&config).unwrap_err();
    assert!(matches!(error, ConnectError::Bound { setting: "queue_events_max", .. }), "{error}");
    let mut config = EmitterConfig::new("127.0.0.1:9");
    config.kafka.insert("no.such.setting".to_owned(), "secret".to_owned());
    assert!(matches!(Emitter::connect(&config), Err(ConnectError::Kafka(_))));
    assert!(!format!("{config:?}").contains("secret"));
}
