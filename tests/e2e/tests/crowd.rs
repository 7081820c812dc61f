//! The real binary, before a crowd: it goes on answering, in memory that has a bound.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "what was measured is worth reading where nothing fails too")]

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    task::JoinSet,
    time::timeout,
};

const CROWD: usize = 10_000;

/// As the api has it by default, below the crowd.
const CONNECTIONS_MAX: usize = 8_192;

/// What a connection may cost that has sent a part of a head, in bytes: what hyper reads into, the task, the socket's buffers apart.
const CONNECTION_BYTES_MAX: usize = 20 * 1024;

/// So many at once send without end.
const SENDERS: usize = 64;

/// Whoever is let send so many bytes is let send any number. Some MB of them fit into the system's buffers.
const SENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What all that they send may cost, in bytes.
const SENDERS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// For whatever should happen at all.
const DEADLINE: Duration = Duration::from_secs(30);

/// An api of its own process.
struct Api {
    address: SocketAddr,
    process: Child,
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

impl Api {
    /// An api that answers.
    async fn start() -> Self {
        let address = free_address();
        let process = Command::new(testkit::flywheel::binary())
            .arg("api")
            .env("FLYWHEEL_API_LISTEN", address.to_string())
            .env("FLYWHEEL_ADMIN_LISTEN", free_address().to_string())
            .env("FLYWHEEL_API_CONNECTIONS_MAX", CONNECTIONS_MAX.to_string())
            // So that none of the crowd goes by itself.
            .env("FLYWHEEL_API_HEAD_MS_MAX", "600000")
            // Neither is there; what is asked here needs neither.
            .env("FLYWHEEL_KAFKA_BROKERS", "127.0.0.1:1")
            .env("FLYWHEEL_CLICKHOUSE_URL", "http://127.0.0.1:1")
            .env("FLYWHEEL_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut api = Self { address, process };
        let up = async {
            while !api.answers().await {
                assert!(api.process.try_wait().unwrap().is_none(), "the api ended");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(DEADLINE, up).await.expect("the api does not start");
        api
    }

    /// Whether somebody new is answered.
    async fn answers(&self) -> bool {
        let ask = async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer.starts_with(b"HTTP/1.1 200 OK\r\n"))
        };
        timeout(DEADLINE, ask).await.is_ok_and(|answered| answered.unwrap_or(false))
    }

    /// Its memory in bytes: `VmRSS` what it has now, `VmHWM` the most that it ever had.
    fn memory(&self, field: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }
}

#[tokio::test]
async fn ten_thousand_idle_connections_lock_nobody_out_and_have_bounded_memory() {
    let files_max = kit::files::allow_most().unwrap();
    assert!(files_max > CROWD as u64 + 512, "this needs {CROWD} open files, and {files_max} are allowed (ulimit -Hn)");
    let api = Api::start().await;
    let before = api.memory("VmRSS");

    let mut crowd = Vec::with_capacity(CROWD);
    let half_a_head = format!("GET /livez HTTP/1.1\r\nx: {}", "a".repeat(2_000));
    let mut slowest = Duration::ZERO;
    for n in 0..CROWD {
        let mut stream = timeout(DEADLINE, TcpStream::connect(api.address)).await.expect("nobody accepts").unwrap();
        if n % 2 == 0 {
            stream.write_all(half_a_head.as_bytes()).await.unwrap();
        }
        crowd.push(stream);
        if n % 1_000 == 999 {
            let asked = Instant::now();
            assert!(api.answers().await, "after {n} connections nobody new is answered");
            slowest = slowest.max(asked.elapsed());
        }
    }
    let each = api.memory("VmHWM").saturating_sub(before) / CONNECTIONS_MAX;
    println!("{each} bytes each of {CONNECTIONS_MAX} connections; the slowest new client waited {slowest:?}");
    assert!(each <= CONNECTION_BYTES_MAX, "{each} bytes for a connection");

    // The first to come were the first to go, and the last are still there.
    let first = timeout(DEADLINE, crowd[0].read(&mut [0; 64])).await.expect("the first is still there");
    assert!(first.is_err() || first.is_ok_and(|read| read == 0));
    let last = crowd.last_mut().unwrap();
    last.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(timeout(DEADLINE, last.read(&mut [0; 64])).await.unwrap().unwrap() > 0);
}

#[tokio::test]
async fn what_is_sent_without_end_is_not_kept() {
    let api = Api::start().await;
    let before = api.memory("VmRSS");
    let line = format!("x: {}\r\n", "a".repeat(1_000));
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x1_0000));
    for (begin, more) in [
        ("GET /livez HTTP/1.1\r\nhost: localhost\r\n", &line),
        ("GET /", &"a".repeat(1_000)),
        ("GET /livez HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n", &chunk),
        ("GET /v1/teams HTTP/1.1\r\nhost: localhost\r\ncontent-length: 60000\r\n\r\n", &line),
    ] {
        let mut senders: JoinSet<usize> =
            (0..SENDERS).map(|_| send(api.address, begin.to_owned(), more.clone())).collect();
        while let Some(sent) = timeout(DEADLINE, senders.join_next()).await.expect("it neither takes nor hangs up") {
            let sent = sent.unwrap();
            assert!(sent < SENT_BYTES_MAX, "{sent} bytes were taken after {begin:?}");
        }
        assert!(api.answers().await, "nobody is answered after {begin:?}");
    }
    let grown = api.memory("VmHWM").saturating_sub(before);
    println!("{grown} bytes more than before");
    assert!(grown <= SENDERS_BYTES_MAX, "{grown} bytes for what {SENDERS} at once sent");
}

/// Sends `more` again and again until the other side has hung up; how many bytes it took.
async fn send(address: SocketAddr, begin: String, more: String) -> usize {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut sent = 0;
    if stream.write_all(begin.as_bytes()).await.is_ok() {
        while sent < SENT_BYTES_MAX && stream.write_all(more.as_bytes()).await.is_ok() {
            sent += more.len();
        }
    }
    sent
}
