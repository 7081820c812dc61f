//! A plain TCP balancer: connections go round, and what they say passes as it is.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

const CHUNK_BYTES_MAX: usize = 16 * 1024;

/// Balances until it is dropped.
pub(crate) struct Balancer {
    pub(crate) url: String,
    counts: Arc<[Counts]>,
    task: JoinHandle<()>,
}

/// Of one server.
#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    ended_by_server: AtomicUsize,
}

impl Balancer {
    /// Before these servers.
    pub(crate) async fn start(servers: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let counts: Arc<[Counts]> = servers.iter().map(|_| Counts::default()).collect();
        let task = tokio::spawn(accept(listener, servers, Arc::clone(&counts)));
        Self { url, counts, task }
    }

    /// Connections that a server has had.
    pub(crate) fn connections(&self, server: usize) -> usize {
        self.counts[server].connections.load(Ordering::Relaxed)
    }

    /// Those of them that the server ended, in whatever way.
    pub(crate) fn ended_by_server(&self, server: usize) -> usize {
        self.counts[server].ended_by_server.load(Ordering::Relaxed)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, servers: Vec<SocketAddr>, counts: Arc<[Counts]>) {
    let mut connections = JoinSet::new();
    let mut turn = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A client that gave up before it was accepted is none.
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(connection(client, servers.clone(), turn, Arc::clone(&counts)));
                turn += 1;
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// With the server whose turn it is, or the next that takes connections.
async fn connection(mut client: TcpStream, servers: Vec<SocketAddr>, turn: usize, counts: Arc<[Counts]>) {
    for place in 0..servers.len() {
        let number = (turn + place) % servers.len();
        let Ok(mut server) = TcpStream::connect(servers[number]).await else { continue };
        counts[number].connections.fetch_add(1, Ordering::Relaxed);
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let by_server = tokio::select! {
            () = pass(from_client, to_server) => false,
            () = pass(from_server, to_client) => true,
        };
        counts[number].ended_by_server.fetch_add(usize::from(by_server), Ordering::Relaxed);
        return;
    }
}

/// Until the reading side ends or either fails.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut chunk = vec![0; CHUNK_BYTES_MAX];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        if to.write_all(&chunk[..length]).await.is_err() {
            // Then the other side has ended: whoever reads from it says so.
            return std::future::pending().await;
        }
    }
}
