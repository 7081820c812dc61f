//! A TCP proxy that a test can make slow, deaf or dead.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What passes at once, so that a slow line is slow evenly.
const CHUNK_BYTES_MAX: usize = 16 * 1024;

/// How the line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Everything passes.
    Up,
    /// Connections are closed, and new ones as soon as they are made.
    Cut,
    /// Connections stay open and nothing passes; what was sent arrives once the line is up again.
    Silent,
    /// What clients say arrives, what the server answers does not: it is dropped, and connections that missed an answer
    /// are closed when the line changes.
    AnswersLost,
    /// Everything passes late and slowly.
    Slow {
        /// How much later.
        delay: Duration,
        /// How much a second, in each direction of each connection.
        bytes_per_s: u32,
    },
}

/// Accepts connections and passes what they say on; closes everything when dropped.
#[derive(Debug)]
pub struct Proxy {
    line: watch::Sender<Line>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Stands between whoever connects to `listener` and the server at `target`, with the line up.
    pub fn start(listener: TcpListener, target: SocketAddr) -> Self {
        let line = watch::Sender::new(Line::Up);
        let task = tokio::spawn(accept(listener, target, line.subscribe()));
        Self { line, task }
    }

    /// A loopback listener for [`Self::start`]; its address is known before the server's is.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn listener() -> anyhow::Result<(SocketAddr, TcpListener)> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot bind a proxy")?;
        Ok((listener.local_addr()?, listener))
    }

    /// Makes the line so, for all connections and at once.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts until aborted; the connections end with it.
async fn accept(listener: TcpListener, target: SocketAddr, line: watch::Receiver<Line>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A client that gave up before it was accepted is none.
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(connection(client, target, line.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, until either side closes it or the line does.
async fn connection(client: TcpStream, target: SocketAddr, mut line: watch::Receiver<Line>) {
    if line.wait_for(|line| *line != Line::Silent).await.is_ok_and(|line| *line == Line::Cut) {
        return;
    }
    // A server that is down refuses; so do we then, by closing.
    let Ok(server) = TcpStream::connect(target).await else { return };
    // Small messages are not to wait for each other: the delay is ours to choose.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pass(from_client, to_server, line.clone(), Side::Client) => {}
        () = pass(from_server, to_client, line.clone(), Side::Server) => {}
        _ = line.wait_for(|line| *line == Line::Cut) => {}
    }
}

/// Whose words a direction carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// Passes one direction on, until it ends or must not go on.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: watch::Receiver<Line>, side: Side) {
    let mut chunk = vec![0; CHUNK_BYTES_MAX];
    loop {
        let Ok(length @ 1..) = from.read(&mut chunk).await else { return };
        // Held, not dropped, as the network would by sending it again.
        let Ok(now) = line.wait_for(|line| *line != Line::Silent).await.map(|line| *line) else { return };
        match now {
            Line::Up | Line::Silent => {}
            Line::Cut => return,
            Line::AnswersLost if side == Side::Client => {}
            Line::AnswersLost => {
                // The rest of an answer makes no sense without this part, so the connection is not used again.
                forget_until_changed(&mut from, &mut line).await;
                return;
            }
            Line::Slow { delay, bytes_per_s } => {
                let sending = Duration::from_secs_f64(length as f64 / f64::from(bytes_per_s.max(1)));
                let until = Instant::now() + delay + sending;
                let waited =
                    tokio::time::timeout_at(until.into(), line.wait_for(|line| !matches!(line, Line::Slow { .. })));
                if waited.await.is_ok_and(|changed| changed.is_ok_and(|line| *line == Line::Cut)) {
                    return;
                }
            }
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}

/// Reads and forgets until the line is another, also where the server says nothing more: the client waits on.
async fn forget_until_changed(from: &mut OwnedReadHalf, line: &mut watch::Receiver<Line>) {
    let mut forgotten = vec![0; CHUNK_BYTES_MAX];
    let forget = async {
        while matches!(from.read(&mut forgotten).await, Ok(1..)) {}
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = forget => {}
        _ = line.wait_for(|line| *line != Line::AnswersLost) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(200);
    const AT_MOST: Duration = Duration::from_secs(10);

    /// A server that answers every byte with the same, and notes it; a proxy before it; a client of that.
    async fn echo() -> (Proxy, SocketAddr, watch::Receiver<usize>) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = server.local_addr().unwrap();
        let (heard, hearing) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = server.accept().await.unwrap();
                let heard = heard.clone();
                tokio::spawn(async move {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).await.is_ok() {
                        heard.send_modify(|count| *count += 1);
                        if stream.write_all(&byte).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let (address, listener) = Proxy::listener().await.unwrap();
        (Proxy::start(listener, target), address, hearing)
    }

    async fn answer(client: &mut TcpStream) -> Option<u8> {
        tokio::time::timeout(SOON, client.read_u8()).await.ok()?.ok()
    }

    async fn closed(client: &mut TcpStream) -> bool {
        let read = tokio::time::timeout(AT_MOST, client.read_u8()).await;
        read.is_ok_and(|read| read.is_err())
    }

    #[tokio::test]
    async fn what_is_sent_while_silent_arrives_later() {
        let (proxy, address, _) = echo().await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_u8(1).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), 1);
        proxy.set(Line::Silent);
        client.write_u8(2).await.unwrap();
        assert_eq!(answer(&mut client).await, None);
        proxy.set(Line::Up);
        assert_eq!(client.read_u8().await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_cut_closes_what_is_open_and_what_comes() {
        let (proxy, address, _) = echo().await;
        let mut before = TcpStream::connect(address).await.unwrap();
        before.write_u8(1).await.unwrap();
        assert_eq!(before.read_u8().await.unwrap(), 1);
        proxy.set(Line::Cut);
        assert!(closed(&mut before).await);
        let mut during = TcpStream::connect(address).await.unwrap();
        assert!(closed(&mut during).await);
        proxy.set(Line::Up);
        let mut after = TcpStream::connect(address).await.unwrap();
        after.write_u8(3).await.unwrap();
        assert_eq!(after.read_u8().await.unwrap(), 3);
    }

    #[tokio::test]
    async fn with_answers_lost_the_server_hears_and_the_client_does_not() {
        let (proxy, address, mut heard) = echo().await;
        let mut client = TcpStream::connect(address).await.unwrap();
        proxy.set(Line::AnswersLost);
        client.write_u8(1).await.unwrap();
        tokio::time::timeout(AT_MOST, heard.wait_for(|count| *count == 1)).await.unwrap().unwrap();
        assert_eq!(answer(&mut client).await, None);
        proxy.set(Line::Up);
        assert!(closed(&mut client).await);
    }

    #[tokio::test]
    async fn a_slow_line_takes_its_time() {
        let (proxy, address, _) = echo().await;
        proxy.set(Line::Slow { delay: Duration::from_millis(150), bytes_per_s: 1_000_000 });
        let mut client = TcpStream::connect(address).await.unwrap();
        let since = Instant::now();
        client.write_u8(1).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), 1);
        assert!(since.elapsed() >= Duration::from_millis(300), "both ways: {:?}", since.elapsed());
    }
}
