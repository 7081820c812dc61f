//! Each ClickHouse user can do its work and nothing else.

use devstack::{Role, Stack, StackConfig};

use crate::support::query;

async fn assert_denied(stack: &Stack, role: Role, sql: &str) {
    let error = query(stack, role, sql).await.expect_err(sql);
    assert!(error.contains("ACCESS_DENIED") || error.contains("READONLY"), "{role:?}, {sql}: {error}");
}

#[tokio::test]
async fn each_user_has_its_rights_and_no_others() {
    let config = StackConfig { database: "other_name".to_owned(), ..StackConfig::test().unwrap() };
    let config = StackConfig { external_kafka: Some("127.0.0.1:1".to_owned()), ..config };
    let stack = Stack::start(config).await.unwrap();
    assert!(stack.kafka().is_none());

    let migrate = async |sql: &str| query(&stack, Role::Migrate, sql).await.unwrap();
    migrate("CREATE DATABASE other_name").await;
    for table in ["usage", "rankings", "request_texts", "dead_letters", "api_keys"] {
        migrate(&format!("CREATE TABLE other_name.{table} (n UInt8) ENGINE = ReplacingMergeTree ORDER BY n")).await;
    }
    migrate("CREATE TABLE other_name.audit_log (n UInt8) ENGINE = MergeTree ORDER BY n").await;
    migrate("ALTER TABLE other_name.request_texts ADD COLUMN text String").await;
    migrate("CREATE VIEW other_name.ranking_items AS SELECT * FROM other_name.rankings").await;
    migrate("ALTER TABLE other_name.usage ADD COLUMN m UInt8").await;
    migrate("INSERT INTO other_name.usage (n) VALUES (1)").await;
    assert_denied(&stack, Role::Migrate, "CREATE DATABASE elsewhere").await;
    assert_denied(&stack, Role::Migrate, "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'n UInt8')").await;

    query(&stack, Role::Ingest, "INSERT INTO other_name.usage (n) VALUES (2)").await.unwrap();
    query(&stack, Role::Ingest, "INSERT INTO other_name.dead_letters VALUES (2)").await.unwrap();
    assert_eq!(query(&stack, Role::Ingest, "SELECT count() FROM other_name.usage").await.as_deref(), Ok("2"));
    assert_denied(&stack, Role::Ingest, "INSERT INTO other_name.rankings VALUES (1)").await;
    assert_denied(&stack, Role::Ingest, "DROP TABLE other_name.usage").await;
    assert_denied(&stack, Role::Ingest, "CREATE TABLE other_name.more (n UInt8) ENGINE = Memory").await;
    assert_denied(&stack, Role::Ingest, "ALTER TABLE other_name.usage DELETE WHERE 1").await;

    query(&stack, Role::Ranker, "INSERT INTO other_name.rankings VALUES (1)").await.unwrap();
    assert_eq!(query(&stack, Role::Ranker, "SELECT count() FROM other_name.usage").await.as_deref(), Ok("2"));
    assert_denied(&stack, Role::Ranker, "INSERT INTO other_name.usage (n) VALUES (3)").await;
    assert_denied(&stack, Role::Ranker, "SELECT count() FROM other_name.request_texts").await;
    assert_denied(&stack, Role::Ranker, "DROP TABLE other_name.rankings").await;
    assert_denied(&stack, Role::Ranker, "TRUNCATE TABLE other_name.rankings").await;

    for table in ["usage", "api_keys"] {
        query(&stack, Role::Api, &format!("SELECT count() FROM other_name.{table}")).await.unwrap();
        assert_denied(&stack, Role::Api, &format!("INSERT INTO other_name.{table} (n) VALUES (3)")).await;
    }
    query(&stack, Role::Api, "SELECT text FROM other_name.request_texts").await.unwrap();
    assert_denied(&stack, Role::Api, "SELECT n FROM other_name.request_texts").await;
    assert_denied(&stack, Role::Api, "INSERT INTO other_name.request_texts (text) VALUES ('')").await;
    query(&stack, Role::Api, "INSERT INTO other_name.audit_log VALUES (1)").await.unwrap();
    assert_denied(&stack, Role::Api, "SELECT count() FROM other_name.audit_log").await;
    assert_denied(&stack, Role::Api, "ALTER TABLE other_name.audit_log DELETE WHERE 1").await;
    assert_denied(&stack, Role::Api, "TRUNCATE TABLE other_name.audit_log").await;
    for role in [Role::Ingest, Role::Ranker, Role::Grafana] {
        assert_denied(&stack, role, "SELECT count() FROM other_name.api_keys").await;
        assert_denied(&stack, role, "SELECT text FROM other_name.request_texts").await;
        assert_denied(&stack, role, "INSERT INTO other_name.audit_log VALUES (1)").await;
    }

    let limited = "SELECT count() FROM other_name.rankings SETTINGS max_execution_time = 5";
    assert_eq!(query(&stack, Role::Grafana, limited).await.as_deref(), Ok("1"));
    assert_denied(&stack, Role::Grafana, "SELECT count() FROM other_name.request_texts").await;
    assert_denied(&stack, Role::Grafana, "SELECT 1 SETTINGS max_memory_usage = 0").await;
    assert_denied(&stack, Role::Grafana, "INSERT INTO other_name.rankings VALUES (2)").await;
    assert_denied(&stack, Role::Grafana, "SELECT * FROM system.processes").await;
}
