//! Measures rankings of large teams: how long they take, what ClickHouse reads for them, and how both grow.
//!
//! - [`rank_bench`]: a ClickHouse of its own, and the teams. Nothing is measured of how they came there.
//! - [`measure`]: one team after a change, and all teams, through what the ranker runs.
//! - [`report`]: the table and `target/bench/rank.json`.

mod measure;
mod report;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::Context as _;
use clap::{Parser, value_parser};
use rank_bench::{
    site::Site,
    world::{self, Size},
};
use ranker::RankerConfig;

use crate::report::Report;

/// The same as in `flywheel`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures rankings on this machine.
#[derive(Debug, Parser)]
#[command(name = "bench-rank", version)]
struct Options {
    /// Teams of each size.
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u64).range(1..))]
    teams: u64,
    /// Accounts of each team, one size after the other, ascending.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    accounts: Vec<u64>,
    /// How often everything is computed; one changed team five times as often.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u64).range(1..))]
    rounds: u64,
    /// Make the teams, say so, and wait for a line on standard input before anything is measured.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    ranker: RankerConfig,
    /// Where the figures are written.
    #[arg(long, default_value = "target/bench/rank.json")]
    output: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last line says why")]
            {
                eprintln!("bench-rank: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> anyhow::Result<()> {
    let site = Site::start().await?;
    let sizes: Vec<Size> =
        options.accounts.iter().map(|accounts| Size { teams: options.teams, accounts: *accounts }).collect();
    let largest = sizes.iter().map(|size| size.accounts).max().context("no size is asked for")?;
    world::make_customers(&site, largest).await?;
    let began = Instant::now();
    for size in &sizes {
        say(&format!("making {} teams of {} accounts", size.teams, size.accounts));
        world::make_teams(&site, *size).await?;
    }
    let made = began.elapsed();
    site.merges_settled().await?;
    say(&format!("made in {:.0} s, merged in {:.0} s", made.as_secs_f64(), (began.elapsed() - made).as_secs_f64()));
    if options.wait {
        say("ready; a line on standard input begins");
        tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    }
    let mut report = Report::default();
    for size in &sizes {
        report.sizes.push(measure::size(&site, &options.ranker, *size, options.rounds).await?);
        say(&report.line());
    }
    report.write(&options.output)?;
    say(&format!("written to {}", options.output.display()));
    site.stop().await
}

#[expect(clippy::print_stdout, reason = "what a person who measures reads")]
fn say(line: &str) {
    println!("{line}");
}
