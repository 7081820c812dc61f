//! The ports of a run: the well-known ones, or ones that no other run uses.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

use anyhow::{Context, bail};

use crate::{
    folders::{FolderLock, Folders},
    variable::variable,
};

/// Loopback ports of one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Kafka's clients.
    pub kafka: u16,
    /// Kafka's own controller traffic.
    pub kafka_controller: u16,
    /// ClickHouse over HTTP.
    pub clickhouse_http: u16,
    /// ClickHouse's native protocol.
    pub clickhouse_native: u16,
}

impl Ports {
    /// The ports everybody expects.
    pub const DEFAULT: Self =
        Self { kafka: 9092, kafka_controller: 9093, clickhouse_http: 8123, clickhouse_native: 9000 };

    /// The ports everybody expects, or those that the environment names instead.
    ///
    /// # Errors
    /// When a variable is not a port.
    pub fn from_env() -> anyhow::Result<Self> {
        let named = |name, default| match variable(name)? {
            Some(value) => value.parse().with_context(|| format!("{name} must be a port number, not {value:?}")),
            None => Ok(default),
        };
        Ok(Self {
            kafka: named(KAFKA_PORT, Self::DEFAULT.kafka)?,
            kafka_controller: named(KAFKA_CONTROLLER_PORT, Self::DEFAULT.kafka_controller)?,
            clickhouse_http: named(CLICKHOUSE_HTTP_PORT, Self::DEFAULT.clickhouse_http)?,
            clickhouse_native: named(CLICKHOUSE_NATIVE_PORT, Self::DEFAULT.clickhouse_native)?,
        })
    }

    /// Kafka's port behind the proxy of that number; only reserved ports have any.
    pub(crate) fn behind_proxy(self, number: u16) -> u16 {
        self.clickhouse_native + 1 + number
    }
}

pub(crate) const KAFKA_PORT: &str = "FLYWHEEL_DEVSTACK_KAFKA_PORT";
pub(crate) const KAFKA_CONTROLLER_PORT: &str = "FLYWHEEL_DEVSTACK_KAFKA_CONTROLLER_PORT";
pub(crate) const CLICKHOUSE_HTTP_PORT: &str = "FLYWHEEL_DEVSTACK_CLICKHOUSE_HTTP_PORT";
pub(crate) const CLICKHOUSE_NATIVE_PORT: &str = "FLYWHEEL_DEVSTACK_CLICKHOUSE_NATIVE_PORT";

/// Below the range that systems hand out to outgoing connections, so that a port stays ours across a restart.
const FIRST: u16 = 20_000;
/// Four named ports, and those behind proxies.
const BLOCK: u16 = 4 + PROXIES_MAX;
const BLOCKS: u16 = 1_250;
/// Kafka can stand behind so many proxies.
pub(crate) const PROXIES_MAX: u16 = 4;

/// Ports that no other run of this checkout uses, for as long as the lock lives.
///
/// # Errors
/// When no block of ports is free.
pub(crate) fn reserve(folders: &Folders) -> anyhow::Result<(Ports, FolderLock)> {
    // Different processes look from different places, so that two checkouts rarely meet.
    let offset = (std::process::id() % u32::from(BLOCKS)) as u16;
    for block in (0..BLOCKS).map(|n| (offset + n) % BLOCKS) {
        let first = FIRST + block * BLOCK;
        let Some(lock) = FolderLock::try_new(&folders.ports().join(first.to_string()))? else { continue };
        if (first..first + BLOCK).all(|port| is_free(port).unwrap_or(false)) {
            let ports = Ports {
                kafka: first,
                kafka_controller: first + 1,
                clickhouse_http: first + 2,
                clickhouse_native: first + 3,
            };
            return Ok((ports, lock));
        }
    }
    bail!("no free block of ports between {FIRST} and {}", FIRST + BLOCK * BLOCKS)
}

/// Makes sure that nothing listens on a loopback port.
///
/// # Errors
/// In one sentence, when it is taken: `what` wants it, and `remedy` completes "stop that program, or …".
pub fn check_free(port: u16, what: &str, remedy: &str) -> anyhow::Result<()> {
    if is_free(port).with_context(|| format!("cannot use port {port} for {what}"))? {
        return Ok(());
    }
    bail!("port {port}, which {what} needs, is taken by another program: stop that program, or {remedy}")
}

fn is_free(port: u16) -> io::Result<bool> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(false),
        Err(error) => Err(error),
    }
}
