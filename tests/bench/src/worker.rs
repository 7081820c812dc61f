//! An arm in a process of its own, so that its costs are its own: `bench-ingest worker …`, started by `bench-ingest`.
//!
//! The worker prepares, says `ready`, waits for a line, works, and says what it did. It ends when its standard input does, so
//! that its costs can be read while it lives.

use std::{
    io::{BufRead as _, Write as _},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::process::Process;

/// What a worker did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) rows: u64,
    pub(crate) elapsed: Duration,
}

/// A worker, seen from the process that started it. It is killed when dropped.
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts a worker and waits until it is ready.
    ///
    /// # Errors
    /// When it ends before.
    pub(crate) async fn start(arguments: &[String]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("worker")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a worker")?;
        let input = child.stdin.take().context("a worker without input")?;
        let output = BufReader::new(child.stdout.take().context("a worker without output")?).lines();
        let mut worker = Self { child, input, output };
        let line = worker.line().await?;
        ensure!(line == "ready", "a worker said {line:?} instead of ready");
        Ok(worker)
    }

    /// Its process.
    pub(crate) fn process(&self) -> anyhow::Result<Process> {
        Ok(Process::new(self.child.id().context("a worker has ended")?))
    }

    /// Lets it work and waits until it has.
    ///
    /// # Errors
    /// When it ends before.
    pub(crate) async fn work(&mut self) -> anyhow::Result<Done> {
        self.input.write_all(b"go\n").await.context("a worker has ended")?;
        let line = self.line().await?;
        let words: Vec<&str> = line.split(' ').collect();
        let ["done", rows, micros] = words[..] else { bail!("a worker said {line:?} instead of what it did") };
        Ok(Done { rows: rows.parse()?, elapsed: Duration::from_micros(micros.parse()?) })
    }

    /// Lets it end.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        let Self { mut child, input, output } = self;
        drop((input, output));
        let status = child.wait().await?;
        ensure!(status.success(), "a worker failed: {status}");
        Ok(())
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        self.output.next_line().await?.context("a worker ended early; what it said is above")
    }
}

/// In the worker: says that it is ready and waits until it may begin.
///
/// # Errors
/// When nobody listens.
pub(crate) fn ready() -> anyhow::Result<()> {
    say("ready")?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    ensure!(line == "go\n", "told {line:?} instead of go");
    Ok(())
}

/// In the worker: says what it did and waits until it has been measured.
///
/// # Errors
/// When nobody listens.
pub(crate) fn done(done: Done) -> anyhow::Result<()> {
    say(&format!("done {} {}", done.rows, done.elapsed.as_micros()))?;
    std::io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
