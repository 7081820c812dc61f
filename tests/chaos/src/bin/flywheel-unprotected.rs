//! `flywheel` with an ingest that declares nothing, sends no tokens and never looks: at-least-once, which the fault runs must
//! catch. Nobody runs it but them.

use clap::Parser as _;
use flywheel::cli::Cli;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let telemetry = kit::telemetry::init("flywheel-unprotected", env!("CARGO_PKG_VERSION"), &cli.telemetry)?;
    flywheel::run(cli, telemetry.metrics()).await
}
