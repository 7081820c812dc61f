//! The local stack from the command line: what `make run` and `make stack` call.

mod api;
mod child;
mod run;
mod signals;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use devstack::{Folders, Progress};

use crate::signals::Signals;

/// A local Kafka and ClickHouse, and Flywheel on them.
///
/// FLYWHEEL_DEVSTACK_DIR names the folder for downloads, data and logs (default: .devstack in the workspace). Where
/// FLYWHEEL_KAFKA_BROKERS or FLYWHEEL_CLICKHOUSE_URL is set, that Kafka or ClickHouse is used and none is started.
/// FLYWHEEL_DEVSTACK_KAFKA_PORT, .._KAFKA_CONTROLLER_PORT, .._CLICKHOUSE_HTTP_PORT and .._CLICKHOUSE_NATIVE_PORT change
/// the ports (9092, 9093, 8123, 9000).
#[derive(Debug, Parser)]
#[command(name = "devstack", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Download Kafka and ClickHouse, and start nothing.
    Fetch,
    /// Start Kafka and ClickHouse and print how to reach them, until Ctrl-C.
    Up,
    /// Start everything, play the demonstration and show its ranking, until Ctrl-C.
    Run(run::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::parse().command;
    let progress = Progress::printing();
    match execute(command, &progress).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress.step(format_args!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn execute(command: Command, progress: &Progress) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    match command {
        Command::Fetch => {
            let folders = Folders::from_env()?;
            tokio::select! {
                fetched = devstack::fetch(&folders, progress) => fetched?,
                signal = signals.next() => anyhow::bail!("stopped by {signal}"),
            }
            progress.step(format_args!("everything is in {}", folders.parts().display()));
            Ok(())
        }
        Command::Up => up::up(progress, &mut signals).await,
        Command::Run(options) => run::run(options, progress, &mut signals).await,
    }
}
