//! Other people's programs, run for what they leave behind.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, anyhow, bail};

use crate::progress::Progress;

/// Of the program's output, in an error.
const LINES_MAX: usize = 12;
/// How often the user is told that it still runs.
const REMIND_EVERY: Duration = Duration::from_secs(5);

/// One run of a program.
#[derive(Debug)]
pub(super) struct Step<'a> {
    /// What it does, for the user: `downloading …`.
    pub(super) doing: &'a str,
    pub(super) program: &'a OsStr,
    /// Completes "is needed: …" where the program is missing.
    pub(super) install: &'a str,
    pub(super) arguments: &'a [&'a OsStr],
    /// Its working folder, where its output is kept as well.
    pub(super) folder: &'a Path,
    pub(super) timeout: Duration,
}

impl Step<'_> {
    /// Runs it to its end, telling the user now and then that it still runs.
    ///
    /// # Errors
    /// When the program is missing, fails (with the end of its output) or takes too long.
    pub(super) async fn run(&self, progress: &Progress) -> anyhow::Result<()> {
        progress.step(self.doing);
        let log = self.log();
        let file = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let program = self.program.to_string_lossy();
        let mut command = tokio::process::Command::new(self.program);
        command.args(self.arguments).current_dir(self.folder).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow!("{program} is needed: {}", self.install),
            _ => anyhow!(error).context(format!("cannot run {program}")),
        })?;
        let reminders = async {
            loop {
                tokio::time::sleep(REMIND_EVERY).await;
                progress.step(format_args!("still {}", self.doing));
            }
        };
        let status = tokio::select! {
            ended = tokio::time::timeout(self.timeout, child.wait()) => ended,
            () = reminders => unreachable!("it reminds for ever"),
        };
        let status = status
            .map_err(|_| anyhow!("{} took longer than {} s{}", self.doing, self.timeout.as_secs(), self.log_tail()))?
            .with_context(|| format!("cannot wait for {program}"))?;
        if !status.success() {
            bail!("{} failed: {program} ended with {status}{}", self.doing, self.log_tail());
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        let name = Path::new(self.program).file_name().unwrap_or(self.program);
        self.folder.join(format!("{}.log", name.to_string_lossy()))
    }

    fn log_tail(&self) -> String {
        let text =
            std::fs::read(self.log()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let tail = lines.iter().skip(lines.len().saturating_sub(LINES_MAX));
        tail.fold(String::new(), |text, line| format!("{text}\n  {line}"))
    }
}
