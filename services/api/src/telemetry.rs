//! A span and a measurement for every request, named as the semantic conventions say.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{StatusCode, Version},
    response::Response,
};
use opentelemetry::{
    Context, KeyValue,
    context::FutureExt as _,
    global::{self, BoxedTracer},
    trace::{SpanBuilder, SpanKind, SpanRef, Status, TraceContextExt as _, Tracer as _},
};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE, NETWORK_PROTOCOL_VERSION, URL_PATH,
    URL_SCHEME,
};
use smallvec::SmallVec;

use crate::{
    envelope::RequestId,
    metrics::http::{HttpMetrics, named},
};

/// Measures the request and traces it, as a part of the client's trace if it names one.
pub(crate) async fn record<F: Future<Output = Response>>(
    tracer: &BoxedTracer,
    metrics: &HttpMetrics,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let started = Instant::now();
    let method = named(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let protocol = protocol(request.version());
    let traced = begin(tracer, &request);
    describe(&traced.span(), &request, method, metrics.scheme, route.as_ref());
    let _active = metrics.active(method);
    let response = next(request).with_context(traced.clone()).await;

    let status = response.status();
    conclude(&traced.span(), status);
    let mut attributes: SmallVec<[_; ATTRIBUTES_MAX]> = SmallVec::from_iter([
        KeyValue::new(HTTP_REQUEST_METHOD, method),
        KeyValue::new(URL_SCHEME, metrics.scheme),
        KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())),
        KeyValue::new(NETWORK_PROTOCOL_VERSION, protocol),
    ]);
    if let Some(route) = route {
        attributes.push(KeyValue::new(HTTP_ROUTE, route.as_str().to_owned()));
    }
    if status.is_server_error() {
        attributes.push(KeyValue::new(ERROR_TYPE, status.as_str().to_owned()));
    }
    metrics.duration.record(started.elapsed().as_secs_f64(), &attributes);
    response
}

/// Of a measurement.
const ATTRIBUTES_MAX: usize = 6;

/// Begins the request's span, a part of its client's trace if it names one. It ends with the last copy of the context.
///
/// It is one of OpenTelemetry's own and not `tracing`'s, which keeps a registry and attributes of spans that nobody will see as well:
/// whatever is logged or traced beneath finds it in the context.
fn begin(tracer: &BoxedTracer, request: &Request) -> Context {
    let mut parent = Context::new();
    if request.headers().contains_key("traceparent") {
        let headers = HeaderExtractor(request.headers());
        parent = global::get_text_map_propagator(|propagator| propagator.extract_with_context(&parent, &headers));
    }
    let span = SpanBuilder::from_name("request").with_kind(SpanKind::Server);
    let span = tracer.build_with_context(span, &parent);
    parent.with_span(span)
}

/// Gives a span its name and attributes once it is known that somebody may see them: where few are sampled, most need none. What decides
/// that (a part of all, or the client) looks at no attribute.
fn describe(
    span: &SpanRef<'_>,
    request: &Request,
    method: &'static str,
    scheme: &'static str,
    route: Option<&MatchedPath>,
) {
    if !span.is_recording() {
        return;
    }
    span.update_name(route.map_or_else(|| method.to_owned(), |route| format!("{method} {}", route.as_str())));
    span.set_attributes([
        KeyValue::new(HTTP_REQUEST_METHOD, method),
        KeyValue::new(URL_SCHEME, scheme),
        KeyValue::new(URL_PATH, request.uri().path().to_owned()),
    ]);
    if let Some(route) = route {
        span.set_attribute(KeyValue::new(HTTP_ROUTE, route.as_str().to_owned()));
    }
    if let Some(id) = request.extensions().get::<RequestId>() {
        span.set_attribute(KeyValue::new("request.id", id.as_str().to_owned()));
    }
}

fn conclude(span: &SpanRef<'_>, status: StatusCode) {
    if !span.is_recording() {
        return;
    }
    span.set_attribute(KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())));
    if status.is_server_error() {
        span.set_attribute(KeyValue::new(ERROR_TYPE, status.as_str().to_owned()));
        // An answer that says to come back later is not a failure of this request's handling.
        if status != StatusCode::SERVICE_UNAVAILABLE {
            span.set_status(Status::error(""));
        }
    }
}

fn protocol(version: Version) -> &'static str {
    if version == Version::HTTP_10 { "1.0" } else { "1.1" }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{
        Router,
        body::Body,
        extract::State,
        middleware::{self, Next},
        routing::get,
    };
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::{
        propagation::TraceContextPropagator,
        trace::{InMemorySpanExporter, SdkTracerProvider, SpanData},
    };
    use tower::ServiceExt;

    use super::*;

    /// The span of a GET of `path`, answered with `status`, by a client that names its own span.
    async fn traced(path: &str, status: StatusCode) -> SpanData {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let tracer = BoxedTracer::new(Box::new(provider.tracer("test")));
        let telemetry = Arc::new((tracer, HttpMetrics::new("https")));
        let record = async |State(telemetry): State<Arc<(BoxedTracer, HttpMetrics)>>, request: Request, next: Next| {
            record(&telemetry.0, &telemetry.1, request, |request| next.run(request)).await
        };
        let router = Router::new()
            .route("/v1/teams/{team}", get(async move || status))
            .layer(middleware::from_fn_with_state(telemetry, record));
        let request = Request::get(path)
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .body(Body::empty())
            .unwrap();
        assert_eq!(router.oneshot(request).await.unwrap().status(), status);
        exporter.get_finished_spans().unwrap().pop().unwrap()
    }

    #[tokio::test]
    async fn a_request_continues_its_client_s_trace_under_the_name_of_its_route() {
        let span = traced("/v1/teams/dynamodb", StatusCode::OK).await;
        assert_eq!(span.name, "GET /v1/teams/{team}");
        assert_eq!(span.span_kind, SpanKind::Server);
        assert_eq!(span.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
        let attribute = |key: &str| {
            span.attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|found| found.value.to_string())
        };
        assert_eq!(attribute("http.request.method").as_deref(), Some("GET"));
        assert_eq!(attribute("http.route").as_deref(), Some("/v1/teams/{team}"));
        assert_eq!(attribute("http.response.status_code").as_deref(), Some("200"));
        assert_eq!(attribute("url.scheme").as_deref(), Some("https"));
        assert_eq!(attribute("url.path").as_deref(), Some("/v1/teams/dynamodb"));
    }

    #[tokio::test]
    async fn only_our_own_faults_are_errors() {
        assert!(matches!(traced("/v1/teams/a", StatusCode::INTERNAL_SERVER_ERROR).await.status, Status::Error { .. }));
        assert_eq!(traced("/v1/teams/a", StatusCode::NOT_FOUND).await.status, Status::Unset);
        assert_eq!(traced("/v1/teams/a", StatusCode::SERVICE_UNAVAILABLE).await.status, Status::Unset);
    }
}
