//! Measures ingest on this machine: what it costs, against what the machine allows and against ClickHouse's Kafka engine.
//!
//! One Kafka with a backlog of usage events, one ClickHouse, and several [`arms`] that drain the one into the other, or do a
//! part of that, in turn. `docs/performance.md` says what each arm tells and what came out.
//!
//! - [`events`], [`backlog`]: what is drained.
//! - [`site`]: the Kafka and the ClickHouse of the run, and new tables for every arm.
//! - [`arms`]: what is compared; [`bodies`] and [`group`] are for them, [`worker`] gives those that are ours a process.
//! - [`process`], [`meter`], [`sample`]: what a round of an arm costs.
//! - [`freshness`]: from produce to visible row at a steady rate, which [`steady`] produces.
//! - [`rounds`]: the arms in turn. [`report`], [`spread`]: the table and `target/bench/ingest.json`.

mod arms;
mod backlog;
mod bodies;
mod events;
mod freshness;
mod group;
mod meter;
mod process;
mod report;
mod rounds;
mod sample;
mod site;
mod spread;
mod steady;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The same as in `flywheel`: what R and D cost depends on it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures ingest on this machine.
#[derive(Debug, Parser)]
#[command(name = "bench-ingest", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the arms in turn, print a table and write a file.
    Run(rounds::RunOptions),
    /// One arm in a process of its own; started by `run`.
    #[command(subcommand, hide = true)]
    Worker(WorkerCommand),
}

#[derive(Debug, Subcommand)]
enum WorkerCommand {
    /// R and D.
    Intake(arms::intake::IntakeOptions),
    /// W.
    Insert(arms::insert::InsertOptions),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(options) => rounds::run(options).await,
        Command::Worker(WorkerCommand::Intake(options)) => arms::intake::work(&options),
        Command::Worker(WorkerCommand::Insert(options)) => arms::insert::work(options).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last line says why")]
            {
                eprintln!("bench-ingest: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
