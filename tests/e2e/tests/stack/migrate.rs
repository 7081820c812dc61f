//! `flywheel migrate` can be repeated, previewed, and runs once at a time.

use devstack::Role;
use testkit::flywheel::{command, succeed};

#[tokio::test(flavor = "multi_thread")]
async fn migrating_is_previewed_repeated_and_exclusive() {
    let stack = testkit::stack().await;

    let preview = succeed(&stack, &["migrate", "--dry-run"]).await;
    assert!(preview.contains("would create topic flywheel.usage.v1"), "{preview}");
    assert!(preview.contains("would apply 0001 events"), "{preview}");
    assert_eq!(succeed(&stack, &["migrate", "--dry-run"]).await, preview, "a preview changes nothing");

    let applied = succeed(&stack, &["migrate"]).await;
    assert_eq!(applied, preview.replace("would create", "created").replace("would apply", "applied"));
    assert_eq!(succeed(&stack, &["migrate"]).await, "everything is current\n");
    assert_eq!(succeed(&stack, &["migrate", "--dry-run"]).await, "everything is current\n");

    // As a migration that runs right now would hold it.
    let client = testkit::clickhouse(&stack, Role::Migrate);
    let lock = "CREATE TABLE schema_migration_lock (nothing UInt8) ENGINE = Memory";
    client.query(lock).execute().await.expect("the lock can be taken");
    let refused = command(&stack, &["migrate"]).await;
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("another migration has been running for"), "{said}");

    // A killed migration leaves its lock behind; once it is old enough it is taken over.
    let taken_over = succeed(&stack, &["migrate", "--lock-age-s-max", "0"]).await;
    assert_eq!(taken_over, "everything is current\n");
    assert_eq!(succeed(&stack, &["migrate"]).await, "everything is current\n");
}
