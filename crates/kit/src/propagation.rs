//! Trace context across Kafka and ClickHouse: W3C `traceparent` in headers, and as text in a column.
//!
//! A message continues its producer's trace. A batch does not: it starts a trace of its own and links to its messages.

use opentelemetry::{
    Context, global,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{SpanContext, TraceContextExt},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use rdkafka::message::{Header, OwnedHeaders};
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

/// The producer's span, for a batch to link to; nearly free when it sent none.
pub fn link_of(headers: &[crate::headers::Header<'_>]) -> Option<SpanContext> {
    let traceparent = crate::headers::find(headers, TRACEPARENT)?;
    parse_traceparent(std::str::from_utf8(traceparent).ok()?)
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

struct HeaderInjector(OwnedHeaders);

impl Injector for HeaderInjector {
    fn set(&mut self, key: &str, value: String) {
        let headers = std::mem::replace(&mut self.0, OwnedHeaders::new_with_capacity(0));
        self.0 = headers.insert(Header { key, value: Some(&value) });
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

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
    use rdkafka::message::Headers as _;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const TRACEPARENT_OF_ANOTHER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// Runs `work` with spans that are traced, and returns how many links each exported span has, and how many it had to drop.
    fn traced(work: impl FnOnce()) -> Vec<(usize, u32)> {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        provider.force_flush().expect("an exporter in memory flushes");
        let spans = exporter.get_finished_spans().expect("the exporter is alive");
        spans.iter().map(|span| (span.links.len(), span.links.dropped_count)).collect()
    }

    /// The headers as their receiver reads them.
    fn received(headers: &OwnedHeaders) -> Vec<crate::headers::Header<'_>> {
        headers.iter().map(|header| (header.key.into(), header.value)).collect()
    }

    #[test]
    fn a_message_carries_the_current_span_and_its_reader_finds_it() {
        traced(|| {
            let span = tracing::info_span!("send");
            let _entered = span.enter();
            let sent = span.context().span().span_context().clone();
            let headers = inject_current(OwnedHeaders::new());
            let found = link_of(&received(&headers)).expect("the span is in the headers");
            assert_eq!((found.trace_id(), found.span_id()), (sent.trace_id(), sent.span_id()));
            assert!(found.is_remote());
            assert_eq!(parse_traceparent(&traceparent(&span).expect("the span is traced")), Some(found));
        });
    }

    #[test]
    fn without_a_trace_nothing_is_written_or_found() {
        let headers = inject_current(OwnedHeaders::new().insert(Header { key: "ce_id", value: Some("1") }));
        assert_eq!(headers.count(), 1);
        assert_eq!(link_of(&received(&headers)), None);
        assert_eq!(traceparent(&Span::current()), None);
    }

    #[test]
    fn a_malformed_traceparent_names_no_span() {
        assert!(parse_traceparent(TRACEPARENT_OF_ANOTHER).is_some());
        for text in ["", "garbage", "00-0-0-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            assert_eq!(parse_traceparent(text), None, "{text}");
        }
        assert_eq!(link_of(&[(TRACEPARENT.into(), Some(&[0xff, 0xfe]))]), None);
    }

    #[test]
    fn a_batch_links_to_at_most_so_many_messages() {
        let link = parse_traceparent(TRACEPARENT_OF_ANOTHER).expect("it is well formed");
        let links = traced(|| {
            let span = tracing::info_span!("process");
            add_links(&span, std::iter::repeat_n(link, LINKS_MAX + 1));
        });
        assert_eq!(links, [(LINKS_MAX, 0)]);
    }
}
