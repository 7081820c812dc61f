//! One server of the stack: started, watched until it answers, stopped, killed, paused.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, anyhow, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    clickhouse, kafka_probe,
    supervised::{Output, Supervised},
};

const PROBE_EVERY: Duration = Duration::from_millis(50);
const PROBE_MAX: Duration = Duration::from_secs(2);
/// How often somebody who waits for an unexpected end looks.
const WATCH_EVERY: Duration = Duration::from_millis(200);
/// Of each log, in an error.
const LOG_LINES_MAX: usize = 8;

/// What to run and how to tell that it serves.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    pub(crate) supervisor: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// The server's own log.
    pub(crate) log: PathBuf,
    /// What it writes to its standard streams.
    pub(crate) output: PathBuf,
    pub(crate) pid_file: PathBuf,
    pub(crate) probe: Probe,
    /// From its start until it answers.
    pub(crate) ready_max: Duration,
    /// From SIGTERM until SIGKILL.
    pub(crate) stop_max: Duration,
}

/// How to tell that a server serves, by its port.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Probe {
    Kafka(u16),
    ClickHouse(u16),
}

impl Probe {
    async fn ask(self) -> anyhow::Result<()> {
        let answer = async {
            match self {
                Self::Kafka(port) => kafka_probe::probe(port).await,
                Self::ClickHouse(port) => clickhouse::probe(port).await,
            }
        };
        tokio::time::timeout(PROBE_MAX, answer)
            .await
            .with_context(|| format!("no answer within {} ms", PROBE_MAX.as_millis()))?
    }
}

/// A server that this process started. Its data outlives it; it does not outlive this process.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    running: Mutex<Option<Supervised>>,
}

impl Server {
    pub(crate) fn new(launch: Launch) -> Self {
        Self { launch, running: Mutex::new(None) }
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.launch.name
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        &self.launch.log
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When it runs already, ends while starting, or does not answer in time; with the last lines of its log.
    pub async fn start(&self) -> anyhow::Result<()> {
        self.spawn().await?;
        self.wait_healthy().await
    }

    async fn spawn(&self) -> anyhow::Result<()> {
        let mut running = self.running.lock().await;
        ensure!(running.is_none(), "{} runs already", self.name());
        let Launch { supervisor, program, arguments, output, pid_file, .. } = &self.launch;
        let output = Output::File(output.clone());
        let started = Supervised::start(supervisor, program, arguments, &[], &output)
            .with_context(|| format!("cannot start {}", self.name()))?;
        std::fs::write(pid_file, started.id().to_string())
            .with_context(|| format!("cannot write {}", pid_file.display()))?;
        *running = Some(started);
        Ok(())
    }

    /// Waits until it answers: after a start of its own, a pause, or an outage.
    ///
    /// # Errors
    /// When it has ended or does not answer in time; with the last lines of its log.
    pub async fn wait_healthy(&self) -> anyhow::Result<()> {
        let since = Instant::now();
        loop {
            if let Some(end) = self.ended().await? {
                bail!("{} {end}; {}", self.name(), self.log_tail());
            }
            match self.launch.probe.ask().await {
                Ok(()) => return Ok(()),
                Err(error) if since.elapsed() > self.launch.ready_max => {
                    let within = self.launch.ready_max.as_secs();
                    bail!("{} did not come up within {within} s ({error:#}); {}", self.name(), self.log_tail());
                }
                Err(_) => tokio::time::sleep(PROBE_EVERY).await,
            }
        }
    }

    /// How it ended, where it has, in words that follow its name.
    async fn ended(&self) -> anyhow::Result<Option<String>> {
        match self.running.lock().await.as_mut() {
            None => Ok(Some("is not running".to_owned())),
            Some(supervised) => Ok(supervised.exited()?.map(|status| format!("ended unexpectedly ({status})"))),
        }
    }

    /// Waits until it ends without having been asked to, and says so.
    pub async fn unexpected_end(&self) -> anyhow::Error {
        loop {
            match self.running.lock().await.as_mut().map(Supervised::exited) {
                Some(Ok(Some(status))) => {
                    return anyhow!("{} ended unexpectedly ({status}); {}", self.name(), self.log_tail());
                }
                Some(Err(error)) => return error,
                Some(Ok(None)) | None => {}
            }
            tokio::time::sleep(WATCH_EVERY).await;
        }
    }

    /// Ends it gracefully, or with SIGKILL where that takes too long. Already ended is fine.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&self) -> anyhow::Result<()> {
        self.end(async |supervised: &mut Supervised| supervised.stop(self.launch.stop_max).await).await
    }

    /// Ends it as a crash would, with SIGKILL. Already ended is fine.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn kill(&self) -> anyhow::Result<()> {
        self.end(async |supervised: &mut Supervised| supervised.kill().await).await
    }

    async fn end(&self, how: impl AsyncFnOnce(&mut Supervised) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut running = self.running.lock().await;
        if let Some(supervised) = running.as_mut() {
            how(supervised).await.with_context(|| format!("cannot stop {}", self.name()))?;
        }
        *running = None;
        Ok(())
    }

    /// Freezes it with SIGSTOP: connections stay open and nothing answers.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP).await
    }

    /// Lets a paused one go on; [`Self::wait_healthy`] waits until it answers again.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGCONT).await
    }

    async fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let mut running = self.running.lock().await;
        running.as_mut().with_context(|| format!("{} is not running", self.name()))?.signal(signal)
    }

    /// Stops it, starts it on the same ports and data, and waits until it answers.
    ///
    /// # Errors
    /// As [`Self::stop`] and [`Self::start`].
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.stop().await?;
        self.start().await
    }

    /// Where the logs are and how they end, for an error.
    fn log_tail(&self) -> String {
        let Launch { log, output, .. } = &self.launch;
        let mut text = format!("its log is {}", log.display());
        for file in [output, log] {
            let lines =
                std::fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
            let lines: Vec<_> = lines.lines().filter(|line| !line.trim().is_empty()).collect();
            for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES_MAX)) {
                text.push_str("\n  ");
                text.push_str(line);
            }
        }
        text
    }
}

/// Kills what an earlier run of the folder left behind: the process in `pid_file`, if it is still one of ours.
///
/// # Errors
/// When it is ours and does not end.
pub(crate) async fn kill_stale(pid_file: &Path, folder: &str) -> anyhow::Result<()> {
    let Ok(id) = std::fs::read_to_string(pid_file) else { return Ok(()) };
    let Ok(id) = id.trim().parse::<i32>() else { return Ok(()) };
    let since = Instant::now();
    while is_ours(id, folder)? {
        ensure!(since.elapsed() < Duration::from_secs(10), "process {id}, left by an earlier run, does not end");
        // ESRCH: it ended in between.
        let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        tokio::time::sleep(PROBE_EVERY).await;
    }
    Ok(())
}

/// Process ids are used again, so the command line must name our folder.
fn is_ours(id: i32, folder: &str) -> anyhow::Result<bool> {
    if Path::new("/proc/self/cmdline").exists() {
        // Empty for a process that has ended and waits for its parent to notice.
        let command = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        return Ok(String::from_utf8_lossy(&command).contains(folder));
    }
    let listed = Command::new("ps").args(["-ww", "-o", "command=", "-p", &id.to_string()]).output();
    Ok(String::from_utf8_lossy(&listed.context("cannot run ps")?.stdout).contains(folder))
}
