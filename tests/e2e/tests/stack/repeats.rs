//! What is said again counts once: near, far, and when ingest was killed in between.

use std::time::Duration;

use devstack::{Role, Stack};
use testkit::{
    eventually::eventually,
    flywheel::Flywheel,
    record::{Described, produce},
};
use wire::topics::{CATALOG, REQUESTS, USAGE};

const WRITTEN_MAX: Duration = Duration::from_secs(90);
const PARTITION: i32 = 0;

/// More than ingest remembers of a partition of requests: what lies below, only ClickHouse knows.
const BEYOND_MEMORY: u64 = 115_000;

fn event(topic: &str, kind: &str, id: &str, data: &str) -> Described {
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", id),
        ("ce_source", "//flywheel/tests/repeats"),
        ("ce_type", kind),
        ("ce_time", "2026-01-15T09:30:00Z"),
    ];
    Described {
        topic: topic.to_owned(),
        partition: Some(PARTITION),
        headers: headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec(),
        payload: Some(data.as_bytes().to_vec()),
        ..Described::default()
    }
}

/// One event of each table.
fn said() -> Vec<Described> {
    let stated = r#"{"team":"t","feature":"f","account":"a","importance":"critical","text":"please"}"#;
    let used = r#"{"team":"t","feature":"f","account":"a","operation":"query","count":1}"#;
    let needed = r#"{"team":"t","feature":"f","account":"a","signal":"full_scan","count":1}"#;
    let feature = r#"{"team":"t","feature":"f","title":"F","status":"proposed"}"#;
    vec![
        event(REQUESTS, "io.flywheel.request.stated.v1", "1", stated),
        event(USAGE, "io.flywheel.usage.observed.v1", "1", used),
        event(USAGE, "io.flywheel.need.signaled.v1", "2", needed),
        event(CATALOG, "io.flywheel.team.defined.v1", "1", r#"{"team":"t","name":"T"}"#),
        event(CATALOG, "io.flywheel.feature.defined.v1", "2", feature),
        event(CATALOG, "io.flywheel.account.defined.v1", "3", r#"{"account":"a","tier":"growth"}"#),
    ]
}

/// Where repeats stand: topic and offset.
async fn repeats(stack: &Stack) -> Vec<(String, i64)> {
    let client = testkit::clickhouse(stack, Role::Ingest);
    let sql = "SELECT toString(topic), offset FROM repeats ORDER BY topic, offset";
    client.query(sql).fetch_all().await.expect("repeats")
}

async fn rows(stack: &Stack, table: &str) -> u64 {
    let client = testkit::clickhouse(stack, Role::Ingest);
    client.query(&format!("SELECT count() FROM {table}")).fetch_one().await.expect("a count")
}

async fn has_repeats(stack: &Stack, expected: &[(&str, i64)]) {
    let expected: Vec<_> = expected.iter().map(|(topic, offset)| ((*topic).to_owned(), *offset)).collect();
    eventually("the repeats are there", WRITTEN_MAX, async || {
        let found = repeats(stack).await;
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    for table in ["requests", "request_texts", "usage", "needs", "teams", "features", "accounts"] {
        assert_eq!(rows(stack, table).await, 1, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_again_counts_once_near_and_far_and_across_a_kill() {
    let stack = testkit::migrated_stack().await;
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    produce(&stack, said());
    produce(&stack, said());
    let near = [(CATALOG, 3), (CATALOG, 4), (CATALOG, 5), (REQUESTS, 1), (USAGE, 2), (USAGE, 3)];
    has_repeats(&stack, &near).await;

    // Nobody's memory: another process, and for requests too far back for it to read.
    let empty = Described { topic: REQUESTS.to_owned(), partition: Some(PARTITION), ..Described::default() };
    produce(&stack, (0..BEYOND_MEMORY).map(|_| empty.clone()));
    eventually("what lies between is written", WRITTEN_MAX, async || match rows(&stack, "dead_letters").await {
        BEYOND_MEMORY => Ok(()),
        found => Err(format!("{found} of {BEYOND_MEMORY}")),
    })
    .await;
    ingest.kill().await;
    produce(&stack, said());
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    let far = [
        (CATALOG, 3),
        (CATALOG, 4),
        (CATALOG, 5),
        (CATALOG, 6),
        (CATALOG, 7),
        (CATALOG, 8),
        (REQUESTS, 1),
        (REQUESTS, 115_002),
        (USAGE, 2),
        (USAGE, 3),
        (USAGE, 4),
        (USAGE, 5),
    ];
    has_repeats(&stack, &far).await;
    let (status, log) = ingest.terminate().await;
    assert!(status.success(), "{log}");
}
