//! Telemetry of the process: logs on standard error, traces and metrics over OTLP when the standard variables ask for
//! it, and metrics for Prometheus always.
//!
//! Spans get ids and travel in headers whether or not anybody collects them, so that logs can be joined by trace.

mod exports;
mod logs;

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use opentelemetry::{
    Key, KeyValue, global,
    metrics::{Histogram, Meter},
    propagation::TextMapCompositePropagator,
    trace::TracerProvider,
};
use opentelemetry_sdk::{
    Resource,
    metrics::SdkMeterProvider,
    propagation::{BaggagePropagator, TraceContextPropagator},
    resource::{EnvResourceDetector, ResourceDetector},
    trace::SdkTracerProvider,
};
use opentelemetry_semantic_conventions::resource::{SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION};
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};
use uuid::Uuid;

use exports::Exports;

/// Bucket boundaries in seconds that the semantic conventions advise for HTTP and messaging.
pub const SECONDS_BOUNDARIES: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Bucket boundaries in seconds that the semantic conventions advise for databases.
pub const SECONDS_BOUNDARIES_DB: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The last spans and metrics get this long to leave when the guard is dropped rather than shut down.
const DROP_FLUSH_MAX: Duration = Duration::from_secs(3);

/// The exporter's own client: tracing it would make spans about sending spans.
const EXPORT_TARGETS: [&str; 6] = ["h2", "hyper", "hyper_util", "opentelemetry", "reqwest", "tower"];

/// How the process tells what it does.
#[derive(Clone, Debug, Args)]
pub struct TelemetryConfig {
    /// How log lines are written to standard error.
    #[arg(long, env = "FLYWHEEL_LOG_FORMAT", value_enum, default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,
    /// Which log lines are written: a level, or `target=level` pairs separated by commas.
    #[arg(long = "log", env = "FLYWHEEL_LOG", default_value = "info")]
    pub log_filter: String,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For a person at a terminal.
    Human,
    /// One JSON object a line.
    Json,
}

/// Starts logs, traces and metrics for the process; once.
///
/// # Errors
/// When the log filter or an `OTEL_...` variable asks for something we do not have, or telemetry was already started.
pub fn init(service_name: &str, version: &str, config: &TelemetryConfig) -> anyhow::Result<Guard> {
    let exports = Exports::from_env(|name| std::env::var(name).ok())?;
    let resource = resource(service_name, version);
    let tracers = tracer_provider(&exports, resource.clone())?;
    let (meters, metrics) = meter_provider(&exports, resource)?;

    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracers.tracer("flywheel"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(
            EXPORT_TARGETS.into_iter().fold(Targets::new().with_default(tracing::Level::INFO), |filter, target| {
                filter.with_target(target, tracing::level_filters::LevelFilter::OFF)
            }),
        );
    tracing_subscriber::registry()
        .with(spans)
        .with(logs::layer(config)?)
        .try_init()
        .context("telemetry was already started in this process")?;

    global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ]));
    global::set_tracer_provider(tracers.clone());
    global::set_meter_provider(meters.clone());
    Ok(Guard { providers: Some((tracers, meters)), metrics })
}

/// Keeps telemetry going; sends what is left when it is shut down or dropped.
#[derive(Debug)]
pub struct Guard {
    providers: Option<(SdkTracerProvider, SdkMeterProvider)>,
    metrics: Metrics,
}

impl Guard {
    /// The metrics that the admin port serves.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Sends what has not left yet, within `timeout`, and stops. Call it last: nothing is recorded afterwards.
    pub async fn shutdown(mut self, timeout: Duration) {
        let Some(providers) = self.providers.take() else { return };
        // The export threads need no runtime, but waiting for them would block ours.
        let flushed = tokio::task::spawn_blocking(move || stop(providers, timeout)).await;
        if let Err(error) = flushed {
            tracing::error!(error = &error as &dyn std::error::Error, "telemetry did not stop");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(providers) = self.providers.take() {
            stop(providers, DROP_FLUSH_MAX);
        }
    }
}

/// Everything the process measures, as Prometheus reads it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(prometheus::Registry);

impl Metrics {
    /// The current values in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric cannot be written in that format.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        prometheus::TextEncoder::new().encode_to_string(&self.0.gather())
    }
}

/// A histogram in seconds with its own buckets: the SDK's default ones are shaped for milliseconds.
pub fn seconds_histogram(
    meter: &Meter,
    name: &'static str,
    description: &'static str,
    boundaries: &[f64],
) -> Histogram<f64> {
    meter.f64_histogram(name).with_unit("s").with_description(description).with_boundaries(boundaries.to_vec()).build()
}

/// What we know of ourselves, except where `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` say otherwise.
fn resource(service_name: &str, version: &str) -> Resource {
    let told = EnvResourceDetector::new().detect();
    let name_told = std::env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty());
    let ours = [
        (SERVICE_NAME, service_name.to_owned()),
        (SERVICE_VERSION, version.to_owned()),
        (SERVICE_INSTANCE_ID, Uuid::new_v4().to_string()),
    ];
    let untold = ours
        .into_iter()
        .filter(|(key, _)| told.get_ref(&Key::new(*key)).is_none() && !(*key == SERVICE_NAME && name_told))
        .map(|(key, value)| KeyValue::new(key, value));
    Resource::builder().with_attributes(untold).build()
}

/// Takes its sampler, span limits and batch sizes from the standard variables.
fn tracer_provider(exports: &Exports, resource: Resource) -> anyhow::Result<SdkTracerProvider> {
    let mut builder = SdkTracerProvider::builder().with_resource(resource);
    if exports.traces {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .build()
            .context("cannot make the OTLP trace exporter from the OTEL_... variables")?;
        builder = builder.with_batch_exporter(exporter);
    }
    Ok(builder.build())
}

fn meter_provider(exports: &Exports, resource: Resource) -> anyhow::Result<(SdkMeterProvider, Metrics)> {
    let registry = prometheus::Registry::new();
    let reader = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .build()
        .context("cannot make the Prometheus reader")?;
    let mut builder = SdkMeterProvider::builder().with_resource(resource).with_reader(reader);
    if exports.metrics {
        let exporter = opentelemetry_otlp::MetricExporter::builder()
            .with_http()
            .build()
            .context("cannot make the OTLP metric exporter from the OTEL_... variables")?;
        builder = builder.with_periodic_exporter(exporter);
    }
    Ok((builder.build(), Metrics(registry)))
}

/// Flushes both providers on a thread of their own, because the meter provider bounds its own wait by nothing.
fn stop((tracers, meters): (SdkTracerProvider, SdkMeterProvider), timeout: Duration) {
    let deadline = Instant::now() + timeout;
    let (done, stopped) = mpsc::channel();
    thread::spawn(move || {
        let results = [tracers.shutdown_with_timeout(timeout), meters.shutdown_with_timeout(timeout)];
        // The receiver may have given up; then there is nobody left to tell.
        drop(done.send(results));
    });
    match stopped.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(results) => {
            for error in results.into_iter().filter_map(Result::err) {
                tracing::warn!(error = &error as &dyn std::error::Error, "the last telemetry was not sent");
            }
        }
        Err(_) => tracing::warn!(timeout_ms = timeout.as_millis(), "the last telemetry was not sent in time"),
    }
}
