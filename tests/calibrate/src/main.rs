//! `calibrate`: draws the study of `docs/calibration.md`, prints its tables, and writes `target/calibration.json`. Exits with
//! 1 if a bound is broken.

#![expect(clippy::print_stdout, reason = "this program's answer")]

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use calibrate::{
    family::Family,
    picture,
    report::{Calibration, lowest, table, uncovered_table},
    study::{cells, run},
};
use clap::Parser;

/// A figure may not be on the wrong side of its bound at all.
const ERRORS_MAX: f64 = 0.0;

/// Checks that rank intervals hold the true rank as often as they promise.
#[derive(Debug, Parser)]
#[command(name = "calibrate", version)]
struct Cli {
    /// Samples of every family at every number of accounts.
    #[arg(long, default_value_t = 2_500, value_parser = clap::value_parser!(u64).range(2..))]
    samples: u64,
    /// The same seed gives the same figures.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the figures go.
    #[arg(long, default_value = "target/calibration.json")]
    output: PathBuf,
    /// Where the picture goes, if one is wanted.
    #[arg(long)]
    picture: Option<PathBuf>,
}

fn main() -> ExitCode {
    match calibrate(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("calibrate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every bound holds.
fn calibrate(cli: &Cli) -> anyhow::Result<bool> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let outcomes = run(&cells(&Family::all()), cli.samples, threads, cli.seed);
    let uncovered = run(&cells(&Family::uncovered()), cli.samples, threads, cli.seed);
    println!("{}\n{}\n{}", table(&outcomes), lowest(&outcomes), uncovered_table(&uncovered));

    let json = serde_json::to_string_pretty(&Calibration::of(&outcomes))?;
    write(&cli.output, &json)?;
    if let Some(path) = &cli.picture {
        write(path, &picture::draw(&outcomes))?;
    }
    let broken: Vec<String> = outcomes.iter().flat_map(|outcome| outcome.broken(ERRORS_MAX)).collect();
    for line in &broken {
        println!("broken: {line}");
    }
    Ok(broken.is_empty())
}

fn write(path: &PathBuf, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}
