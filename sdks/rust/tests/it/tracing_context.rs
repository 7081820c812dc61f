//! The trace goes along, and the span tells how the delivery ended.

use flywheel_sdk::{Emitter, EmitterConfig, REQUESTS_TOPIC};
use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::instrument::WithSubscriber;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{DEADLINE, cluster, config, headers, read, request};

async fn traced(work: impl Future<Output = ()>) -> Vec<SpanData> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    work.with_subscriber(tracing_subscriber::registry().with(layer)).await;
    provider.force_flush().unwrap();
    exporter.get_finished_spans().unwrap()
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|found| found.value.to_string())
}

#[tokio::test]
async fn a_delivered_event_carries_its_span_and_the_span_names_the_record() {
    let cluster = cluster();
    let emitter = Emitter::connect(&config(&cluster)).unwrap();
    let spans = traced(async {
        emitter.emit(&request("1")).await.unwrap();
        emitter.flush(DEADLINE).await.unwrap();
    })
    .await;
    let [span] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((span.name.as_ref(), &span.span_kind), ("send flywheel.requests.v1", &SpanKind::Producer));
    for (key, value) in [
        ("messaging.system", "kafka"),
        ("messaging.operation.name", "send"),
        ("messaging.operation.type", "send"),
        ("messaging.destination.name", "flywheel.requests.v1"),
        ("messaging.destination.partition.id", "0"),
        ("messaging.kafka.offset", "0"),
    ] {
        assert_eq!(attribute(span, key).as_deref(), Some(value), "{key}");
    }
    assert!(!format!("{:?}", span.attributes).contains("acme"), "the key names a customer");

    let context = &span.span_context;
    let expected = format!("00-{}-{}-01", context.trace_id(), context.span_id());
    assert_eq!(headers(&read(&cluster, REQUESTS_TOPIC, 1)[0])["traceparent"], expected);
}

#[tokio::test]
async fn a_failed_delivery_ends_its_span_in_error() {
    let config = EmitterConfig { delivery_ms_max: 200, ..EmitterConfig::new("127.0.0.1:9") };
    let emitter = Emitter::connect(&config).unwrap();
    let spans = traced(async {
        emitter.emit(&request("lost")).await.unwrap();
        emitter.flush(DEADLINE).await.unwrap_err();
    })
    .await;
    let [span] = spans.as_slice() else { panic!("{spans:?}") };
    assert!(matches!(span.status, Status::Error { .. }), "{:?}", span.status);
    assert!(attribute(span, "error.type").is_some());
}
