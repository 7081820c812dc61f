//! A client that sends whatever it likes.

use std::{net::SocketAddr, time::Duration};

use api::ApiConfig;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Api, ranking};

/// Long enough for anything that should happen at all.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// A request that has an answer.
pub(super) const GOOD: &str = "GET /v1/teams/dynamodb/rankings HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// An API that is impatient, with one team.
pub(super) async fn impatient() -> Api {
    served(ApiConfig { head_ms_max: 200, idle_ms_max: 200, write_ms_max: 200, ..ApiConfig::default() }).await
}

/// An API with one team.
pub(super) async fn served(config: ApiConfig) -> Api {
    let api = Api::start_unloaded(config).await;
    api.store.set_loaded();
    api.publish(ranking("dynamodb", "s1", "2026-01-01T12:00:00Z", 3, 0));
    api
}

/// A connection.
pub(super) struct Wire {
    pub(super) stream: TcpStream,
    unread: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The problem that it must be.
    pub(super) fn problem(&self) -> Value {
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Wire {
    pub(super) async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), unread: Vec::new() }
    }

    /// Sends as much as the other side takes: it may have hung up.
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        timeout(DEADLINE, self.stream.write_all(bytes.as_ref())).await.expect("the other side takes nothing").is_ok()
    }

    /// The next answer, or none if the connection ends first.
    pub(super) async fn answer(&mut self) -> Option<Answer> {
        timeout(DEADLINE, self.read_answer()).await.expect("neither an answer nor an end")
    }

    /// Waits until the other side has hung up; what it had said before that is dropped.
    pub(super) async fn ends(&mut self) {
        let end = async { while self.more().await {} };
        timeout(DEADLINE, end).await.expect("the connection does not end");
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            if !self.more().await {
                return None;
            }
        }
        Some(Answer { status, head, body: self.unread.drain(..length).collect() })
    }

    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.unread).await.is_ok_and(|read| read > 0)
    }
}

/// Sends one request on a connection of its own.
pub(super) async fn ask(api: &Api, request: impl AsRef<[u8]>) -> Option<Answer> {
    let mut wire = Wire::open(api.address).await;
    wire.send(request).await;
    wire.answer().await
}
