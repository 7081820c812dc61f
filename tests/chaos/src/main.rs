//! `chaos`: runs rounds of faults, prints what it found and writes `target/chaos.json`. Exits with 1 unless ClickHouse has
//! exactly what Kafka's log demands.

#![expect(clippy::print_stdout, reason = "this program's answer")]

use std::{io::Write as _, path::PathBuf, process::ExitCode, time::SystemTime};

use chaos::{
    plan::Plan,
    run::run,
    world::{WorldConfig, target},
};
use clap::Parser;
use devstack::Progress;

/// Faults against the real stack under load, and an oracle that compares every row.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds of faults.
    #[arg(long, default_value_t = 40)]
    rounds: usize,
    /// Where plan and load come from; the same seed gives the same plan. The clock's where there is none.
    #[arg(long)]
    seed: Option<u64>,
    /// Instances of ingest, four at most.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    instances: u8,
    /// So many of them are static members of the group; the others get a new place with every start.
    #[arg(long, default_value_t = 1)]
    named: usize,
    /// Records produced a second.
    #[arg(long, default_value_t = 1_000)]
    records_per_s: u32,
    /// The `flywheel` that the instances run; the one built from these sources where there is none.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Print the plan and do nothing.
    #[arg(long)]
    plan: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match chaos(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // A closed terminal is no reason to fail otherwise.
            let _ = writeln!(std::io::stderr(), "chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything is exact.
async fn chaos(arguments: Arguments) -> anyhow::Result<bool> {
    let instances = usize::from(arguments.instances);
    let seed = match arguments.seed {
        Some(seed) => seed,
        None => SystemTime::UNIX_EPOCH.elapsed()?.as_secs(),
    };
    let plan = Plan::random(seed, arguments.rounds, instances);
    if arguments.plan {
        for round in &plan.rounds {
            println!("{round}");
        }
        return Ok(true);
    }
    println!("again: make chaos ROUNDS={} SEED={seed}", arguments.rounds);
    let config = WorldConfig {
        seed,
        instances,
        named: arguments.named,
        program: arguments.program.unwrap_or_else(|| testkit::flywheel::binary().to_owned()),
        records_per_s: arguments.records_per_s,
        usage_partitions: 6,
    };
    let progress = Progress::printing();
    let report = tokio::select! {
        report = run(&plan, config, &progress) => report?,
        // What runs is dropped, and with it everything that was started.
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    };
    report.write(&target().join("chaos.json"))?;
    println!("{report}");
    // One that ended by itself was started again, and the rows may be exact all the same: it is a fault of its own.
    Ok(report.findings.exact() && report.done.unexplained_ends().is_empty())
}
