//! The real binary, run as its users run it.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    sync::OnceLock,
    time::Duration,
};

use devstack::Stack;
use nix::{sys::signal, unistd::Pid};
use tokio::process::{Child, Command};

use crate::eventually::eventually;

const READY_MAX: Duration = Duration::from_secs(60);

/// The binary's path. The first call builds it, so that no test runs a stale one.
///
/// # Panics
/// When it does not build.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| build("flywheel", "flywheel", &[]))
}

/// Builds a program of a package with these features, and says where it lies.
///
/// # Panics
/// When it does not build.
pub fn build(package: &str, program: &str, features: &[&str]) -> PathBuf {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--message-format=json", "--package", package, "--bin", program])
        .args(["--features", &features.join(",")])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{program} does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).expect("cargo's messages are text");
    let mut messages = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let built = messages.find_map(|message| match &message["target"]["name"] {
        name if *name == program => Some(PathBuf::from(message["executable"].as_str()?)),
        _ => None,
    });
    built.unwrap_or_else(|| panic!("cargo does not say where {program} lies"))
}

/// Runs a subcommand to its end.
///
/// # Panics
/// When it cannot be started.
pub async fn command(stack: &Stack, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).envs(stack.env()).stdin(Stdio::null()).kill_on_drop(true);
    command.output().await.expect("flywheel starts")
}

/// Runs a subcommand to its end, which must be a success; returns its standard output.
///
/// # Panics
/// When it fails; the message has what it said.
pub async fn succeed(stack: &Stack, arguments: &[&str]) -> String {
    let output = command(stack, arguments).await;
    assert!(
        output.status.success(),
        "flywheel {arguments:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("its output is text")
}

/// `flywheel migrate`.
///
/// # Panics
/// When it fails.
pub async fn migrate(stack: &Stack) {
    succeed(stack, &["migrate"]).await;
}

/// A running `flywheel`; killed when dropped.
#[derive(Debug)]
pub struct Flywheel {
    child: Child,
    api: SocketAddr,
    admin: SocketAddr,
    log: PathBuf,
    http: reqwest::Client,
}

impl Flywheel {
    /// Starts `flywheel run` and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start(stack: &Stack) -> Self {
        let flywheel = Self::spawn(stack, "run", &[]);
        flywheel.ready().await;
        flywheel
    }

    /// Starts a role with further environment, and does not wait for it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(stack: &Stack, role: &str, env: &[(&str, &str)]) -> Self {
        Self::spawn_program(binary(), stack, role, env)
    }

    /// As [`Self::spawn`], with a program that [`build`] made.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn_program(program: &Path, stack: &Stack, role: &str, env: &[(&str, &str)]) -> Self {
        let (api, admin) = (free_address(), free_address());
        std::fs::create_dir_all(stack.logs()).expect("a log folder");
        let log = stack.logs().join(format!("flywheel-{role}-{}.log", admin.port()));
        let output = File::create(&log).expect("a log file");
        let child = Command::new(program)
            .arg(role)
            .envs(stack.env())
            .env("FLYWHEEL_API_LISTEN", api.to_string())
            .env("FLYWHEEL_ADMIN_LISTEN", admin.to_string())
            .env("FLYWHEEL_LOG_FORMAT", "json")
            // Rankings that only time moves are published once a minute; no test wants to wait for that.
            .env("FLYWHEEL_RANKER_REFRESH_S", "2")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a log file"))
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .expect("flywheel starts");
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().expect("an HTTP client");
        Self { child, api, admin, log, http }
    }

    /// Waits until `/readyz` says so.
    ///
    /// # Panics
    /// When it does not in time; the message ends with the log.
    pub async fn ready(&self) {
        eventually("flywheel is ready", READY_MAX, async || match self.readyz().await {
            Some((200, _)) => Ok(()),
            other => Err(format!("{other:?}; log:\n{}", self.log())),
        })
        .await;
    }

    /// Status and body of the admin port's `/readyz`; none while nobody answers.
    pub async fn readyz(&self) -> Option<(u16, String)> {
        let response = self.http.get(format!("http://{}/readyz", self.admin)).send().await.ok()?;
        Some((response.status().as_u16(), response.text().await.ok()?))
    }

    /// The text of the admin port's `/metrics`.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn metrics(&self) -> String {
        let response = self.http.get(format!("http://{}/metrics", self.admin)).send().await.expect("metrics answer");
        response.text().await.expect("metrics are text")
    }

    /// Status and JSON body of an API path.
    ///
    /// # Panics
    /// When it does not answer with JSON.
    pub async fn get(&self, path: &str) -> (u16, serde_json::Value) {
        let response = self.http.get(format!("http://{}{path}", self.api)).send().await.expect("the API answers");
        let status = response.status().as_u16();
        (status, response.json().await.expect("the API answers with JSON"))
    }

    /// The API's base address.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// Its process id, to ask the system about it.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn id(&self) -> u32 {
        self.child.id().expect("flywheel still runs")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Panics
    /// When it does not end within 30 s.
    pub async fn terminate(mut self) -> (ExitStatus, String) {
        self.signal(signal::Signal::SIGTERM);
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        let status = ended.expect("flywheel stops within 30 s").expect("flywheel can be waited for");
        (status, self.log())
    }

    /// Waits for its end, which it finds by itself.
    ///
    /// # Panics
    /// When it does not within `at_most`.
    pub async fn ended(mut self, at_most: Duration) -> (ExitStatus, String) {
        let ended = tokio::time::timeout(at_most, self.child.wait()).await;
        let status = ended.expect("flywheel ends").expect("flywheel can be waited for");
        (status, self.log())
    }

    /// Kills it, as a power cut would.
    ///
    /// # Panics
    /// When it has ended already.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("flywheel can be killed");
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn end(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("flywheel can be waited for")
    }

    /// Freezes it with SIGSTOP: connections stay open and nothing answers.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn pause(&self) {
        self.signal(signal::Signal::SIGSTOP);
    }

    /// Lets a paused one go on.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn resume(&self) {
        self.signal(signal::Signal::SIGCONT);
    }

    fn signal(&self, signal: signal::Signal) {
        signal::kill(Pid::from_raw(i32::try_from(self.id()).expect("a pid")), signal)
            .expect("flywheel can be signalled");
    }
}

/// A loopback address that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address")
}
