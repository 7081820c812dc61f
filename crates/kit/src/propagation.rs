//! Trace context across Kafka and ClickHouse: W3C `traceparent` in headers, and as text in a column.
//!
//! A message continues its producer's trace. A batch does not: it starts a trace of its own and links to its messages.

use opentelemetry::{
    Context, global,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{SpanContext, TraceContextExt},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use rdkafka::message::{BorrowedHeaders, Header, Headers, OwnedHeaders};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";

/// A span links to at most so many others, which is also the SDK's own bound; a larger batch links to its first ones.
pub const LINKS_MAX: usize = 128;

/// `headers` with the current span's trace context, if there is one.
pub fn inject_current(headers: OwnedHeaders) -> OwnedHeaders {
    let context = Span::current().context();
    if !context.span().span_context().is_valid() {
        return headers;
    }
    let mut injector = HeaderInjector(headers);
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut injector));
    injector.0
}

/// The producer's context from a message's headers; empty, and nearly free, when it sent none.
pub fn extract(headers: &BorrowedHeaders) -> Context {
    if header(headers, TRACEPARENT).is_none() {
        return Context::new();
    }
    global::get_text_map_propagator(|propagator| {
        propagator.extract_with_context(&Context::new(), &HeaderExtractor(headers))
    })
}

/// The producer's span, for a batch to link to.
pub fn link_of(headers: &BorrowedHeaders) -> Option<SpanContext> {
    parse_traceparent(header(headers, TRACEPARENT)?)
}

/// Links `span` to the first [`LINKS_MAX`] of `links`.
pub fn add_links(span: &Span, links: impl IntoIterator<Item = SpanContext>) {
    for link in links.into_iter().take(LINKS_MAX) {
        span.add_link(link);
    }
}

/// `span`'s context as a `traceparent`; `None` when nobody traces it.
pub fn traceparent(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let of = span.span_context();
    of.is_valid().then(|| format!("00-{}-{}-{:02x}", of.trace_id(), of.span_id(), of.trace_flags().to_u8()))
}

/// The span that a `traceparent` names; `None` when it is malformed.
pub fn parse_traceparent(traceparent: &str) -> Option<SpanContext> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Traceparent(traceparent));
    let span_context = context.span().span_context().clone();
    span_context.is_valid().then_some(span_context)
}

fn header<'a>(headers: &'a BorrowedHeaders, key: &str) -> Option<&'a str> {
    let found = headers.iter().find(|header| header.key == key)?;
    std::str::from_utf8(found.value?).ok()
}

struct HeaderInjector(OwnedHeaders);

impl Injector for HeaderInjector {
    fn set(&mut self, key: &str, value: String) {
        let headers = std::mem::replace(&mut self.0, OwnedHeaders::new_with_capacity(0));
        self.0 = headers.insert(Header { key, value: Some(&value) });
    }
}

struct HeaderExtractor<'a>(&'a BorrowedHeaders);

impl Extractor for HeaderExtractor<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        header(self.0, key)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|header| header.key).collect()
    }
}

struct Traceparent<'a>(&'a str);

impl Extractor for Traceparent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}
