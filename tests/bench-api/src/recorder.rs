//! Between an API and ClickHouse: passes everything on and keeps what was asked, so that it can be asked again.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    response::Response,
};
use tokio::{net::TcpListener, task::JoinHandle};

const BODY_BYTES_MAX: usize = 64 << 20;
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Of a connection, not of what it carries.
const OF_CONNECTIONS: [HeaderName; 4] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

/// A statement as it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
    began: Instant,
    ended: Instant,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) url: String,
    heard: Arc<Heard>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Heard {
    clickhouse: String,
    http: reqwest::Client,
    statements: Mutex<Vec<Statement>>,
}

impl Recorder {
    /// Before the ClickHouse at this address.
    ///
    /// # Errors
    /// When no port can be bound.
    pub(crate) async fn start(clickhouse: &str) -> anyhow::Result<Self> {
        let heard =
            Arc::new(Heard { clickhouse: clickhouse.to_owned(), http: client()?, statements: Mutex::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(pass).with_state(Arc::clone(&heard));
        // It ends with the recorder.
        let server = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { url, heard, server })
    }

    /// What was asked since the last time, in the order in which it began.
    pub(crate) fn take(&self) -> Vec<Statement> {
        let mut statements = std::mem::take(&mut *self.heard.statements.lock().unwrap_or_else(PoisonError::into_inner));
        statements.sort_by_key(|statement| statement.began);
        statements
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// As the API's own client: connections are kept.
pub(crate) fn client() -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder().timeout(ANSWER_MAX).tcp_nodelay(true).build().context("cannot make an HTTP client")
}

impl Statement {
    /// Whether it was asked only after the other one was answered.
    pub(crate) fn waited_for(&self, other: &Self) -> bool {
        other.ended <= self.began
    }

    /// Asks it again, and reads the whole answer.
    ///
    /// # Errors
    /// When ClickHouse refuses it.
    pub(crate) async fn ask(&self, http: &reqwest::Client, clickhouse: &str) -> anyhow::Result<()> {
        let answer = self.send(http, clickhouse).await?;
        ensure!(answer.status().is_success(), "ClickHouse refuses what it answered before: {}", answer.text().await?);
        answer.bytes().await?;
        Ok(())
    }

    async fn send(&self, http: &reqwest::Client, clickhouse: &str) -> reqwest::Result<reqwest::Response> {
        let request = http.request(self.method.clone(), format!("{clickhouse}{}", self.target));
        request.headers(self.headers.clone()).body(self.body.clone()).send().await
    }
}

async fn pass(State(heard): State<Arc<Heard>>, request: Request) -> Response {
    heard.pass(request).await.unwrap_or_else(|error| {
        let mut response = Response::new(Body::from(format!("{error:#}")));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    })
}

impl Heard {
    async fn pass(&self, request: Request) -> anyhow::Result<Response> {
        let began = Instant::now();
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        OF_CONNECTIONS.iter().for_each(|name| drop(headers.remove(name)));
        let mut statement = Statement {
            method: parts.method,
            target: parts.uri.to_string(),
            headers,
            body: to_bytes(body, BODY_BYTES_MAX).await?,
            began,
            ended: began,
        };
        let answer = statement.send(&self.http, &self.clickhouse).await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        OF_CONNECTIONS.iter().for_each(|name| drop(headers.remove(name)));
        let body = answer.bytes().await?;
        statement.ended = Instant::now();
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).push(statement);
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}
