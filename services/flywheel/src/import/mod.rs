//! `flywheel import`: what customers asked for elsewhere, brought in as events like anybody's.

mod events;
mod feature_id;
mod plan;
mod record;
mod report;
mod send;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, bail, ensure};
use clap::{Args as ClapArgs, Subcommand};
use domain::{ids::TeamId, limits::WINDOW_DAYS_MAX, time::Timestamp};
use flywheel_sdk::{Emitter, EmitterConfig};
use kit::config::KafkaConfig;
use tokio_util::sync::CancellationToken;

pub use plan::{Options, Plan, plan};
pub use report::{Events, Refused, Report, TeamReport};

/// A larger file is refused: it is planned in memory.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Bring in what customers asked for elsewhere.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// What to import.
    #[command(subcommand)]
    pub what: What,
}

/// What can be imported.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Requests with their comments, duplicates and launches, from a file of JSON Lines (docs/import.md describes it). Importing a file again changes nothing.
    Requests(Requests),
}

/// `flywheel import requests`.
#[derive(Clone, Debug, ClapArgs)]
pub struct Requests {
    /// File of JSON Lines.
    pub file: PathBuf,
    /// Import only this team; may be given several times. Without it every team is imported, save `dynamodb` and `lambda`, which are the demonstration's.
    #[arg(long = "team", value_name = "TEAM")]
    pub teams: Vec<TeamId>,
    /// The imported teams' activity window, in days (default 90). An old board wants a long one.
    #[arg(long, value_name = "DAYS", value_parser = days)]
    pub activity_window_days: Option<f64>,
    /// After so many days a request to the imported teams counts half (default 90).
    #[arg(long, value_name = "DAYS", value_parser = days)]
    pub half_life_days: Option<f64>,
    /// Plan and report, but send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Imports, and prints the report on the standard output.
///
/// # Errors
/// When the file cannot be read, nothing in it can be imported, or Kafka does not acknowledge every event. Refused
/// records alone are no error: they are in the report.
pub async fn run(args: Args, kafka: KafkaConfig, shutdown: CancellationToken) -> anyhow::Result<()> {
    let What::Requests(args) = args.what;
    let file = read(&args.file)?;
    let options = Options {
        teams: args.teams.iter().cloned().collect::<BTreeSet<_>>(),
        activity_window_days: args.activity_window_days,
        half_life_days: args.half_life_days,
        now: now(),
    };
    let Plan { events, mut report } = plan(file.split(|byte| *byte == b'\n'), &options);
    let nothing = report.imported == 0;
    if !args.dry_run && !nothing {
        let emitter = Emitter::connect(&EmitterConfig::new(&kafka.brokers))?;
        send::send(&events, &emitter, &shutdown).await?;
        report.sent = true;
    }
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.table() };
    std::io::stdout().write_all(text.as_bytes()).context("cannot write the report")?;
    if nothing {
        bail!("nothing in {} could be imported", args.file.display());
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    let mut file = Vec::new();
    std::fs::File::open(path)
        .with_context(cannot)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut file)
        .with_context(cannot)?;
    ensure!(file.len() as u64 <= FILE_BYTES_MAX, "{} is larger than {FILE_BYTES_MAX} bytes; split it", path.display());
    Ok(file)
}

fn days(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(days) if days > 0.0 && days <= WINDOW_DAYS_MAX => Ok(days),
        _ => Err(format!("a number of days above 0 and up to {WINDOW_DAYS_MAX}")),
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
