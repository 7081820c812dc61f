//! What `docs/operations.md` tells an operator to do, as it stands there.

use devstack::{Role, Stack};
use testkit::eventually::eventually;

use super::SOON;

/// The place holders of the manual's statements.
const TIME: &str = "2026-01-31 12:00:00.000";
const PARTITION: &str = "partition = 2";
const OFFSET: &str = "offset >= 4";

/// The statements of the first SQL below a heading of the manual.
fn statements(heading: &str) -> Vec<String> {
    let manual = include_str!("../../../../../docs/operations.md");
    let (_, below) = manual.split_once(heading).expect("the heading is there");
    let (_, sql) = below.split_once("```sql\n").expect("SQL below it");
    let (sql, _) = sql.split_once("```").expect("its end");
    sql.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

async fn run(stack: &Stack, statement: &str) {
    let client = testkit::clickhouse(stack, Role::Migrate);
    client.query(statement).with_setting("mutations_sync", "1").execute().await.expect("the manual's statement runs");
}

/// Kafka's time now, which is ClickHouse's: they share the machine.
pub(super) async fn now(stack: &Stack) -> String {
    let client = testkit::clickhouse(stack, Role::Migrate);
    client.query("SELECT toString(now64(3, 'UTC'))").fetch_one().await.expect("the time")
}

/// Sets the rows of the usage topic aside that are older than `since`, and deletes the others.
pub(super) async fn set_aside(stack: &Stack, since: &str) {
    for statement in statements("### A topic was made anew") {
        run(stack, &statement.replace(TIME, since)).await;
    }
}

/// Where the unbroken rows of each partition end.
pub(super) async fn ends(stack: &Stack) -> Vec<(i32, i64)> {
    let client = testkit::clickhouse(stack, Role::Migrate);
    let statements = statements("### The commits are lost");
    eventually("the ends are known", SOON, async || {
        client.query(&statements[0]).fetch_all::<(i32, i64)>().await.map_err(|error| error.to_string())
    })
    .await
}

/// Deletes a partition's rows from an offset on, or only up to another.
pub(super) async fn delete(stack: &Stack, partition: i32, from: i64, until: Option<i64>) {
    for statement in statements("### The commits are lost").iter().skip(1) {
        let until = until.map(|until| format!(" AND offset < {until}")).unwrap_or_default();
        let statement = statement
            .replace(PARTITION, &format!("partition = {partition}"))
            .replace(OFFSET, &format!("offset >= {from}{until}"));
        run(stack, &statement).await;
    }
}
