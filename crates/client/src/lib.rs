//! Asks the query API: typed questions, typed answers, typed problems.
//!
//! A [`Question`] knows what its answer is; a [`Client`] asks it. Answers are those of `wire`: members that a newer API adds are passed
//! over. What the API refuses is a [`Problem`], whose [`kind`](Problem::kind) a caller can branch on. Nothing here computes.
//!
//! ```no_run
//! # async fn example() -> Result<(), client::Error> {
//! let api = client::Client::new("http://127.0.0.1:8080", None, client::Limits::default())?;
//! let team = "dynamodb".parse().expect("an id");
//! let ranking = api.ask(&client::Question::ranking(&team).with("segment", Some("retail"))).await?;
//! # Ok(()) }
//! ```

mod error;
mod held;
mod pages;
mod question;

pub use error::{Error, Kind, Problem, WrongParameter};
pub use held::{Asked, Held};
pub use pages::Paged;
pub use question::Question;

use std::time::Duration;

use reqwest::{
    Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, IF_NONE_MATCH, RETRY_AFTER},
    redirect,
};
use serde::de::DeserializeOwned;

/// What a client spends on one question.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// An answer later than this, in milliseconds, counts as none. The API gives up itself after 10 s.
    pub answer_ms_max: u64,
    /// A longer body is not an answer of ours: 200 items are some 200 KB.
    pub body_bytes_max: usize,
    /// An API that says when to come back (`Retry-After` of a 429 or 503) is asked again so often.
    pub retries_max: u32,
    /// If it says later than this, in seconds, it is not asked again.
    pub retry_after_s_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { answer_ms_max: 15_000, body_bytes_max: 8 * 1024 * 1024, retries_max: 2, retry_after_s_max: 5 }
    }
}

/// Asks one API. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    api: Url,
    limits: Limits,
}

impl Client {
    /// A client of the API at `api`, such as `http://127.0.0.1:8080`, which shows `key` with every question; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Address`] and [`Error::Key`], when these cannot be what they should be.
    pub fn new(api: &str, key: Option<&str>, limits: Limits) -> Result<Self, Error> {
        let address = || Error::Address { api: api.to_owned() };
        let mut url: Url = api.parse().map_err(|_| address())?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(address());
        }
        url.set_query(None);
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let mut bearer = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| Error::Key)?;
            // So that no log and no panic shows it.
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .timeout(Duration::from_millis(limits.answer_ms_max))
            // The API never sends anybody elsewhere; what does might be after the key.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("flywheel/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| Error::away(api, &cause))?;
        Ok(Self { http, api: url, limits })
    }

    /// The answer to `question`.
    ///
    /// # Errors
    /// When the API cannot be reached, refuses, is not ready, or answers with something else.
    pub async fn ask<T: DeserializeOwned>(&self, question: &Question<T>) -> Result<T, Error> {
        let response = self.fetch(question, None).await?;
        self.read(question, response).await
    }

    /// The API's address.
    #[must_use]
    pub fn api(&self) -> &str {
        self.api.as_str().trim_end_matches('/')
    }

    /// A success or a 304; an API that says when to come back is asked again.
    async fn fetch<T>(&self, question: &Question<T>, etag: Option<&HeaderValue>) -> Result<Response, Error> {
        let mut retries_left = self.limits.retries_max;
        loop {
            let mut request = self.http.get(self.url(question));
            if let Some(etag) = etag {
                request = request.header(IF_NONE_MATCH, etag);
            }
            let response = request.send().await.map_err(|cause| Error::away(self.api(), &cause))?;
            let status = response.status();
            if status.is_success() || status == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            let wait = retry_after(&response).filter(|seconds| *seconds <= self.limits.retry_after_s_max);
            if let Some(seconds) = wait.filter(|_| retries_left > 0) {
                retries_left -= 1;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                continue;
            }
            let body = self.body(response).await?;
            return Err(Error::Refused(Box::new(Problem::read(status.as_u16(), &body))));
        }
    }

    async fn read<T: DeserializeOwned>(&self, question: &Question<T>, response: Response) -> Result<T, Error> {
        let body = self.body(response).await?;
        serde_json::from_slice(&body)
            .map_err(|cause| Error::Unreadable { what: question.what().to_owned(), cause: cause.to_string() })
    }

    fn url<T>(&self, question: &Question<T>) -> Url {
        let mut url = self.api.clone();
        // There are segments: `new` has refused addresses that cannot have any.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(question.segments());
        }
        if !question.parameters().is_empty() {
            url.query_pairs_mut().extend_pairs(question.parameters());
        }
        url
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|cause| Error::away(self.api(), &cause))? {
            if body.len() + chunk.len() > self.limits.body_bytes_max {
                return Err(Error::TooLong { bytes_max: self.limits.body_bytes_max });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// The seconds after which to come back, of an answer that says to.
fn retry_after(response: &Response) -> Option<u64> {
    let again = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&response.status());
    response.headers().get(RETRY_AFTER).filter(|_| again)?.to_str().ok()?.parse().ok()
}
