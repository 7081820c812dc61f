//! `flywheel`, run as a child on the stack.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use anyhow::{Context, anyhow, ensure};
use devstack::{Output, Stack, Supervised};

use crate::api::Listen;

/// Of a child's log, in an error.
const LOG_LINES_MAX: usize = 8;

/// One running `flywheel` subcommand.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: Supervised,
    log: Option<PathBuf>,
}

impl Child {
    /// Starts a subcommand that logs to a file of its own; the log before it is kept once.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn logging(stack: &Stack, binary: &Path, listen: &Listen, arguments: &[&str]) -> anyhow::Result<Self> {
        let name = arguments.first().copied().unwrap_or("flywheel");
        let log = stack.logs().join(format!("flywheel-{name}.log"));
        if log.exists() {
            let before = log.with_extension("log.1");
            std::fs::rename(&log, &before).with_context(|| format!("cannot rename {}", log.display()))?;
        }
        Self::start(stack, binary, listen, arguments, Output::File(log.clone()), Some(log))
    }

    /// Starts a subcommand that writes to our terminal.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn visible(stack: &Stack, binary: &Path, listen: &Listen, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::start(stack, binary, listen, arguments, Output::Inherit, None)
    }

    fn start(
        stack: &Stack,
        binary: &Path,
        listen: &Listen,
        arguments: &[&str],
        output: Output,
        log: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let name = format!("flywheel {}", arguments.first().unwrap_or(&""));
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        let mut environment = stack.env();
        environment.extend(listen.env().map(|(name, value)| (name.to_owned(), value)));
        if log.is_none() {
            // Its log would be drawn into its table.
            environment.push(("FLYWHEEL_LOG".to_owned(), "error".to_owned()));
        }
        let process = Supervised::start(stack.supervisor(), binary, &arguments, &environment, &output);
        let process = process.with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, process, log })
    }

    /// Waits until it ends and says how, as an error unless it succeeded.
    ///
    /// # Errors
    /// When it failed; with the end of its log.
    pub(crate) async fn success(&mut self) -> anyhow::Result<()> {
        let status = self.process.wait().await?;
        ensure!(status.success(), "{}", self.describe(status));
        Ok(())
    }

    /// Waits until it ends although it should not, and says how.
    pub(crate) async fn unexpected_end(&mut self) -> anyhow::Error {
        match self.process.wait().await {
            Ok(status) => anyhow!("{}", self.describe(status)),
            Err(error) => error,
        }
    }

    /// Ends it gracefully, or with SIGKILL where that takes longer.
    ///
    /// # Errors
    /// When it does not end.
    pub(crate) async fn stop(&mut self, stop_max: Duration) -> anyhow::Result<()> {
        self.process.stop(stop_max).await.with_context(|| format!("cannot stop {}", self.name))
    }

    fn describe(&self, status: ExitStatus) -> String {
        let mut text = format!("{} ended ({status})", self.name);
        if let Some(log) = &self.log {
            text.push_str(&format!("; its log is {}", log.display()));
            let lines =
                std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
            let lines: Vec<_> = lines.lines().collect();
            for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES_MAX)) {
                text.push_str("\n  ");
                text.push_str(line);
            }
        }
        text
    }
}
