//! A bare axum handler: the same bytes and headers as the API's answers, from a server with the same settings, and nothing else.
//!
//! It is what the machine, the kernel, hyper and axum allow.

use std::{io::Read as _, net::Ipv4Addr, process::Stdio, sync::Arc};

use anyhow::{Context as _, ensure};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderName, Response, StatusCode},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

use crate::{stand::Exchange, wrk::Asked};

/// As the API has it; and as there, hyper keeps no time.
const READ_BUFFER_BYTES_MAX: usize = 32 * 1024;

/// hyper writes these itself.
const OF_THE_SERVER: [&str; 3] = ["date", "content-length", "connection"];

/// The process with the bare handler; it ends with this.
pub(crate) struct Bare {
    child: Child,
    address: String,
}

impl Bare {
    /// Starts it with these answers.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn start(answers: &[Exchange]) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("bare")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the bare handler")?;
        let mut input = child.stdin.take().context("the bare handler has no input")?;
        input.write_all(&serde_json::to_vec(answers)?).await?;
        drop(input);
        let mut address = String::new();
        let output = child.stdout.take().context("the bare handler has no output")?;
        BufReader::new(output).read_line(&mut address).await?;
        ensure!(!address.is_empty(), "the bare handler did not start");
        Ok(Self { child, address: address.trim().to_owned() })
    }

    /// How to ask for the answer of that number, with the request that the API answered so.
    pub(crate) fn asked(&self, number: usize, headers: &[(String, String)]) -> Asked {
        Asked { url: format!("http://{}/answers/{number}", self.address), headers: headers.to_vec() }
    }

    /// Its process.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.child.id().context("the bare handler has ended")
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// Serves the answers that standard input describes, and says where on standard output.
///
/// # Errors
/// When it cannot.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let mut described = Vec::new();
    std::io::stdin().read_to_end(&mut described)?;
    let described: Vec<Exchange> = serde_json::from_slice(&described)?;
    let answers: Arc<[Answer]> = described.into_iter().map(answer).collect::<Result<_, _>>()?;
    let router = Router::new().route("/answers/{number}", get(tell)).with_state(answers);

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    crate::say(&listener.local_addr()?.to_string());
    let mut http = http1::Builder::new();
    http.max_buf_size(READ_BUFFER_BYTES_MAX).header_read_timeout(None);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        // A client that leaves is none of its business.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn tell(State(answers): State<Arc<[Answer]>>, Path(number): Path<usize>) -> Response<Body> {
    let Some(answer) = answers.get(number) else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers.clone();
    response
}

fn answer(described: Exchange) -> anyhow::Result<Answer> {
    let mut headers = HeaderMap::new();
    for (name, value) in described.headers {
        if !OF_THE_SERVER.contains(&name.as_str()) {
            headers.append(name.parse::<HeaderName>()?, value.parse()?);
        }
    }
    Ok(Answer { status: StatusCode::from_u16(described.status)?, headers, body: Bytes::from(described.body) })
}
