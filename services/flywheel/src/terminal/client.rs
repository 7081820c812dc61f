//! Asks one API one question.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::{StatusCode, Url};
use serde::{Deserialize, de::DeserializeOwned};

use super::Question;

/// An answer later than this counts as none: the API gives up itself after 10 s.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// A longer body is not an answer of ours: 200 items are some 200 KB.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What came of asking.
pub(super) enum Answer<T> {
    /// The answer.
    Found(Box<T>),
    /// The API knows no answer, or has none yet.
    Unknown(String),
    /// The API cannot be reached or is not ready.
    Away(String),
    /// The API will not answer this however often it is asked.
    Refused(String),
}

/// Asks one API one question.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    api: String,
    what: String,
}

impl Client {
    /// A client for `question` at `api`; nothing is sent yet.
    pub(super) fn new(api: &str, question: Question) -> anyhow::Result<Self> {
        let url = format!("{}{}", api.trim_end_matches('/'), question.path);
        let mut url: Url =
            url.parse().with_context(|| format!("--api {api} is not an address such as http://127.0.0.1:8080"))?;
        ensure!(matches!(url.scheme(), "http" | "https"), "--api {api} must begin with http:// or https://");
        if !question.parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(&question.parameters);
        }
        let http = reqwest::Client::builder()
            .timeout(ANSWER_MAX)
            .user_agent(concat!("flywheel/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { http, url, api: api.to_owned(), what: question.what })
    }

    /// Asks once.
    pub(super) async fn ask<T: DeserializeOwned>(&self) -> Answer<T> {
        let Self { api, what, .. } = self;
        let (status, body) = match self.fetch().await {
            Ok(answer) => answer,
            Err(error) => {
                return Answer::Away(format!("the API at {api} does not answer: {}", root_cause(&error)));
            }
        };
        let why = || reason(status, &body);
        match status {
            StatusCode::OK => match serde_json::from_slice(&body) {
                Ok(answer) => Answer::Found(Box::new(answer)),
                Err(error) => Answer::Refused(format!("the answer of {api} is not a {what}: {error}")),
            },
            StatusCode::NOT_FOUND => Answer::Unknown(format!("the API at {api} has no {what} yet: {}", why())),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Answer::Away(format!("the API at {api} is not ready: {}", why()))
            }
            _ => Answer::Refused(format!("the API at {api} refused: {}", why())),
        }
    }

    async fn fetch(&self) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let mut response = self.http.get(self.url.clone()).send().await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            ensure!(body.len() <= BODY_BYTES_MAX, "the answer is longer than {BODY_BYTES_MAX} bytes");
        }
        Ok((response.status(), body))
    }
}

/// The innermost cause: "connection refused" rather than "error sending request".
fn root_cause(error: &anyhow::Error) -> String {
    error.root_cause().to_string()
}

fn reason(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        title: Option<String>,
        detail: Option<String>,
    }
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    problem.and_then(|p| p.detail.or(p.title)).unwrap_or_else(|| status.to_string())
}
