//! What the end-to-end tests share: a stack of their own, the real binary, records in, answers out. For tests only.
//!
//! - [`flywheel`]: builds the binary once and runs it as a process.
//! - [`record`]: puts records into Kafka exactly as they are described.
//! - [`eventually`]: awaits a condition with a deadline, instead of sleeping.
//! - [`otlp`]: receives telemetry.
//! - [`proxy`]: stands between a client and a server, and can be made slow, deaf or dead.

pub mod eventually;
pub mod flywheel;
pub mod otlp;
pub mod proxy;
pub mod record;

use devstack::{Role, Stack, StackConfig};

/// Starts Kafka and ClickHouse with ports and data of their own, and migrates them.
///
/// # Panics
/// When the stack does not come up: there is nothing to test then.
pub async fn migrated_stack() -> Stack {
    let stack = stack().await;
    flywheel::migrate(&stack).await;
    stack
}

/// Starts Kafka and ClickHouse with ports and data of their own, and nothing in them.
///
/// # Panics
/// When the stack does not come up.
pub async fn stack() -> Stack {
    let config = StackConfig::test().unwrap_or_else(|error| panic!("no stack: {error:#}"));
    Stack::start(config).await.unwrap_or_else(|error| panic!("no stack: {error:#}"))
}

/// A ClickHouse client as that role's user.
pub fn clickhouse(stack: &Stack, role: Role) -> clickhouse::Client {
    let (user, password) = stack.clickhouse_user(role);
    clickhouse::Client::default()
        .with_url(stack.clickhouse_url())
        .with_database(stack.clickhouse_database())
        .with_user(user)
        .with_password(password)
}
