//! Measures the query API on this machine: hot answers, not-modified ones, open streams, and answers that are computed.
//!
//! One Kafka, one ClickHouse and one `flywheel api`, with everything that it does in production switched on; the clients run
//! beside it. `docs/performance-of-the-api.md` says what came out.
//!
//! - [`stand`]: what is measured, and the clients' way to it. [`made`]: the rankings that it answers.
//! - [`hot`]: answers from memory, asked by [`wrk`], in turn with the same bytes from a [`bare`] handler.
//! - [`streams`]: open streams, which [`reader`] reads.
//! - [`cold`]: computed answers beside their own SQL, which [`recorder`] has heard.
//! - [`spread`], [`report`]: the table and `target/bench/api.json`.

mod bare;
mod cold;
mod hot;
mod made;
mod reader;
mod recorder;
mod report;
mod spread;
mod stand;
mod streams;
mod wrk;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

use crate::{report::Report, stand::Stand};

/// The same as in `flywheel`: the bare handler must not be slower for another one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the query API on this machine.
#[derive(Debug, Parser)]
#[command(name = "bench-api", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure, print a table and write a file.
    Run(Options),
    /// The bare handler in a process of its own; started by `run`.
    #[command(hide = true)]
    Bare,
}

/// What is measured, and for how long.
#[derive(Debug, Args)]
struct Options {
    /// The program to measure.
    #[arg(long, default_value = "target/release/flywheel")]
    flywheel: PathBuf,
    /// The parts of the run.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Part::Hot, Part::Streams, Part::Cold])]
    parts: Vec<Part>,
    /// How often each hot question is asked of each server, in turn.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u64).range(1..))]
    rounds: u64,
    /// So long each time, in seconds.
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u64).range(1..))]
    seconds: u64,
    /// Connections of the hot questions.
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u64).range(1..))]
    connections: u64,
    /// Open streams.
    #[arg(long, default_value_t = 5_000, value_parser = value_parser!(u64).range(1..))]
    streams: u64,
    /// They follow so many teams, each of which publishes once a second; one run after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 50])]
    stream_teams: Vec<u64>,
    /// Streams are served for so long, in seconds.
    #[arg(long, default_value_t = 15, value_parser = value_parser!(u64).range(1..))]
    stream_seconds: u64,
    /// Accounts of each team that cold questions are about.
    #[arg(long, default_value_t = 10_000, value_parser = value_parser!(u64).range(1..))]
    accounts: u64,
    /// Such teams.
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u64).range(1..))]
    teams: u64,
    /// Cold questions of each kind.
    #[arg(long, default_value_t = 24, value_parser = value_parser!(u64).range(1..))]
    questions: u64,
    /// Where the figures are written.
    #[arg(long, default_value = "target/bench/api.json")]
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Hot,
    Streams,
    Cold,
}

impl Options {
    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    fn round(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(options) => run(options).await,
        Command::Bare => bare::serve().await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last line says why")]
            {
                eprintln!("bench-api: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> anyhow::Result<()> {
    wrk::check().await?;
    stand::raise_file_limit(options.streams)?;
    let stand = Stand::start(&options).await?;
    let mut report = Report::new(&options, stand.keys_checked().await?);
    if options.has(Part::Hot) {
        report.hot = hot::measure(&options, &stand).await?;
    }
    if options.has(Part::Streams) {
        for teams in &options.stream_teams {
            report.streams.push(streams::measure(&options, &stand, *teams).await?);
        }
    }
    if options.has(Part::Cold) {
        report.cold = cold::measure(&options, &stand).await?;
    }
    report.spans_received = stand.spans_received();
    say(&report.text());
    report.write(&options.output)?;
    say(&format!("written to {}", options.output.display()));
    stand.stop().await
}

#[expect(clippy::print_stdout, reason = "what a person who measures reads")]
fn say(line: &str) {
    println!("{line}");
}
