//! The admin port over real HTTP.

use std::time::Duration;

use kit::{
    health::Health,
    telemetry::{LogFormat, TelemetryConfig},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

struct Admin {
    url: String,
    health: Health,
    shutdown: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
}

async fn start(metrics: kit::telemetry::Metrics) -> Admin {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (health, shutdown) = (Health::default(), CancellationToken::new());
    let serving = tokio::spawn(kit::admin::run(listener, health.clone(), metrics, shutdown.clone()));
    Admin { url, health, shutdown, serving }
}

async fn readyz(admin: &Admin) -> (StatusCode, Value) {
    let response = reqwest::get(format!("{}/readyz", admin.url)).await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn the_port_tells_life_readiness_and_metrics_and_stops_despite_a_request_half_sent() {
    let config = TelemetryConfig { log_format: LogFormat::Human, log_filter: "warn".to_owned() };
    let telemetry = kit::telemetry::init("kit-test", "1.2.3", &config).unwrap();
    let admin = start(telemetry.metrics()).await;

    assert_eq!(reqwest::get(format!("{}/livez", admin.url)).await.unwrap().status(), StatusCode::OK);
    assert_eq!(readyz(&admin).await, (StatusCode::OK, json!({"ready": true, "unready": {}})));
    let kafka = admin.health.part("kafka");
    kafka.unready("no broker answers");
    let answer = json!({"ready": false, "unready": {"kafka": "no broker answers"}});
    assert_eq!(readyz(&admin).await, (StatusCode::SERVICE_UNAVAILABLE, answer));
    kafka.ready();
    assert_eq!(readyz(&admin).await.0, StatusCode::OK);

    let meter = opentelemetry::global::meter("kit-test");
    kit::metrics::messaging_client_consumed_messages(&meter).add(2, &[]);
    kit::metrics::db_client_operation_duration(&meter).record(0.0005, &[]);
    let metrics = reqwest::get(format!("{}/metrics", admin.url)).await.unwrap();
    assert!(metrics.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let metrics = metrics.text().await.unwrap();
    for line in [
        "messaging_client_consumed_messages_total 2",
        r#"db_client_operation_duration_seconds_bucket{le="0.001"} 1"#,
        "service_name=\"kit-test\"",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }

    let address = admin.url.strip_prefix("http://").unwrap();
    let mut half_asked = TcpStream::connect(address).await.unwrap();
    half_asked.write_all(b"GET /metrics HTTP/1.1\r\n").await.unwrap();
    // An answer on a later connection shows that the server has met the earlier one.
    assert_eq!(readyz(&admin).await.0, StatusCode::OK);
    admin.shutdown.cancel();
    let stopped = tokio::time::timeout(Duration::from_secs(5), admin.serving).await;
    stopped.expect("it stops in time").unwrap().unwrap();
    telemetry.shutdown(Duration::from_secs(1)).await;
}
