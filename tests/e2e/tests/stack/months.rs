//! Months of activity: there before the rows that they come from, of all rows and of nothing else.

use std::time::Duration;

use clickhouse::Client;
use devstack::{Role, Stack};
use testkit::{
    eventually::eventually,
    flywheel::{Flywheel, command, succeed},
    record::{Described, produce},
};
use wire::topics::{REQUESTS, USAGE};

const WRITTEN_MAX: Duration = Duration::from_secs(60);

/// Who wrote so long ago has stopped.
const WRITTEN_LONG_AGO: Duration = Duration::from_secs(12);

/// A month of an account, by use or not: its first and its last event.
type Month = (String, String, String, bool, String, String);

async fn months(client: &Client) -> Vec<Month> {
    let sql = "SELECT toString(team), account, toString(month), is_use, toString(min(first)), toString(max(last))
        FROM active_months GROUP BY team, account, month, is_use ORDER BY ALL";
    client.query(sql).fetch_all().await.expect("months")
}

fn month(account: &str, month: &str, is_use: bool, first: &str, last: &str) -> Month {
    let [account, month, first, last] = [account, month, first, last].map(str::to_owned);
    ("t".to_owned(), account, month, is_use, first + ".000000", last + ".000000")
}

fn event(id: &str, topic: &str, kind: &str, account: &str, time: &str, rest: &str) -> Described {
    let headers =
        [("ce_specversion", "1.0"), ("ce_id", id), ("ce_source", "//months"), ("ce_type", kind), ("ce_time", time)];
    let data = format!(r#"{{"team":"t","feature":"f","account":"{account}"{rest}}}"#);
    Described {
        topic: topic.to_owned(),
        partition: Some(0),
        headers: headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec(),
        payload: Some(data.into_bytes()),
        ..Described::default()
    }
}

async fn refuse(migrate: &Client, table: &str) {
    let sql = format!("ALTER TABLE {table} ADD CONSTRAINT refused CHECK length(account) = 0");
    migrate.query(&sql).execute().await.expect("a constraint");
}

async fn rows(client: &Client, table: &str) -> u64 {
    client.query(&format!("SELECT count() FROM {table}")).fetch_one().await.expect("a count")
}

async fn has_months(client: &Client, expected: &[Month]) {
    eventually("the months are there", WRITTEN_MAX, async || {
        let found = months(client).await;
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_there_has_its_month_there_whenever_ingest_is_killed() {
    let stack = testkit::migrated_stack().await;
    let [client, migrate] = [Role::Ingest, Role::Migrate].map(|role| testkit::clickhouse(&stack, role));
    for table in ["needs", "requests"] {
        refuse(&migrate, table).await;
    }
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    let stated = "io.flywheel.request.stated.v1";
    let used = ("io.flywheel.usage.observed.v1", r#","operation":"query","count":1"#);
    let needed = ("io.flywheel.need.signaled.v1", r#","signal":"full_scan","count":1"#);
    let critical = r#","importance":"critical""#;
    produce(
        &stack,
        [
            event("1", REQUESTS, stated, "a", "2026-01-15T09:30:00Z", critical),
            event("2", REQUESTS, "io.flywheel.request.withdrawn.v1", "a", "2026-01-31T23:59:59Z", ""),
            event("3", REQUESTS, stated, "a", "2026-02-01T00:00:00Z", critical),
            // Said again, and not at that time.
            event("3", REQUESTS, stated, "again", "2026-03-01T00:00:00Z", critical),
            event("1", USAGE, needed.0, "a", "2026-01-02T00:00:00Z", needed.1),
            event("2", USAGE, needed.0, "b", "2026-01-03T00:00:00Z", needed.1),
        ],
    );
    let expected = [
        month("a", "2026-01-01", false, "2026-01-15 09:30:00", "2026-01-31 23:59:59"),
        month("a", "2026-01-01", true, "2026-01-02 00:00:00", "2026-01-02 00:00:00"),
        month("a", "2026-02-01", false, "2026-02-01 00:00:00", "2026-02-01 00:00:00"),
        month("b", "2026-01-01", true, "2026-01-03 00:00:00", "2026-01-03 00:00:00"),
    ];
    has_months(&client, &expected).await;
    assert_eq!([rows(&client, "needs").await, rows(&client, "requests").await], [0, 0], "between months and rows");
    ingest.kill().await;
    assert_eq!(months(&client).await, expected);

    for table in ["needs", "requests"] {
        let sql = format!("ALTER TABLE {table} DROP CONSTRAINT refused");
        migrate.query(&sql).execute().await.expect("no constraint");
    }
    let ingest = Flywheel::spawn(&stack, "ingest", &[]);
    eventually("the rows are there", WRITTEN_MAX, async || {
        let found = [rows(&client, "needs").await, rows(&client, "requests").await];
        if found == [2, 3] { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    // Those of usage come by way of its days.
    produce(&stack, [event("3", USAGE, used.0, "a", "2026-01-31T23:00:00Z", used.1)]);
    let mut expected = expected.to_vec();
    expected[1] = month("a", "2026-01-01", true, "2026-01-02 00:00:00", "2026-01-31 23:00:00");
    has_months(&client, &expected).await;
    let (status, log) = ingest.terminate().await;
    assert!(status.success(), "{log}");
}

/// As if the migration had not been applied.
async fn unapply(migrate: &Client) {
    for statement in [
        "DROP VIEW active_months_writer",
        "DROP TABLE active_months",
        "ALTER TABLE schema_migrations DELETE WHERE name = 'active_months' SETTINGS mutations_sync = 1",
        "ALTER TABLE schema_migrations UPDATE applied_at = applied_at - 3600 WHERE true SETTINGS mutations_sync = 1",
    ] {
        migrate.query(statement).execute().await.expect("an older schema");
    }
}

async fn refused(stack: &Stack) -> String {
    let migrated = command(stack, &["migrate"]).await;
    assert_eq!(migrated.status.code(), Some(1));
    String::from_utf8_lossy(&migrated.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_has_months_too_and_nobody_writes_while_they_are_made() {
    let stack = testkit::migrated_stack().await;
    let [client, migrate] = [Role::Ingest, Role::Migrate].map(|role| testkit::clickhouse(&stack, role));
    unapply(&migrate).await;
    for (table, times) in [
        ("requests", ["2026-01-31 23:59:59", "2026-02-01 00:00:00"]),
        ("needs", ["2026-01-01 00:00:00", "2026-01-02 00:00:00"]),
    ] {
        for (offset, time) in times.iter().enumerate() {
            let sql = format!(
                "INSERT INTO {table} (partition, offset, time, team, account) VALUES (0, {offset}, '{time}', 't', 'a')"
            );
            client.query(&sql).execute().await.expect("rows");
        }
    }
    let days = "INSERT INTO usage_days (team, feature, account, day, first, last)
        VALUES ('t', 'f', 'a', '2026-01-31', '2026-01-31 01:00:00', '2026-01-31 02:00:00')";
    client.query(days).execute().await.expect("days");

    let change = "INSERT INTO team_changes (team, rows, traceparent) VALUES ('t', 1, '')";
    client.query(change).execute().await.expect("a change");
    let said = refused(&stack).await;
    assert!(said.contains("an ingest process writes rows"), "{said}");
    tokio::time::sleep(WRITTEN_LONG_AGO).await;

    let expected = [
        month("a", "2026-01-01", false, "2026-01-31 23:59:59", "2026-01-31 23:59:59"),
        month("a", "2026-01-01", true, "2026-01-01 00:00:00", "2026-01-31 02:00:00"),
        month("a", "2026-02-01", false, "2026-02-01 00:00:00", "2026-02-01 00:00:00"),
    ];
    assert_eq!(succeed(&stack, &["migrate"]).await, "applied 0011 active_months\n");
    assert_eq!(months(&client).await, expected);
    // By hand, once more.
    let backfill = "INSERT INTO active_months (team, account, month, is_use, first, last)
        SELECT team, account, toDate32(toStartOfMonth(time)), true, time, time FROM needs";
    migrate.query(backfill).execute().await.expect("written again");
    assert_eq!(months(&client).await, expected);
}
