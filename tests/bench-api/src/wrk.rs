//! wrk: the hot questions' client.

use std::{io::Write as _, time::Duration};

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use tempfile::NamedTempFile;
use tokio::process::Command;

/// Everything that wrk knows in the end, in a line: it prints no p99.9 itself. Times are in microseconds.
const SCRIPT: &str = r#"
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("result %d %d %d %d %f %f %f %f\n", summary.requests, summary.duration, summary.bytes,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
"#;

/// What is asked again and again.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// What a run of wrk has seen.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Seen {
    pub(crate) requests: f64,
    pub(crate) requests_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
    /// Of an answer, its head included.
    pub(crate) bytes: f64,
}

/// # Errors
/// When wrk is not there.
pub(crate) async fn check() -> anyhow::Result<()> {
    // It prints its version and fails, for want of an address.
    let said = Command::new("wrk").arg("-v").output().await;
    said.context("wrk is missing: install it (Debian, Ubuntu: apt-get install wrk)")?;
    Ok(())
}

/// Asks for so long, over so many connections, on one thread.
///
/// # Errors
/// When wrk fails, or an answer is an error.
pub(crate) async fn ask(asked: &Asked, connections: u64, during: Duration) -> anyhow::Result<Seen> {
    let mut script = NamedTempFile::with_suffix(".lua")?;
    script.write_all(SCRIPT.as_bytes())?;
    let mut command = Command::new("wrk");
    command.args(["--threads", "1", "--timeout", "10s"]);
    command.arg("--connections").arg(connections.to_string());
    command.arg("--duration").arg(format!("{}s", during.as_secs().max(1)));
    command.arg("--script").arg(script.path());
    for (name, value) in &asked.headers {
        command.arg("--header").arg(format!("{name}: {value}"));
    }
    let output = command.arg(&asked.url).kill_on_drop(true).output().await.context("cannot run wrk")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk failed: {said}{}", String::from_utf8_lossy(&output.stderr));
    let figures = said.lines().find_map(|line| line.strip_prefix("result "));
    let figures = figures.with_context(|| format!("wrk gives no result: {said}"))?;
    let figures: Vec<f64> = figures.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [requests, took_us, bytes, errors, p50, p99, p999, max] = figures[..] else {
        bail!("wrk gives {} figures", figures.len());
    };
    ensure!(errors == 0.0 && requests > 0.0, "{errors} of {requests} requests to {} failed", asked.url);
    Ok(Seen {
        requests,
        requests_per_s: requests / (took_us / 1e6),
        p50_ms: p50 / 1e3,
        p99_ms: p99 / 1e3,
        p999_ms: p999 / 1e3,
        max_ms: max / 1e3,
        bytes: bytes / requests,
    })
}
