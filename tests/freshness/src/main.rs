//! Measures freshness: from an event produced to its effect in the API's answer, while other events flow at a steady rate.
//!
//! - `stream`: what flows, and the probes: requests by accounts that say one thing each, for a feature of their own.
//! - `watch`: asks the API for the rankings until they count each probe.
//! - `report`: the table and `target/bench/freshness.json`.
//!
//! Producer, Kafka, ClickHouse, `flywheel run` and the asking share the machine.

mod report;
mod stream;
mod watch;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use testkit::flywheel::Flywheel;

use crate::{
    report::Round,
    stream::{Probes, Size, Stream},
};

/// Measures freshness on this machine.
#[derive(Debug, Parser)]
#[command(name = "bench-freshness", version)]
struct Options {
    /// The program to measure.
    #[arg(long, default_value = "target/release/flywheel")]
    flywheel: PathBuf,
    /// Rounds with so many teams each.
    #[arg(long, value_delimiter = ',', default_value = "5,50")]
    teams: Vec<usize>,
    /// So many events a second, over all teams.
    #[arg(long, default_value_t = 20_000)]
    events_per_s: usize,
    /// Accounts that use every team's product.
    #[arg(long, default_value_t = 2_000)]
    accounts: usize,
    /// Features of each team.
    #[arg(long, default_value_t = 28)]
    features: usize,
    /// Events flow for so long before anything is measured.
    #[arg(long, default_value_t = 15)]
    warm_s: u64,
    /// It is measured for so long.
    #[arg(long, default_value_t = 40)]
    measure_s: u64,
    /// Where the figures go.
    #[arg(long, default_value = "target/bench/freshness.json")]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&format!("bench-freshness: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> anyhow::Result<()> {
    let mut rounds = Vec::new();
    for teams in &options.teams {
        let round = measure(&options, *teams).await.with_context(|| format!("{teams} teams"))?;
        report::say(&round.line());
        rounds.push(round);
        report::write(&options.out, &rounds)?;
    }
    Ok(())
}

/// One round, on a stack of its own.
async fn measure(options: &Options, teams: usize) -> anyhow::Result<Round> {
    let stack = testkit::migrated_stack().await;
    let size =
        Size { teams, features: options.features, accounts: options.accounts, events_per_s: options.events_per_s };
    stream::define(&stack, &size);
    let flywheel = Flywheel::spawn_program(&options.flywheel, &stack, "run", &[("FLYWHEEL_RANKER_REFRESH_S", "60")]);
    flywheel.ready().await;
    let stream = Stream::start(&stack, size)?;
    tokio::time::sleep(Duration::from_secs(options.warm_s)).await;

    let probes = Arc::new(Probes::default());
    let watching = watch::start(flywheel.api_url(), teams, &probes)?;
    let before = stream.produced();
    let probing = stream::probe(&stack, teams, Duration::from_secs(options.measure_s), Arc::clone(&probes))?;
    tokio::task::spawn_blocking(move || probing.join()).await?.map_err(|_| anyhow::anyhow!("the probes failed"))??;
    let flowed = stream.produced() - before;
    let latencies = watching.finish(&probes).await?;
    stream.stop()?;
    Ok(Round::new(teams, options, flowed, latencies))
}
