//! The `flywheel` binary's insides: the command line, the roles of a process, and the tools.

pub mod cli;
pub mod dead_letters;
mod delivery;
pub mod demo;
pub mod diff;
pub mod evidence;
pub mod import;
pub mod keys;
pub mod outcome;
pub mod portfolio;
mod printable;
pub mod rankings;
mod roles;
pub mod terminal;

use std::io::Write as _;

use anyhow::Context as _;
use cli::{Cli, Command};
use kit::telemetry::Metrics;
use tokio_util::sync::CancellationToken;

/// Runs what the command line asks for, until it is done or a signal ends it.
///
/// # Errors
/// Whatever ended it too soon; the message is for the person who started it.
pub async fn run(cli: Cli, metrics: Metrics) -> anyhow::Result<()> {
    let shutdown = kit::lifecycle::shutdown_on_signal()?;
    match cli.command {
        Command::Run(options) => roles::run(*options, metrics, shutdown).await,
        Command::Ingest(options) => roles::ingest(*options, metrics, shutdown).await,
        Command::Rank(options) => roles::rank(*options, metrics, shutdown).await,
        Command::Api(options) => roles::api(*options, metrics, shutdown).await,
        Command::Migrate(options) => migrate(*options, shutdown).await,
        Command::Import(options) => import::run(options.import, options.kafka, shutdown).await,
        Command::Demo(options) => demo::run(options.demo, options.kafka, shutdown).await,
        Command::DeadLetters(options) => dead_letters::run(*options, shutdown).await,
        Command::Keys(options) => keys::run(*options, shutdown).await,
        Command::Rankings(options) => rankings::run(*options, shutdown).await,
        Command::Diff(options) => diff::run(options, shutdown).await,
        Command::Evidence(options) => evidence::run(options, shutdown).await,
        Command::Outcome(options) => outcome::run(options, shutdown).await,
        Command::Portfolio(options) => portfolio::run(options, shutdown).await,
    }
}

async fn migrate(options: cli::Migrate, shutdown: CancellationToken) -> anyhow::Result<()> {
    let report = migrate::run(&options.migrate, &options.kafka, &options.clickhouse.migrate(), shutdown).await?;
    let mut out = std::io::stdout().lock();
    if report.steps.is_empty() {
        writeln!(out, "everything is current").context("cannot write the report")?;
    }
    for step in report.steps {
        writeln!(out, "{step}").context("cannot write the report")?;
    }
    Ok(())
}
