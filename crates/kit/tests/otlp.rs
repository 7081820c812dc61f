//! What the standard variables turn on, seen from a collector and in the log.
//!
//! Telemetry is a process's, and its variables too: each case runs this very test again as a child with its own variables.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use kit::telemetry::{LogFormat, SECONDS_BOUNDARIES_DB, TelemetryConfig};
use serde_json::Value;
use testkit::otlp::OtlpReceiver;

const CHILD: &str = "KIT_TEST_CHILD";
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

#[tokio::test]
async fn spans_and_metrics_arrive_with_their_resource_and_logs_carry_the_trace() {
    if is_child() {
        return child().await;
    }
    let (endpoint, receiver) = OtlpReceiver::start().await.unwrap();
    let logs = run_again(
        "spans_and_metrics_arrive_with_their_resource_and_logs_carry_the_trace",
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.instance.id=one"),
        ],
    )
    .await;

    let span = receiver
        .wait_for(ARRIVAL_MAX, |received| received.spans().into_iter().find(|span| span.name == "work"))
        .await
        .unwrap();
    assert_eq!(span.attributes["rows"], "3");
    let of_resource = |key: &str| span.resource.get(key).map(String::as_str);
    assert_eq!(of_resource("service.name"), Some("kit-test"));
    assert_eq!(of_resource("service.version"), Some("1.2.3"));
    assert_eq!(of_resource("service.instance.id"), Some("one"));
    assert_eq!(of_resource("deployment.environment.name"), Some("test"));

    let metric = receiver
        .wait_for(ARRIVAL_MAX, |received| {
            received.metrics().into_iter().find(|metric| metric.name == "db.client.operation.duration")
        })
        .await
        .unwrap();
    assert_eq!(metric.unit, "s");
    assert_eq!(metric.boundaries, SECONDS_BOUNDARIES_DB);
    assert_eq!(metric.resource["service.name"], "kit-test");

    let line = line_about(&logs, "working");
    assert_eq!(line["trace_id"], span.trace_id);
    assert_eq!(line["span_id"], span.span_id);
    assert_eq!((&line["level"], &line["kafka.offset"]), (&"INFO".into(), &7.into()));
    assert_eq!(receiver.spans().len(), 1, "the exporter traced itself: {:?}", receiver.spans());
}

#[tokio::test]
async fn a_service_name_from_the_environment_wins_and_a_signal_can_stay_home() {
    if is_child() {
        return child().await;
    }
    let (endpoint, receiver) = OtlpReceiver::start().await.unwrap();
    run_again(
        "a_service_name_from_the_environment_wins_and_a_signal_can_stay_home",
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_SERVICE_NAME", "named-by-operator"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ],
    )
    .await;
    let metric = receiver.wait_for(ARRIVAL_MAX, |received| received.metrics().into_iter().next()).await.unwrap();
    assert_eq!(metric.resource["service.name"], "named-by-operator");
    // The child has ended: what it did not send, it never will.
    assert_eq!(receiver.spans(), []);
}

#[tokio::test]
async fn without_a_collector_logs_still_carry_the_trace() {
    if is_child() {
        return child().await;
    }
    let logs = run_again("without_a_collector_logs_still_carry_the_trace", &[]).await;
    let inside = line_about(&logs, "working");
    assert_eq!(inside["trace_id"].as_str().map(str::len), Some(32));
    assert_eq!(inside["span_id"].as_str().map(str::len), Some(16));
    assert_eq!(line_about(&logs, "outside").get("trace_id"), None);
    let of_library = line_about(&logs, "a broker is away");
    assert_eq!((&of_library["target"], &of_library["level"]), (&"librdkafka".into(), &"WARN".into()));
    assert_eq!(of_library.get("log.target"), None);
}

#[tokio::test]
async fn a_collector_that_is_away_does_not_hold_up_the_end() {
    if is_child() {
        return child().await;
    }
    // Port 9 of the loopback: nobody listens.
    let run = run_again(
        "a_collector_that_is_away_does_not_hold_up_the_end",
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")],
    );
    let logs = tokio::time::timeout(ARRIVAL_MAX, run).await.expect("the child ends by its own deadline");
    assert!(!logs.is_empty());
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// What the child does: one span with one log line in it, one outside, one measurement.
async fn child() {
    let config = TelemetryConfig { log_format: LogFormat::Json, log_filter: "info".to_owned() };
    let telemetry = kit::telemetry::init("kit-test", "1.2.3", &config).unwrap();
    let meter = opentelemetry::global::meter("kit-test");
    kit::metrics::db_client_operation_duration(&meter).record(0.2, &[]);
    tracing::info_span!("work", rows = 3).in_scope(|| tracing::info!(kafka.offset = 7, "working"));
    tracing::info!("outside");
    log::warn!(target: "librdkafka", "a broker is away");
    telemetry.shutdown(Duration::from_secs(5)).await;
}

/// Runs the test `name` as a child with `variables` and returns its log.
async fn run_again(name: &str, variables: &[(&str, &str)]) -> Vec<Value> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, "1").stdout(Stdio::null());
    for (variable, _) in std::env::vars().filter(|(variable, _)| variable.starts_with("OTEL_")) {
        command.env_remove(variable);
    }
    command.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn line_about<'a>(logs: &'a [Value], message: &str) -> &'a Value {
    logs.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("no {message:?} in {logs:?}"))
}
