//! One event's trace reaches the ranking: producer, batch, ranking, publication and the API's reading of it are linked.

use std::{collections::BTreeSet, io::Write as _, process::Stdio, time::Duration};

use devstack::Role;
use testkit::{
    flywheel::{Flywheel, binary},
    otlp::{OtlpReceiver, ReceivedSpan},
};

const ARRIVED_MAX: Duration = Duration::from_secs(60);
const BOARD: &str = r#"{"source":"example/board","number":1,"team":"traced","title":"A feature","state":"open","labels":[],"opened_at":"2026-01-02","opener":"acct_1","comments":[],"duplicate_of":null,"shipped":null}"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_events_trace_reaches_the_ranking() {
    let stack = testkit::migrated_stack().await;
    let (endpoint, receiver) = OtlpReceiver::start().await.expect("a receiver");
    let telemetry = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
    ];
    let flywheel = Flywheel::spawn(&stack, "run", &telemetry);
    flywheel.ready().await;

    let mut board = tempfile::NamedTempFile::new().expect("a file");
    writeln!(board, "{BOARD}").expect("a board");
    let imported = tokio::process::Command::new(binary())
        .args(["import", "requests"])
        .arg(board.path())
        .envs(stack.env())
        .envs(telemetry)
        .stdout(Stdio::null())
        .status()
        .await
        .expect("the import runs");
    assert!(imported.success());

    let path = receiver.wait_for(ARRIVED_MAX, |receiver| path(&receiver.spans())).await;
    let path = path.unwrap_or_else(|error| panic!("{error:#}\n{}", flywheel.log()));
    let [sent, batch, rank, published, read] = path;
    assert_eq!(sent.kind, PRODUCER);
    assert_eq!(batch.kind, CONSUMER);
    assert_eq!(published.kind, PRODUCER);
    assert_eq!(sent.attributes["messaging.destination.name"], "flywheel.requests.v1");
    assert_eq!(published.attributes["messaging.destination.name"], "flywheel.rankings.v1");
    assert_eq!(published.trace_id, rank.trace_id, "the ranking is published in the ranking's own trace");
    assert_eq!(read.attributes["messaging.system"], "kafka");

    metrics_have_conventional_names(&flywheel, &receiver).await;
    testkit::clickhouse(&stack, Role::Migrate).query("DROP TABLE requests SYNC").execute().await.expect("it is gone");
    why_there_is_no_answer_is_in_its_askers_trace(&flywheel).await;
}

/// What is logged of an answer that could not be computed is found by its asker's trace.
async fn why_there_is_no_answer_is_in_its_askers_trace(flywheel: &Flywheel) {
    let client = reqwest::Client::new();
    let url = format!("{}/v1/teams/traced/rankings?as_of=2026-02-01T00:00:00Z", flywheel.api_url());
    let answer = client.get(url).header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01")).send().await;
    assert_eq!(answer.expect("the API answers").status(), 503);
    let log = flywheel.log();
    let said: Vec<&str> = log.lines().filter(|line| line.contains("an answer could not be computed")).collect();
    assert!(!said.is_empty() && said.iter().all(|line| line.contains(TRACE)), "{said:?}\n{log}");
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;

/// The spans from the request's producer to the API's reading of the ranking, if all have arrived.
fn path(spans: &[ReceivedSpan]) -> Option<[ReceivedSpan; 5]> {
    let sent = spans.iter().find(|span| span.name == "send flywheel.requests.v1")?;
    let batch = spans.iter().find(|span| span.name.starts_with("process") && links(span, sent))?;
    let rank = spans.iter().find(|span| span.name == "rank" && links(span, batch))?;
    let published =
        spans.iter().find(|span| span.name == "send flywheel.rankings.v1" && span.parent_span_id == rank.span_id)?;
    let read = spans.iter().find(|span| span.name == "process flywheel.rankings.v1" && links(span, published))?;
    Some([sent, batch, rank, published, read].map(Clone::clone))
}

fn links(from: &ReceivedSpan, to: &ReceivedSpan) -> bool {
    from.links.contains(&(to.trace_id.clone(), to.span_id.clone()))
}

async fn metrics_have_conventional_names(flywheel: &Flywheel, receiver: &OtlpReceiver) {
    let (status, _) = flywheel.get("/v1/teams").await;
    assert_eq!(status, 200);
    let expected = BTreeSet::from(
        [
            "db.client.operation.duration",
            "http.server.request.duration",
            "messaging.client.consumed.messages",
            "messaging.client.operation.duration",
            "messaging.client.sent.messages",
            "messaging.process.duration",
        ]
        .map(str::to_owned),
    );
    let exported = receiver
        .wait_for(ARRIVED_MAX, |receiver| expected.is_subset(&receiver.metric_names()).then(|| receiver.metrics()));
    let exported = exported.await.unwrap_or_else(|error| panic!("{error:#}"));
    for metric in exported.iter().filter(|metric| metric.name.ends_with(".duration")) {
        assert_eq!(metric.unit, "s", "{}", metric.name);
        // The SDK's default boundaries are made for milliseconds: their last is 10,000.
        assert!(metric.boundaries.last().is_some_and(|last| *last <= 10.0), "{} {:?}", metric.name, metric.boundaries);
        assert!(metric.boundaries.first().is_some_and(|first| *first < 0.1), "{} {:?}", metric.name, metric.boundaries);
    }

    let text = flywheel.metrics().await;
    for name in [
        "db_client_operation_duration_seconds_bucket",
        "flywheel_ingest_buffered_bytes",
        "flywheel_ingest_buffered_limit_bytes",
        "flywheel_ingest_freshness_seconds_bucket",
        "flywheel_ingest_inserted_bytes_total",
        "flywheel_ingest_lag_seconds",
        "flywheel_ingest_repeats_horizon_seconds",
        "flywheel_ingest_repeats_total",
        "flywheel_ingest_replays_total",
        "flywheel_ingest_rows_total",
        "flywheel_ranker_duration_seconds_bucket",
        "flywheel_ranker_rankings_total",
        "http_server_request_duration_seconds_bucket",
        "kafka_consumer_group_lag",
        "messaging_client_consumed_messages_total",
        "messaging_process_duration_seconds_bucket",
        "target_info",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing from /metrics:\n{text}");
    }
}
