//! What was sent is in Kafka, and what is not is reported.

use std::time::Duration;

use flywheel_sdk::{EmitError, Emitter, EmitterConfig, FlushError, REQUESTS_TOPIC, Record, Report};
use rdkafka::Message;

use crate::support::{DEADLINE, cluster, config, headers, read, request};

#[tokio::test]
async fn every_event_emitted_is_in_kafka_in_order_once_flush_returns() {
    let cluster = cluster();
    let emitter = Emitter::connect(&config(&cluster)).unwrap();
    for n in 0..200 {
        assert_eq!(emitter.emit(&request(&n.to_string())).await.unwrap(), n.to_string());
    }
    let report = emitter.close(DEADLINE).await.unwrap();
    assert_eq!(report, Report { sent: 200, delivered: 200, failed: 0 });

    let messages = read(&cluster, REQUESTS_TOPIC, 200);
    let ids: Vec<String> = messages.iter().map(|message| headers(message)["ce_id"].clone()).collect();
    assert_eq!(ids, (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(messages[0].key(), Some(b"acme".as_slice()));
    assert_eq!(headers(&messages[0]).get("traceparent"), None, "nobody traces here");
}

#[tokio::test]
async fn an_event_that_cannot_be_delivered_is_named_by_flush_once() {
    // Port 9 of the loopback: no broker listens.
    let config = EmitterConfig { delivery_ms_max: 200, ..EmitterConfig::new("127.0.0.1:9") };
    let emitter = Emitter::connect(&config).unwrap();
    emitter.emit(&request("lost")).await.unwrap();
    let error = emitter.flush(DEADLINE).await.unwrap_err();
    let FlushError::Undelivered { report, failures } = error else { panic!("{error}") };
    assert_eq!(report, Report { sent: 1, delivered: 0, failed: 1 });
    let [failure] = failures.as_slice() else { panic!("{failures:?}") };
    assert_eq!((failure.id.as_str(), failure.topic.as_str()), ("lost", REQUESTS_TOPIC));
    assert!(!failure.reason.is_empty());
    assert_eq!(emitter.flush(DEADLINE).await.unwrap(), report, "a failure is reported once");
}

#[tokio::test]
async fn a_flush_that_runs_out_of_time_says_what_is_still_on_its_way() {
    let emitter = Emitter::connect(&EmitterConfig::new("127.0.0.1:9")).unwrap();
    emitter.emit(&request("slow")).await.unwrap();
    let error = emitter.flush(Duration::from_millis(20)).await.unwrap_err();
    let FlushError::TimedOut { report, .. } = error else { panic!("{error}") };
    assert_eq!(report.queued(), 1);
}

#[tokio::test]
async fn events_wait_out_an_outage_of_the_broker() {
    let cluster = cluster();
    let emitter = Emitter::connect(&config(&cluster)).unwrap();
    emitter.emit(&request("before")).await.unwrap();
    emitter.flush(DEADLINE).await.unwrap();
    cluster.broker_down(1).unwrap();
    emitter.emit(&request("during")).await.unwrap();
    let error = emitter.flush(Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error, FlushError::TimedOut { .. }), "{error}");
    cluster.broker_up(1).unwrap();
    assert_eq!(emitter.close(DEADLINE).await.unwrap().delivered, 2);
    assert_eq!(headers(&read(&cluster, REQUESTS_TOPIC, 2)[1])["ce_id"], "during");
}

#[tokio::test]
async fn an_event_over_a_mebibyte_is_refused_but_a_record_made_by_hand_is_sent() {
    let cluster = cluster();
    // Larger than the whole queue: it waits until it is alone, and goes.
    let emitter = Emitter::connect(&EmitterConfig { queue_kbytes_max: 64, ..config(&cluster) }).unwrap();
    let mut event = request("large");
    let flywheel_sdk::Data::RequestStated(data) = &mut event.data else { unreachable!() };
    data.text = Some("x".repeat(1024 * 1024));
    let error = emitter.emit(&event).await.unwrap_err();
    assert!(matches!(error, EmitError::TooLarge { bytes, .. } if bytes > 1024 * 1024), "{error}");

    let record = Record { payload: Some(vec![b'x'; 5 * 1024 * 1024]), ..Record::of(&request("by-hand")).unwrap() };
    emitter.emit_record(record).await.unwrap();
    let record = Record { payload: None, ..Record::of(&request("null")).unwrap() };
    emitter.emit_record(record).await.unwrap();
    assert_eq!(emitter.close(DEADLINE).await.unwrap(), Report { sent: 2, delivered: 2, failed: 0 });
    let messages = read(&cluster, REQUESTS_TOPIC, 2);
    assert_eq!(messages[0].payload().map(<[u8]>::len), Some(5 * 1024 * 1024));
    assert_eq!(messages[1].payload(), None);
}
