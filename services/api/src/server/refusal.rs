//! What a connection hears for which there is no seat.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// So many are told at once; more are closed without a word.
const TOLD_AT_ONCE_MAX: usize = 256;

/// A client that is told has this long to read it.
const TOLD_MAX: Duration = Duration::from_secs(1);

const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\ncontent-length: 172\r\nretry-after: 1\r\ncache-control: no-store\r\n\
    x-content-type-options: nosniff\r\nconnection: close\r\n\r\n\
    {\"type\":\"urn:flywheel:problem:overloaded\",\"title\":\"Overloaded\",\"status\":503,\
    \"detail\":\"all connections are taken by requests that are being answered; try again in a second\"}";

/// Refuses connections.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    under_way: JoinSet<()>,
}

impl Refusals {
    /// Tells the client to come back later, if few enough are being told.
    pub(crate) fn tell(&mut self, mut stream: TcpStream) {
        while self.under_way.try_join_next().is_some() {}
        if self.under_way.len() >= TOLD_AT_ONCE_MAX {
            return;
        }
        self.under_way.spawn(async move {
            let tell = async {
                stream.write_all(ANSWER).await?;
                stream.shutdown().await?;
                // What it sent is read before the end: closed over unread bytes, the answer could be lost on its way.
                let mut unread = [0; 1024];
                while stream.read(&mut unread).await? > 0 {}
                Ok::<_, std::io::Error>(())
            };
            if let Ok(Err(error)) = tokio::time::timeout(TOLD_MAX, tell).await {
                tracing::debug!(%error, "a client could not be told that there is no room");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let answer = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], 503);
    }
}
