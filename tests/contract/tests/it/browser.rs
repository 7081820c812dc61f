//! A real browser without a screen: Debian's `chromium-headless-shell`, or a Chromium.

use std::{collections::BTreeSet, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::process::Command;

const PROGRAMS: [&str; 3] = ["chromium-headless-shell", "chromium", "google-chrome"];
const PAGE_MAX: Duration = Duration::from_secs(120);

/// What came of opening a page.
pub(crate) struct Opened {
    /// The document as the browser has it in the end.
    pub(crate) dom: String,
    /// What it had to complain about.
    pub(crate) complaints: Vec<String>,
    /// Every address that it asked.
    pub(crate) asked: BTreeSet<String>,
}

/// Opens a page and waits until it is there with all that belongs to it.
pub(crate) async fn open(url: &str) -> Opened {
    let folder = tempfile::tempdir().expect("a folder");
    let network = folder.path().join("network.json");
    let mut command = Command::new(program());
    command
        // It opens nothing but our own page, and tests may run as root, for whom there is no sandbox.
        .args(["--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", folder.path().display()))
        .arg(format!("--log-net-log={}", network.display()))
        .args(["--dump-dom", url])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PAGE_MAX, command.output()).await.expect("the page opens in time");
    let output = output.expect("the browser starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    Opened {
        dom: String::from_utf8_lossy(&output.stdout).into_owned(),
        complaints: said.lines().filter(|line| line.contains(":CONSOLE:")).map(str::to_owned).collect(),
        asked: asked(&std::fs::read(network).expect("the browser kept its log")),
    }
}

/// The addresses in the browser's log of the network.
fn asked(log: &[u8]) -> BTreeSet<String> {
    let log: Value = serde_json::from_slice(log).expect("the browser's log is JSON");
    let events = log["events"].as_array().expect("the browser's log has events");
    let addresses = events.iter().filter_map(|event| event["params"]["url"].as_str());
    addresses.filter(|address| !address.starts_with("data:")).map(str::to_owned).collect()
}

fn program() -> &'static str {
    let there = |program: &&str| std::process::Command::new(program).arg("--version").output().is_ok();
    PROGRAMS.into_iter().find(there).expect("a browser: apt-get install chromium-headless-shell")
}
