//! Started, stopped, killed, paused: what was written stays, and nothing outlives its owner.

use devstack::{Role, Server, Stack, StackConfig};

use crate::support::{create_topic, eventually, partitions, processes, query};

async fn stack_with_data() -> Stack {
    let stack = Stack::start(StackConfig::test().unwrap()).await.unwrap();
    query(&stack, Role::Migrate, "CREATE DATABASE flywheel").await.unwrap();
    query(&stack, Role::Migrate, "CREATE TABLE flywheel.usage (n UInt8) ENGINE = MergeTree ORDER BY n").await.unwrap();
    query(&stack, Role::Ingest, "INSERT INTO flywheel.usage VALUES (1), (2), (3)").await.unwrap();
    create_topic(&stack, "usage").await;
    stack
}

async fn assert_data_is_there(stack: &Stack) {
    assert_eq!(query(stack, Role::Ranker, "SELECT sum(n) FROM flywheel.usage").await.as_deref(), Ok("6"));
    assert_eq!(partitions(stack, "usage").await, Some(2));
}

fn servers(stack: &Stack) -> [&Server; 2] {
    [stack.kafka().unwrap(), stack.clickhouse().unwrap()]
}

#[tokio::test]
async fn data_survives_a_crash_and_a_restart() {
    let stack = stack_with_data().await;
    for server in servers(&stack) {
        server.kill().await.unwrap();
    }
    assert!(query(&stack, Role::Ranker, "SELECT 1").await.is_err());
    assert_eq!(partitions(&stack, "usage").await, None);
    for server in servers(&stack) {
        server.start().await.unwrap();
    }
    assert_data_is_there(&stack).await;
    for server in servers(&stack) {
        server.restart().await.unwrap();
    }
    assert_data_is_there(&stack).await;
}

#[tokio::test]
async fn a_paused_server_is_silent_until_it_is_resumed() {
    let stack = stack_with_data().await;
    for server in servers(&stack) {
        server.pause().await.unwrap();
    }
    assert!(query(&stack, Role::Ranker, "SELECT 1").await.is_err());
    assert_eq!(partitions(&stack, "usage").await, None);
    for server in servers(&stack) {
        server.resume().await.unwrap();
        server.wait_healthy().await.unwrap();
    }
    assert_data_is_there(&stack).await;
    // Paused ones can be stopped as well.
    for server in servers(&stack) {
        server.pause().await.unwrap();
    }
    stack.stop().await.unwrap();
    assert_eq!(partitions(&stack, "usage").await, None);
}

#[tokio::test]
async fn dropping_a_stack_leaves_no_process_and_no_folder() {
    let stack = Stack::start(StackConfig::test().unwrap()).await.unwrap();
    let folder = stack.logs().parent().unwrap().to_owned();
    assert_eq!(processes(folder.to_str().unwrap()).len(), 4, "two servers, each with its supervisor");
    drop(stack);
    assert_eq!(processes(folder.to_str().unwrap()), [""; 0]);
    assert!(!folder.exists());
}

/// The second process of the next test: it starts a stack and then waits to be killed.
#[tokio::test]
async fn owner() {
    if std::env::var_os("DEVSTACK_TEST_OWNER").is_none() {
        return;
    }
    let stack =
        Stack::start(StackConfig { run: "test-owner".to_owned(), ..StackConfig::test().unwrap() }).await.unwrap();
    std::fs::write(stack.logs().join("up"), "").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn killing_the_owner_ends_its_servers() {
    let config = StackConfig { run: "test-owner".to_owned(), ..StackConfig::test().unwrap() };
    let folder = config.folders.run(&config.run);
    let mut owner = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["servers::owner", "--exact"])
        .env("DEVSTACK_TEST_OWNER", "1")
        .spawn()
        .unwrap();
    eventually("the stack of another process is up", async || folder.join("logs/up").exists()).await;
    assert_eq!(processes(folder.to_str().unwrap()).len(), 4);
    // Two at once on the same data would ruin it.
    let second = Stack::start(config).await.unwrap_err().to_string();
    assert!(second.starts_with("a local stack runs already on the data in "), "{second}");

    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("its servers are gone", async || processes(folder.to_str().unwrap()).is_empty()).await;
}
