//! What ingest relies on: how ClickHouse deduplicates inserts by their tokens. These are the server's promises, not our code:
//! a version that breaks one fails here first. Where it promises less than one might think, a test says so too.

use std::{
    sync::atomic::{AtomicI32, Ordering},
    time::Duration,
};

use clickhouse::{Client, error::Error};
use devstack::{Role, Server, Stack};
use tokio::task::JoinSet;

/// Rows of one insert.
const ROWS: u64 = 50;

/// A stack's ClickHouse, written to as ingest does.
struct Tables {
    stack: Stack,
    client: Client,
}

impl Tables {
    async fn start() -> Self {
        let stack = testkit::migrated_stack().await;
        let client = testkit::clickhouse(&stack, Role::Ingest).with_setting("async_insert", "0");
        Self { client: client.with_setting("wait_end_of_query", "1"), stack }
    }

    fn server(&self) -> &Server {
        self.stack.clickhouse().expect("the stack's own ClickHouse")
    }

    /// Inserts `ROWS` rows of a partition, under a token or without deduplication.
    async fn insert(&self, table: &str, partition: i32, token: Option<&str>) {
        insert(&self.client, table, partition, token).await.expect("acknowledged");
    }

    /// How many rows of a partition are there.
    async fn rows(&self, table: &str, partition: i32) -> u64 {
        let sql = format!("SELECT count() FROM {table} WHERE partition = ?");
        self.client.query(&sql).bind(partition).fetch_one().await.expect("an answer")
    }
}

async fn insert(client: &Client, table: &str, partition: i32, token: Option<&str>) -> Result<(), Error> {
    let sql = format!("INSERT INTO {table} (partition, offset) FORMAT TabSeparated");
    let insert = client.insert_formatted_with(sql);
    let insert = match token {
        Some(token) => insert.with_setting("insert_deduplication_token", token),
        // `insert_deduplicate` alone no longer decides: `deduplicate_insert` overrides it since 26.2.
        None => insert.with_setting("deduplicate_insert", "disable"),
    };
    let most = Some(Duration::from_secs(20));
    let mut insert = insert.with_timeouts(most, most);
    let rows: String = (0..ROWS).map(|offset| format!("{partition}\t{offset}\n")).collect();
    insert.send(rows.into()).await?;
    insert.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_taken_once_in_each_table_and_outlives_restarts() {
    let tables = Tables::start().await;
    for table in
        ["requests", "request_texts", "usage", "needs", "teams", "features", "accounts", "dead_letters", "repeats"]
    {
        tables.insert(table, 0, Some("a")).await;
        tables.insert(table, 0, Some("a")).await;
        assert_eq!(tables.rows(table, 0).await, ROWS, "{table}: twice under one token, and each table has its own");
    }
    tables.insert("usage", 0, Some("b")).await;
    assert_eq!(tables.rows("usage", 0).await, 2 * ROWS, "the token counts, not what the rows are");
    tables.insert("usage", 0, None).await;
    tables.insert("usage", 0, None).await;
    assert_eq!(tables.rows("usage", 0).await, 4 * ROWS, "what is not to be deduplicated is not");

    // So an acknowledgement says that the token is taken, not that the rows are there.
    tables.insert("usage", 1, Some("a")).await;
    assert_eq!(tables.rows("usage", 1).await, 0, "other rows under a taken token are dropped, and acknowledged");

    tables.server().restart().await.expect("ClickHouse returns");
    tables.insert("usage", 1, Some("a")).await;
    assert_eq!(tables.rows("usage", 1).await, 0, "a restart keeps tokens");

    tables.insert("usage", 2, Some("c")).await;
    tables.server().kill().await.expect("ClickHouse can be killed");
    tables.server().start().await.expect("ClickHouse returns");
    tables.insert("usage", 2, Some("c")).await;
    tables.insert("usage", 1, Some("a")).await;
    assert_eq!(tables.rows("usage", 2).await, ROWS, "what was acknowledged survives a kill, and so does its token");
    assert_eq!(tables.rows("usage", 1).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_forgotten_when_its_table_had_a_window_of_inserts_since() {
    let tables = Tables::start().await;
    let migrate = testkit::clickhouse(&tables.stack, Role::Migrate);
    let small = "ALTER TABLE usage MODIFY SETTING non_replicated_deduplication_window = 3";
    migrate.query(small).execute().await.expect("the window can be changed");
    for token in ["a", "b", "c"] {
        tables.insert("usage", 0, Some(token)).await;
    }
    tables.insert("usage", 0, Some("a")).await;
    assert_eq!(tables.rows("usage", 0).await, 3 * ROWS);
    tables.insert("usage", 0, Some("d")).await;
    tables.insert("usage", 0, Some("a")).await;
    assert_eq!(tables.rows("usage", 0).await, 5 * ROWS, "the oldest of four is forgotten: its rows are there twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_inserts_whole_or_absent_and_never_has_rows_without_their_token() {
    const ROUNDS: i32 = 4;
    let tables = Tables::start().await;
    // A partition for each insert, so that its rows are known.
    let next = AtomicI32::new(0);
    let take = || next.fetch_add(1, Ordering::Relaxed);
    for round in 0..ROUNDS {
        let mut writers = JoinSet::new();
        let first = take();
        for writer in 0..4 {
            let client = tables.client.clone();
            writers.spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    let partition = first + writer + 4 * number;
                    match insert(&client, "usage", partition, Some(&partition.to_string())).await {
                        Ok(()) => acknowledged.push(partition),
                        Err(_) => return (acknowledged, partition),
                    }
                }
                unreachable!("the server is killed")
            });
        }
        let begun = 20 + u64::from(round.unsigned_abs());
        testkit::eventually::eventually("inserts are under way", Duration::from_secs(20), async || {
            let sql = "SELECT uniqExact(partition) FROM usage WHERE partition >= ?";
            let seen: u64 =
                tables.client.query(sql).bind(first).fetch_one().await.map_err(|error| error.to_string())?;
            if seen >= begun { Ok(()) } else { Err(format!("{seen} of {begun}")) }
        })
        .await;
        tables.server().kill().await.expect("ClickHouse can be killed");
        let ended = writers.join_all().await;
        tables.server().start().await.expect("ClickHouse returns");

        for (acknowledged, unanswered) in ended {
            for partition in acknowledged {
                assert_eq!(tables.rows("usage", partition).await, ROWS, "acknowledged: {partition}");
            }
            let rows = tables.rows("usage", unanswered).await;
            assert!(rows == 0 || rows == ROWS, "one insert is there whole or not at all: {rows} rows");
            let token = unanswered.to_string();
            tables.insert("usage", unanswered, Some(&token)).await;
            let again = tables.rows("usage", unanswered).await;
            // None at all: the token was recorded, its rows were not. Then the insert is acknowledged and dropped for ever,
            // and whoever sends it again must look, and take another token.
            assert!(again == 0 || again == ROWS, "rows without their token, so that they doubled: {again}");
            assert!(again >= rows, "rows stay");
            if again == 0 {
                tables.insert("usage", unanswered, Some(&format!("{token}#1"))).await;
                assert_eq!(tables.rows("usage", unanswered).await, ROWS);
            }
            next.fetch_max(unanswered + 8, Ordering::Relaxed);
        }
    }
}
