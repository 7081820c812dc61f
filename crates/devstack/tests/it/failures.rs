//! What goes wrong is said in a sentence that helps.

use std::net::TcpListener;

use devstack::{Ports, Stack, StackConfig};

#[tokio::test]
async fn a_taken_port_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let kafka = taken.local_addr().unwrap().port();
    let ports = Ports { kafka, kafka_controller: 1, clickhouse_http: 2, clickhouse_native: 3 };
    let error = Stack::start(StackConfig { ports: Some(ports), ..StackConfig::test().unwrap() }).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "port {kafka}, which Kafka needs, is taken by another program: stop that program, \
             or set FLYWHEEL_KAFKA_BROKERS=127.0.0.1:{kafka} if it is the Kafka to use, \
             or FLYWHEEL_DEVSTACK_KAFKA_PORT to another port"
        )
    );
}

#[tokio::test]
async fn a_server_that_cannot_start_is_reported_with_its_log() {
    // Java refuses a heap this small.
    let config = StackConfig { kafka_heap_mib: 1, ..StackConfig::test().unwrap() };
    let config = StackConfig { external_clickhouse: Some("http://127.0.0.1:1".to_owned()), ..config };
    let error = Stack::start(config).await.unwrap_err().to_string();
    assert!(error.starts_with("Kafka ended unexpectedly (exit status: 1); its log is "), "{error}");
    assert!(error.contains("heap"), "{error}");
}

#[tokio::test]
async fn a_server_that_ends_by_itself_is_noticed() {
    let config = StackConfig { external_kafka: Some("127.0.0.1:1".to_owned()), ..StackConfig::test().unwrap() };
    let stack = Stack::start(config).await.unwrap();
    let pid = std::fs::read_to_string(stack.logs().with_file_name("clickhouse.pid")).unwrap();
    let killed = std::process::Command::new("kill").args(["-9", &pid]).status().unwrap();
    assert!(killed.success());
    let error = stack.unexpected_end().await.to_string();
    assert!(error.starts_with("ClickHouse ended unexpectedly (exit status: 137); its log is "), "{error}");
}
