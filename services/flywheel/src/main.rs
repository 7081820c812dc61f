//! The `flywheel` binary: parse, start telemetry, run, report.

use std::{process::ExitCode, time::Duration};

use clap::Parser as _;
use flywheel::cli::Cli;

/// The last spans and metrics get this long to leave.
const TELEMETRY_FLUSH_MAX: Duration = Duration::from_secs(3);

/// Calls into librdkafka block their thread; one that still waits for a broker is left behind after this long.
const BLOCKED_MAX: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    let code = runtime.block_on(run(cli));
    runtime.shutdown_timeout(BLOCKED_MAX);
    code
}

async fn run(cli: Cli) -> ExitCode {
    let telemetry = match kit::telemetry::init("flywheel", env!("CARGO_PKG_VERSION"), &cli.telemetry) {
        Ok(telemetry) => telemetry,
        Err(error) => return failed(&error),
    };
    let result = flywheel::run(cli, telemetry.metrics()).await;
    telemetry.shutdown(TELEMETRY_FLUSH_MAX).await;
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// The last line says why the process ends, whatever the log format and filter.
#[expect(clippy::print_stderr, reason = "the one place that speaks to whoever started the process")]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("flywheel: {error:#}");
    ExitCode::FAILURE
}
