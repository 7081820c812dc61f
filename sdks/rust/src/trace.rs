//! One event, one PRODUCER span: it starts when the event is queued and ends when it is delivered or fails.

use opentelemetry::{Context, trace::TraceContextExt};
use rdkafka::message::{Header, OwnedHeaders};
use tracing::{Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::record::Record;

/// The span of sending `record`; disabled, and then free, when nobody listens. The key and the id are
/// left out: the key names a customer, and so may an id that its maker derived.
pub(crate) fn send_span(record: &Record) -> Span {
    tracing::info_span!(
        "send",
        otel.name = format!("send {}", record.topic),
        otel.kind = "producer",
        otel.status_code = field::Empty,
        error.type = field::Empty,
        messaging.system = "kafka",
        messaging.operation.name = "send",
        messaging.operation.type = "send",
        messaging.destination.name = record.topic,
        messaging.destination.partition.id = field::Empty,
        messaging.kafka.offset = field::Empty,
    )
}

/// `headers` with W3C trace context: of `span`, or of the OpenTelemetry context that is current without `tracing`.
///
/// Written here and not by the process's propagator, so that a trace is not lost where the user has set none.
pub(crate) fn inject(span: &Span, headers: OwnedHeaders) -> OwnedHeaders {
    let mut context = span.context();
    if !context.span().span_context().is_valid() {
        context = Context::current();
    }
    let span = context.span();
    let of = span.span_context();
    if !of.is_valid() {
        return headers;
    }
    let traceparent = format!("00-{}-{}-{:02x}", of.trace_id(), of.span_id(), of.trace_flags().to_u8());
    let headers = headers.insert(Header { key: "traceparent", value: Some(&traceparent) });
    let tracestate = of.trace_state().header();
    if tracestate.is_empty() {
        return headers;
    }
    headers.insert(Header { key: "tracestate", value: Some(&tracestate) })
}
