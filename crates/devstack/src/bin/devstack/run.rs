//! `devstack run`: the whole loop on this machine, from nothing to a ranking on the terminal.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::Args;
use devstack::{Progress, Stack, StackConfig};

use crate::{api::Listen, child::Child, signals::Signals};

/// From its start until `flywheel run` is ready.
const READY_MAX: Duration = Duration::from_secs(60);
/// A little more than `flywheel run` gives itself.
const FLYWHEEL_STOP_MAX: Duration = Duration::from_secs(27);
const TOOL_STOP_MAX: Duration = Duration::from_secs(5);
/// For everything together; what is left then is killed.
const STOP_MAX: Duration = Duration::from_secs(60);

/// Options of `devstack run`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The flywheel binary (default: the one beside this program).
    #[arg(long)]
    flywheel: Option<PathBuf>,
    /// Team whose ranking to show.
    #[arg(long, default_value = "dynamodb")]
    team: String,
    #[command(flatten)]
    listen: Listen,
}

/// Starts everything, shows the ranking until a signal comes, and stops everything.
///
/// # Errors
/// When a step fails or something that should run ends; in the end nothing runs either way.
pub(crate) async fn run(options: Options, progress: &Progress, signals: &mut Signals) -> anyhow::Result<()> {
    let binary = binary(options.flywheel.as_deref())?;
    options.listen.check_free()?;
    let stack = tokio::select! {
        started = Stack::start(StackConfig::local(progress.clone())?) => started?,
        _ = signals.next() => return Ok(()),
    };
    let mut flywheel = Flywheel { stack, binary, listen: options.listen, service: None, demo: None, watch: None };
    let outcome = tokio::select! {
        end = flywheel.serve(&options.team, progress) => end,
        signal = signals.next() => {
            progress.step(format_args!("{signal}: stopping"));
            Ok(())
        }
    };
    if outcome.is_err() {
        progress.step("that failed: stopping what was started");
    }
    let stopped = tokio::select! {
        stopped = tokio::time::timeout(STOP_MAX, flywheel.stop(progress)) => stopped.unwrap_or(Ok(())),
        // Asked again: the drop below kills what is left.
        _ = signals.next() => Ok(()),
    };
    drop(flywheel);
    progress.step("everything has stopped");
    outcome.and(stopped)
}

fn binary(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let binary = match named {
        Some(binary) => binary.to_owned(),
        None => std::env::current_exe().context("cannot tell where this program is")?.with_file_name("flywheel"),
    };
    ensure!(
        binary.is_file(),
        "there is no {}: build it with cargo build --release --package flywheel",
        binary.display()
    );
    Ok(binary)
}

/// Everything that runs, in the order it was started.
struct Flywheel {
    stack: Stack,
    binary: PathBuf,
    listen: Listen,
    service: Option<Child>,
    demo: Option<Child>,
    watch: Option<Child>,
}

impl Flywheel {
    /// Starts the rest and shows the ranking; returns when the table's own process ends, or with what went wrong.
    async fn serve(&mut self, team: &str, progress: &Progress) -> anyhow::Result<()> {
        let Self { stack, binary, listen, service, demo, watch } = self;
        progress.step("creating topics and tables (flywheel migrate)");
        let mut migrate = Child::logging(stack, binary, listen, &["migrate"])?;
        tokio::select! {
            done = migrate.success() => done?,
            end = stack.unexpected_end() => return Err(end),
        }

        progress.step("starting Flywheel (flywheel run)");
        let service = service.insert(Child::logging(stack, binary, listen, &["run"])?);
        tokio::select! {
            ready = listen.wait_ready(READY_MAX) => ready.with_context(|| format!("see {}", stack.logs().display()))?,
            end = service.unexpected_end() => return Err(end),
            end = stack.unexpected_end() => return Err(end),
        }
        progress.step("Flywheel is ready");

        progress.step("playing the demonstration (flywheel demo)");
        let demo = demo.insert(Child::logging(stack, binary, listen, &["demo"])?);
        print_addresses(stack, listen, team, progress);
        let watch = watch.insert(Child::visible(stack, binary, listen, &["rankings", team, "--watch"])?);
        // A demonstration that has said all it had to say is no failure.
        let demo_failed = async {
            match demo.success().await {
                Ok(()) => std::future::pending().await,
                Err(error) => error,
            }
        };
        tokio::select! {
            done = watch.success() => done,
            end = demo_failed => Err(end),
            end = service.unexpected_end() => Err(end),
            end = stack.unexpected_end() => Err(end),
        }
    }

    /// Stops everything: first what writes, then what reads, then what keeps.
    async fn stop(&mut self, progress: &Progress) -> anyhow::Result<()> {
        let children =
            [(&mut self.watch, TOOL_STOP_MAX), (&mut self.demo, TOOL_STOP_MAX), (&mut self.service, FLYWHEEL_STOP_MAX)];
        for (child, stop_max) in children {
            if let Some(child) = child {
                child.stop(stop_max).await?;
            }
        }
        progress.step("Flywheel has stopped");
        self.stack.stop().await
    }
}

fn print_addresses(stack: &Stack, listen: &Listen, team: &str, progress: &Progress) {
    let (api, admin) = (listen.api(), listen.admin());
    progress.step(format_args!(
        "everything runs; Ctrl-C stops it
          ranking     {api}/v1/teams/{team}/rankings
          teams       {api}/v1/teams
          OpenAPI     {api}/openapi.json
          ready?      {api}/readyz
          metrics     {admin}/metrics
          Kafka       {}
          ClickHouse  {}
          logs        {}",
        stack.kafka_brokers(),
        stack.clickhouse_url(),
        stack.logs().display(),
    ));
}
