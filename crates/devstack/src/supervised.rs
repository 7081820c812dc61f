//! A child process that cannot outlive this one: it runs under `deploy/dev/supervise.c`.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How often a process is asked whether it has ended. It is asked, not waited for, so that a stack can outlive the
/// asynchronous runtime it was started in.
const POLL: Duration = Duration::from_millis(20);
/// SIGKILL needs no longer than this, even for a process with much memory to give back.
const KILL_MAX: Duration = Duration::from_secs(10);

/// Where a child writes.
#[derive(Clone, Debug)]
pub enum Output {
    /// Both streams to the end of a file.
    File(PathBuf),
    /// To where we write.
    Inherit,
}

/// A running program.
#[derive(Debug)]
pub struct Supervised {
    supervisor: Child,
    program: Pid,
    /// The supervisor kills the program when this closes.
    _lifeline: UnixStream,
}

impl Supervised {
    /// Starts `program`, with `environment` added to ours.
    ///
    /// # Errors
    /// When the supervisor does not start. A program that cannot be run ends at once with status 127.
    pub fn start(
        supervisor: &Path,
        program: &Path,
        arguments: &[OsString],
        environment: &[(String, String)],
        output: &Output,
    ) -> anyhow::Result<Self> {
        let (ours, theirs) = UnixStream::pair().context("cannot make a socket pair")?;
        let mut command = Command::new(supervisor);
        command.arg(program).args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        // Ctrl-C in a terminal goes to its whole process group; we decide in which order things stop.
        command.process_group(0);
        if let Output::File(path) = output {
            let file = std::fs::File::options().create(true).append(true).open(path);
            let file = file.with_context(|| format!("cannot write {}", path.display()))?;
            command.stdout(file.try_clone()?).stderr(file);
        }
        let started = command.spawn();
        let supervisor = started.with_context(|| format!("cannot run {}", supervisor.display()))?;
        // The child has its own copy of the other end; with ours open, its end would not be seen.
        drop(command);
        let mut line = String::new();
        BufReader::new(&ours).read_line(&mut line).context("the supervisor did not answer")?;
        let program = line.trim().parse().map(Pid::from_raw).context("the supervisor did not start the program")?;
        Ok(Self { supervisor, program, _lifeline: ours })
    }

    /// The program's process id.
    pub fn id(&self) -> i32 {
        self.program.as_raw()
    }

    /// Sends the program a signal; one that has ended gets none.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub(crate) fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if self.exited()?.is_some() {
            return Ok(());
        }
        match kill(self.program, signal) {
            // It ended between the question and the signal.
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot send {signal} to process {}", self.program)),
        }
    }

    /// How the program ended, where it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn exited(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.supervisor.try_wait().context("cannot ask for a process's status")
    }

    /// Waits until the program has ended.
    ///
    /// # Errors
    /// When the system does not say.
    pub async fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks the program to end with SIGTERM and kills it where it has not within `stop_max`.
    ///
    /// # Errors
    /// When the signals cannot be sent or do not end it.
    pub async fn stop(&mut self, stop_max: Duration) -> anyhow::Result<()> {
        self.signal(Signal::SIGTERM)?;
        // A paused program would only see the signal when it goes on.
        self.signal(Signal::SIGCONT)?;
        match tokio::time::timeout(stop_max, self.wait()).await {
            Ok(ended) => ended.map(drop),
            Err(_) => self.kill().await,
        }
    }

    /// Ends the program with SIGKILL.
    ///
    /// # Errors
    /// When the signal cannot be sent or does not end it.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::SIGKILL)?;
        let ended = tokio::time::timeout(KILL_MAX, self.wait()).await;
        ended.with_context(|| format!("process {} does not end even when killed", self.program))?.map(drop)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if self.signal(Signal::SIGKILL).is_err() {
            return;
        }
        let since = Instant::now();
        while matches!(self.exited(), Ok(None)) && since.elapsed() < KILL_MAX {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
