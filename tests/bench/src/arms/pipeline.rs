//! A0 and A1: the real `flywheel ingest`, without the exactly-once protocol and with it.

use std::{
    fs::File,
    net::TcpListener,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::process::{Child, Command};
use wire::topics::USAGE;

use super::visible;
use crate::{group::Group, meter::Reading, process::Process, sample::Sample, site::Site};

const COMMIT_MAX: Duration = Duration::from_secs(15);
const STOP_MAX: Duration = Duration::from_secs(30);

/// A running `flywheel ingest`; killed when dropped.
pub(crate) struct Ingest {
    child: Child,
    log: std::path::PathBuf,
}

impl Ingest {
    /// Starts it as a member of `group`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(site: &Site, binary: &Path, group: &str) -> anyhow::Result<Self> {
        let log = site.logs().join(format!("{group}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(binary)
            .arg("ingest")
            .envs(site.env())
            .env("FLYWHEEL_INGEST_GROUP", group)
            .env("FLYWHEEL_ADMIN_LISTEN", format!("127.0.0.1:{port}"))
            .env("FLYWHEEL_LOG_FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", binary.display()))?;
        Ok(Self { child, log })
    }

    /// Its process.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn process(&self) -> anyhow::Result<Process> {
        Ok(Process::new(self.child.id().context("flywheel ingest has ended")?))
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().context("flywheel ingest has ended")?;
        kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGTERM)?;
        let status =
            tokio::time::timeout(STOP_MAX, self.child.wait()).await.context("flywheel ingest does not stop")??;
        ensure!(status.success(), "flywheel ingest failed ({status}): {}", self.log.display());
        Ok(())
    }

    /// Lines of its log that speak of trouble or of partitions taken away.
    fn complaints(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let bad = ["\"level\":\"WARN\"", "\"level\":\"ERROR\"", "partitions revoked", "partitions lost"];
        log.lines().filter(|line| bad.iter().any(|word| line.contains(word))).map(ToOwned::to_owned).collect()
    }
}

/// One round.
///
/// # Errors
/// When ingest ends or takes too long.
pub(crate) async fn measure(site: &Site, ends: &[i64], binary: &Path, group: &str) -> anyhow::Result<Sample> {
    let rows = ends.iter().sum::<i64>().unsigned_abs();
    let watched = Group::new(site.brokers(), group)?;
    site.clickhouse.reset_peak()?;
    let before = Reading::take(site, None)?;
    let ingest = Ingest::start(site, binary, group)?;
    let process = ingest.process()?;
    // What it used before it had its partitions is counted, the time is not.
    let joined = tokio::task::block_in_place(|| watched.joined())?;
    let members = tokio::task::block_in_place(|| watched.members())?;
    let all = visible::all(site, rows, Some(&process)).await?;
    let cost = Reading::take(site, Some(&process))?.since(&before);
    let (peak_mib, clickhouse_peak_mib) = (process.peak_mib()?, site.clickhouse.peak_mib()?);

    let mut void = visible::differences(site, ends).await?;
    void.extend(ingest.complaints());
    if members != tokio::task::block_in_place(|| watched.members())? {
        void.push("the group's members changed".to_owned());
    }
    let lag = lag(&watched, ends).await?;
    if lag > 0 {
        void.push(format!("{lag} messages were not committed"));
    }
    let merges_after_s = super::merges_after(site).await?;
    ingest.stop().await?;
    Ok(Sample {
        rows,
        elapsed_s: all.duration_since(joined).as_secs_f64(),
        cost,
        merges_after_s,
        peak_mib,
        clickhouse_peak_mib,
        void,
    })
}

/// What is not committed once there is nothing more to commit.
pub(super) async fn lag(group: &Group, ends: &[i64]) -> anyhow::Result<u64> {
    let began = Instant::now();
    loop {
        let lag = tokio::task::block_in_place(|| group.lag(USAGE, ends))?;
        if lag == 0 || began.elapsed() > COMMIT_MAX {
            return Ok(lag);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
