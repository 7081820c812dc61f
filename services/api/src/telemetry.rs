//! A span and a measurement for every request, named as the semantic conventions say.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request},
    http::{StatusCode, Version},
    response::Response,
};
use opentelemetry::{KeyValue, global, trace::TraceContextExt};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_semantic_conventions::attribute::{
    ERROR_TYPE, HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE, NETWORK_PROTOCOL_VERSION, URL_SCHEME,
};
use tracing::{Instrument, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{
    envelope::RequestId,
    metrics::http::{HttpMetrics, named},
};

/// Measures the request and traces it, as a part of the client's trace if it names one.
pub(crate) async fn record<F: Future<Output = Response>>(
    metrics: &HttpMetrics,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let started = Instant::now();
    let method = named(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let protocol = protocol(request.version());
    let span = span(&request, method, metrics.scheme, route.as_ref());
    let _active = metrics.active(method);
    let response = next(request).instrument(span.clone()).await;

    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    let mut attributes = vec![
        KeyValue::new(HTTP_REQUEST_METHOD, method),
        KeyValue::new(URL_SCHEME, metrics.scheme),
        KeyValue::new(HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())),
        KeyValue::new(NETWORK_PROTOCOL_VERSION, protocol),
    ];
    if let Some(route) = route {
        attributes.push(KeyValue::new(HTTP_ROUTE, route.as_str().to_owned()));
    }
    if status.is_server_error() {
        span.record("error.type", status.as_str());
        // An answer that says to come back later is not a failure of this request's handling.
        if status != StatusCode::SERVICE_UNAVAILABLE {
            span.record("otel.status_code", "ERROR");
        }
        attributes.push(KeyValue::new(ERROR_TYPE, status.as_str().to_owned()));
    }
    metrics.duration.record(started.elapsed().as_secs_f64(), &attributes);
    response
}

fn span(request: &Request, method: &'static str, scheme: &'static str, route: Option<&MatchedPath>) -> Span {
    let route = route.map(MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        otel.name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}")),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        url.scheme = scheme,
        url.path = request.uri().path(),
        request.id = request.extensions().get::<RequestId>().map(RequestId::as_str),
        error.type = Empty,
    );
    if request.headers().contains_key("traceparent") {
        let parent =
            global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(request.headers())));
        if parent.span().span_context().is_valid() {
            // It fails where nobody collects traces, and then there is nothing to continue.
            let _ = span.set_parent(parent);
        }
    }
    span
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
    use opentelemetry::trace::{SpanKind, Status, TracerProvider};
    use opentelemetry_sdk::{
        propagation::TraceContextPropagator,
        trace::{InMemorySpanExporter, SdkTracerProvider, SpanData},
    };
    use tower::ServiceExt;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// The span of a GET of `path`, answered with `status`, by a client that names its own span.
    async fn traced(path: &str, status: StatusCode) -> SpanData {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

        let metrics = Arc::new(HttpMetrics::new("https"));
        let record = async |State(metrics): State<Arc<HttpMetrics>>, request: Request, next: Next| {
            record(&metrics, request, |request| next.run(request)).await
        };
        let router = Router::new()
            .route("/v1/teams/{team}", get(async move || status))
            .layer(middleware::from_fn_with_state(metrics, record));
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
