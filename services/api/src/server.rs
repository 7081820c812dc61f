//! The HTTP/1.1 server: a seat for so many connections, each with deadlines for its own side of the conversation, and a
//! graceful end.
//!
//! Nobody can hold a seat by doing nothing. A connection on which nothing is being answered (idle, in the middle of a
//! request's head, in a TLS handshake) makes room for a new one when all seats are taken, the longest such first; so does
//! one whose client does not take its answer. There is no limit per address: behind a balancer all clients have one.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{HeaderValue, header::STRICT_TRANSPORT_SECURITY},
    middleware::map_response,
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1, service::HttpService};
use hyper_util::{
    rt::TokioIo,
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_util::sync::CancellationToken;

use crate::{
    ApiConfig,
    access::oidc::Tokens,
    router::{self, AppState},
    tls::Certificate,
};

mod answered;
mod refusal;
mod seat;
mod seats;
mod socket;
mod watched;

use answered::Answer;
use refusal::Refusals;
use seat::{Patience, Seat};
use seats::Seats;
use watched::Watched;

/// A request's head that does not fit into this is refused without a body (431), and memory for a connection's unread bytes
/// ends here. Larger than what [`limits`](crate::limits) lets through, so that most who send too much are told so in full.
const READ_BUFFER_BYTES_MAX: usize = 32 * 1024;

/// The accept loop rests this long when the process is out of files or the like.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// On shutdown the requests under way get this long.
const DRAIN_MAX: Duration = Duration::from_secs(12);

/// On shutdown a request's head that has begun gets this long.
const DRAIN_HEAD_MAX: Duration = Duration::from_secs(2);

/// Browsers that have been here over TLS do not come without it for so long.
const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Serves the API until `shutdown`; then ends streams, lets the requests under way finish and cuts what does not. A
/// connection that fails takes nothing with it.
///
/// # Errors
/// When the certificate or the configuration of tokens cannot be used.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    config: &ApiConfig,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let tokens = Tokens::new(&config.oidc)?;
    let state = state.stopping(shutdown.clone()).taking(tokens.clone());
    let mut router = router::router(state, config);
    let mut certificate = None;
    if let (Some(cert), Some(key)) = (config.tls_cert.clone(), config.tls_key.clone()) {
        certificate = Some(Arc::new(Certificate::load(cert, key).await?));
        router = router.layer(map_response(async |mut response: Response| {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, TLS_ONLY);
            response
        }));
    }
    let kept = certificate.clone();
    let keep_certificate = async {
        match kept {
            Some(certificate) => certificate.follow().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = accept(listener, router, certificate, config, shutdown) => {}
        () = keep_certificate => {}
        () = tokens.follow() => {}
    }
    Ok(())
}

async fn accept(
    listener: TcpListener,
    router: Router,
    certificate: Option<Arc<Certificate>>,
    config: &ApiConfig,
    shutdown: CancellationToken,
) {
    let mut seats = Seats::new(config.connections_max, Patience::of(config));
    let mut refusals = Refusals::default();
    let graceful = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            () = shutdown.cancelled() => break,
            () = seats.keep() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, connections = seats.len(), "cannot accept a connection");
                    // If it is for want of files, those of somebody who does nothing are the ones to close.
                    seats.free(1);
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            },
        };
        if !seats.has_room() {
            // Over TLS it would take a handshake to say so.
            if certificate.is_none() {
                refusals.tell(stream);
            }
            continue;
        }
        socket::prepare(&stream);
        let seat = Seat::new();
        let service = answered::service(router.clone(), Arc::clone(&seat), peer);
        let (watcher, of) = (graceful.watcher(), Arc::clone(&seat));
        match certificate.as_ref().map(|certificate| certificate.acceptor()) {
            None => seats.seat(seat, converse(stream, of, service, watcher)),
            // The handshake is a part of the first request's head: it has the same deadline, and makes room as readily.
            Some(acceptor) => seats.seat(seat, async move {
                match acceptor.accept(stream).await {
                    Ok(stream) => converse(stream, of, service, watcher).await,
                    Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
                }
            }),
        }
    }
    drop(listener);
    seats.hurry(DRAIN_HEAD_MAX);
    let ended = async { tokio::join!(graceful.shutdown(), seats.all_ended()) };
    if tokio::time::timeout(DRAIN_MAX, ended).await.is_err() {
        tracing::warn!(connections = seats.len(), "connections did not finish in time and are cut");
    }
}

/// Reads requests and answers them until either side has enough.
async fn converse<T, S>(stream: T, seat: Arc<Seat>, service: S, graceful: Watcher)
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    S: HttpService<Incoming, ResBody = Answer, Error = Infallible>,
{
    let mut http = http1::Builder::new();
    // The seat keeps the time: hyper's own would start a timer for every request, and cannot tell idle from slow.
    http.max_buf_size(READ_BUFFER_BYTES_MAX).header_read_timeout(None);
    let connection = http.serve_connection(TokioIo::new(Watched::new(stream, seat)), service);
    if let Err(error) = graceful.watch(connection).await {
        tracing::debug!(%error, "a connection failed");
    }
}
