//! The one question this tool asks of the API.

use std::time::Duration;

use anyhow::{Context, ensure};
use domain::ids::TeamId;
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use wire::ranking::Ranking;

/// An answer later than this counts as none.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// A longer body is not a ranking of ours: 200 items are some 200 KB.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The longest page that the API gives.
const ITEMS_MAX: usize = 200;

/// What came of asking.
pub(super) enum Answer {
    /// The ranking.
    Ranking(Box<Ranking>),
    /// The API does not know the team, or has no ranking of it yet.
    Unknown(String),
    /// The API cannot be reached or is not ready.
    Away(String),
    /// The API will not answer this however often it is asked.
    Refused(String),
}

/// Asks one API for one team's ranking.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    api: String,
    team: String,
}

impl Client {
    /// A client for `team` at `api`; nothing is sent yet.
    pub(super) fn new(api: &str, team: &str) -> anyhow::Result<Self> {
        TeamId::parse(team).with_context(|| format!("`{team}` is not a team id"))?;
        let url = format!("{}/v1/teams/{team}/rankings?limit={ITEMS_MAX}", api.trim_end_matches('/'));
        let url: Url =
            url.parse().with_context(|| format!("--api {api} is not an address such as http://127.0.0.1:8080"))?;
        ensure!(matches!(url.scheme(), "http" | "https"), "--api {api} must begin with http:// or https://");
        let http = reqwest::Client::builder()
            .timeout(ANSWER_MAX)
            .user_agent(concat!("flywheel/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { http, url, api: api.to_owned(), team: team.to_owned() })
    }

    /// Asks once.
    pub(super) async fn ask(&self) -> Answer {
        let (status, body) = match self.fetch().await {
            Ok(answer) => answer,
            Err(error) => {
                return Answer::Away(format!("the API at {} does not answer: {}", self.api, root_cause(&error)));
            }
        };
        match status {
            StatusCode::OK => match serde_json::from_slice(&body) {
                Ok(ranking) => Answer::Ranking(Box::new(ranking)),
                Err(error) => Answer::Refused(format!("the answer of {} is not a ranking: {error}", self.api)),
            },
            StatusCode::NOT_FOUND => {
                Answer::Unknown(format!("the API at {} has no ranking of team `{}` yet", self.api, self.team))
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Answer::Away(format!("the API at {} is not ready: {}", self.api, reason(status, &body)))
            }
            status => Answer::Refused(format!("the API at {} refused: {}", self.api, reason(status, &body))),
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
