//! Probes and descriptions.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

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

#[tokio::test]
async fn a_stop_does_not_wait_for_those_who_do_nothing() {
    let api = Api::start().await;
    let silent = TcpStream::connect(api.address).await.unwrap();
    let mut idle = TcpStream::connect(api.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
    let mut slow = TcpStream::connect(api.address).await.unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    assert_eq!(api.json("/livez").await["status"], "ok");
    tokio::time::timeout(Duration::from_secs(8), api.stop()).await.expect("it waits for somebody");
    drop((silent, idle, slow));
}
