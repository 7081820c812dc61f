//! A receiver of OTLP over HTTP that remembers what arrived: the collector of a test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value},
    metrics::v1::metric::Data,
    resource::v1::Resource,
    trace::v1::Span,
};
use prost::Message;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// One export's body may have so many bytes.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Receives until it is dropped.
#[derive(Debug)]
pub struct OtlpReceiver {
    received: Arc<Received>,
    server: JoinHandle<()>,
}

/// A span that arrived. Ids are lower-case hexadecimal; attribute values are text, whatever their type was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedSpan {
    /// Name.
    pub name: String,
    /// The protocol's number: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: i32,
    /// Trace.
    pub trace_id: String,
    /// Id.
    pub span_id: String,
    /// Parent; empty for a root.
    pub parent_span_id: String,
    /// The spans it links to: trace id, span id.
    pub links: Vec<(String, String)>,
    /// Attributes.
    pub attributes: BTreeMap<String, String>,
    /// The resource that sent it.
    pub resource: BTreeMap<String, String>,
}

/// A metric that arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedMetric {
    /// Name.
    pub name: String,
    /// Unit.
    pub unit: String,
    /// The bucket boundaries of a histogram's first point; empty for other kinds.
    pub boundaries: Vec<f64>,
    /// The resource that sent it.
    pub resource: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Received {
    spans: Mutex<Vec<ReceivedSpan>>,
    metrics: Mutex<Vec<ReceivedMetric>>,
    arrivals: watch::Sender<u64>,
}

impl OtlpReceiver {
    /// Starts a receiver on a free port; the first of the pair is the value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> anyhow::Result<(String, Self)> {
        let received =
            Arc::new(Received { spans: Mutex::default(), metrics: Mutex::default(), arrivals: watch::Sender::new(0) });
        let router = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(Arc::clone(&received));
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot bind the OTLP receiver")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(async move {
            // It ends only with the test.
            axum::serve(listener, router).await.expect("the OTLP receiver serves");
        });
        Ok((endpoint, Self { received, server }))
    }

    /// The spans so far, in the order of their arrival.
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        lock(&self.received.spans).clone()
    }

    /// The metrics so far; a metric is there once for every export that carried it.
    pub fn metrics(&self) -> Vec<ReceivedMetric> {
        lock(&self.received.metrics).clone()
    }

    /// The names of the metrics so far.
    pub fn metric_names(&self) -> BTreeSet<String> {
        lock(&self.received.metrics).iter().map(|metric| metric.name.clone()).collect()
    }

    /// Waits until `found` finds what it looks for, looking again at every arrival.
    ///
    /// # Errors
    /// When it has not after `timeout`; the message tells the spans and metrics that arrived.
    pub async fn wait_for<T>(&self, timeout: Duration, found: impl Fn(&Self) -> Option<T>) -> anyhow::Result<T> {
        let mut arrivals = self.received.arrivals.subscribe();
        let search = async {
            loop {
                arrivals.borrow_and_update();
                if let Some(found) = found(self) {
                    return found;
                }
                // The sender lives as long as this receiver.
                arrivals.changed().await.expect("the receiver is alive");
            }
        };
        tokio::time::timeout(timeout, search).await.with_context(|| {
            let spans: BTreeSet<String> = self.spans().into_iter().map(|span| span.name).collect();
            format!("not received within {timeout:?}; spans {spans:?}, metrics {:?}", self.metric_names())
        })
    }
}

impl Drop for OtlpReceiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn traces(State(received): State<Arc<Received>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    for group in request.resource_spans {
        let resource = resource(group.resource);
        let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
        lock(&received.spans).extend(spans.map(|span| received_span(span, &resource)));
    }
    received.arrivals.send_modify(|count| *count += 1);
    StatusCode::OK
}

async fn metrics(State(received): State<Arc<Received>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportMetricsServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    for group in request.resource_metrics {
        let resource = resource(group.resource);
        let metrics = group.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
        lock(&received.metrics).extend(metrics.map(|metric| ReceivedMetric {
            name: metric.name,
            unit: metric.unit,
            boundaries: match metric.data {
                Some(Data::Histogram(histogram)) => {
                    histogram.data_points.into_iter().next().map_or(Vec::new(), |point| point.explicit_bounds)
                }
                _ => Vec::new(),
            },
            resource: resource.clone(),
        }));
    }
    received.arrivals.send_modify(|count| *count += 1);
    StatusCode::OK
}

fn received_span(span: Span, resource: &BTreeMap<String, String>) -> ReceivedSpan {
    ReceivedSpan {
        name: span.name,
        kind: span.kind,
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_span_id: hex(&span.parent_span_id),
        links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
        attributes: texts(span.attributes),
        resource: resource.clone(),
    }
}

fn resource(resource: Option<Resource>) -> BTreeMap<String, String> {
    texts(resource.map_or(Vec::new(), |resource| resource.attributes))
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes
        .into_iter()
        .map(|attribute| {
            let value = attribute.value.and_then(|value| value.value);
            let text = match value {
                Some(any_value::Value::StringValue(text)) => text,
                Some(any_value::Value::IntValue(number)) => number.to_string(),
                Some(any_value::Value::DoubleValue(number)) => number.to_string(),
                Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
                other => format!("{other:?}"),
            };
            (attribute.key, text)
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
