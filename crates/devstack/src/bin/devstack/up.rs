//! `devstack up`: Kafka and ClickHouse alone, for whoever runs Flywheel by hand.

use std::io::Write;

use anyhow::Context;
use devstack::{Progress, Role, Stack, StackConfig};

use crate::signals::Signals;

/// Starts the stack, prints how to reach it, and keeps it until a signal comes.
///
/// # Errors
/// When the stack does not start, or one of its servers ends.
pub(crate) async fn up(progress: &Progress, signals: &mut Signals) -> anyhow::Result<()> {
    let stack = tokio::select! {
        started = Stack::start(StackConfig::local(progress.clone())?) => started?,
        _ = signals.next() => return Ok(()),
    };
    print_environment(&stack).context("cannot write to the standard output")?;
    progress.step(format_args!("logs are in {}; Ctrl-C stops it", stack.logs().display()));
    let outcome = tokio::select! {
        signal = signals.next() => {
            progress.step(format_args!("{signal}: stopping"));
            Ok(())
        }
        end = stack.unexpected_end() => Err(end),
    };
    let stopped = tokio::select! {
        stopped = stack.stop() => stopped,
        // Asked again: the drop below kills what is left.
        _ = signals.next() => Ok(()),
    };
    drop(stack);
    progress.step("everything has stopped");
    outcome.and(stopped)
}

/// On standard output, ready to be given to a shell.
fn print_environment(stack: &Stack) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for (name, value) in stack.env() {
        writeln!(out, "export {name}='{}'", value.replace('\'', r"'\''"))?;
    }
    let (user, password) = stack.clickhouse_user(Role::Grafana);
    writeln!(out, "# to look around: {}/play as {user}, password {password}", stack.clickhouse_url())?;
    out.flush()
}
