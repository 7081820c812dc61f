//! The `flywheel` binary: parse, start telemetry, run, report.

mod allocator;

use std::{process::ExitCode, time::Duration};

use clap::Parser as _;
use flywheel::cli::Cli;

/// The last spans and metrics get this long to leave.
const TELEMETRY_FLUSH_MAX: Duration = Duration::from_secs(3);

/// Calls into librdkafka block their thread; one that still waits for a broker is left behind after this long.
const BLOCKED_MAX: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    allocator::give_back_soon();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    let result = runtime.block_on(run(cli));
    runtime.shutdown_timeout(BLOCKED_MAX);
    // When nothing else speaks any more.
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let telemetry = kit::telemetry::init("flywheel", env!("CARGO_PKG_VERSION"), &cli.telemetry)?;
    let result = flywheel::run(cli, telemetry.metrics()).await;
    telemetry.shutdown(TELEMETRY_FLUSH_MAX).await;
    result
}

/// The last line says why the process ends, whatever the log format and filter.
#[expect(clippy::print_stderr, reason = "the one place that speaks to whoever started the process")]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("flywheel: {error:#}");
    ExitCode::FAILURE
}
