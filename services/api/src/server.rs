//! The HTTP/1.1 server: so many connections at once, each with a deadline for sending its request, and a graceful end.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// A client must send a request's head within this time; an idle connection is closed after it too.
const REQUEST_HEAD_MAX: Duration = Duration::from_secs(60);

/// The accept loop rests this long when the process is out of files or the like.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// On shutdown the requests under way get this long: a client that stopped reading must not hold up the process.
const DRAIN_MAX: Duration = Duration::from_secs(12);

/// Serves `router` until `shutdown`, then lets the requests under way finish. A connection that fails takes nothing
/// with it.
pub(crate) async fn serve(listener: TcpListener, router: Router, connections_max: usize, shutdown: CancellationToken) {
    let permits = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(REQUEST_HEAD_MAX);
    loop {
        // Those that ended; the semaphore bounds how many can be waiting here.
        while connections.try_join_next().is_some() {}
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((listener.accept().await?.0, permit))
        };
        let (stream, permit) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            },
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(without_delay(stream)), service));
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection failed");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_MAX, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections did not finish in time and are cut");
    }
    connections.shutdown().await;
}

fn without_delay(stream: TcpStream) -> TcpStream {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    stream
}
