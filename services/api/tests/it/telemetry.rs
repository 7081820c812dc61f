//! What is measured, as Prometheus reads it.

use kit::telemetry::{self, LogFormat, TelemetryConfig};

use crate::support::{Api, ranking};

#[tokio::test]
async fn requests_are_measured_by_route_and_status() {
    // For the whole test process: the other tests' requests may be in the numbers too.
    let config = TelemetryConfig { log_format: LogFormat::Json, log_filter: "off".to_owned() };
    let guard = telemetry::init("api-test", "0", &config).unwrap();
    let api = Api::start().await;
    api.publish(ranking("t", "s1", "2026-01-01T12:00:00Z", 1, 0));
    for _ in 0..3 {
        assert_eq!(api.get("/v1/teams/nobody/features/l9").await.status(), 404);
    }
    let traced = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
    assert_eq!(api.send(reqwest::Method::GET, "/v1/teams/t/rankings?x=1", &traced).await.status(), 400);

    let metrics = guard.metrics().render().unwrap();
    let line = |route: &str, status: u16| {
        let of_route = format!("http_route=\"{route}\"");
        let of_status = format!("http_response_status_code=\"{status}\"");
        let count = "http_server_request_duration_seconds_count";
        let found = metrics
            .lines()
            .find(|line| line.starts_with(count) && line.contains(&of_route) && line.contains(&of_status));
        found.unwrap_or_else(|| panic!("no {count} of {route} with {status} in\n{metrics}"))
    };
    let feature = line("/v1/teams/{team}/features/{feature}", 404);
    let measured: u32 = feature.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(measured >= 3, "{feature}");
    assert!(feature.contains("http_request_method=\"GET\"") && feature.contains("url_scheme=\"http\""), "{feature}");
    line("/v1/teams/{team}/rankings", 400);
    assert!(crate::tls::one_answer().await.starts_with("HTTP/1.1 200 OK"));
    let metrics_of_tls = guard.metrics().render().unwrap();
    let secure = |line: &str| line.contains("http_route=\"/livez\"") && line.contains("url_scheme=\"https\"");
    assert!(metrics_of_tls.lines().any(secure), "what came over TLS is not told from what did not");
    assert!(metrics.contains("le=\"0.075\""), "the buckets are not those of the semantic conventions");
}
