//! Probes and descriptions.

use serde_json::json;

use crate::support::Api;

#[tokio::test]
async fn readiness_is_that_of_every_part() {
    let api = Api::start().await;
    assert_eq!(api.json("/readyz").await, json!({"status": "ok"}));
    let kafka = api.health.part("ingest");
    kafka.unready("Kafka does not answer");
    insta::assert_json_snapshot!("unready", api.problem("/readyz").await);
    assert_eq!(api.json("/livez").await, json!({"status": "ok"}));
    kafka.ready();
    assert_eq!(api.json("/readyz").await, json!({"status": "ok"}));
}

#[tokio::test]
async fn the_version_is_that_of_the_build() {
    let api = Api::start().await;
    let version = api.json("/version").await;
    assert_eq!(version["name"], "flywheel");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}
