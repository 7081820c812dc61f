//! Why a question has no answer.

use std::fmt;

use serde::Deserialize;

/// Why a question has no answer. No text here has the key in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API's address is none.
    #[error("{api:?} is not an address such as http://127.0.0.1:8080")]
    Address {
        /// What was given.
        api: String,
    },
    /// The key cannot be sent.
    #[error("the key has characters that no key has")]
    Key,
    /// Nobody answers, or not in time.
    #[error("the API at {api} does not answer: {why}")]
    Away {
        /// The API's address.
        api: String,
        /// The innermost cause: "connection refused" rather than "error sending request".
        why: String,
    },
    /// The API says why not.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The answer is not what was asked for.
    #[error("the answer is not a {what}: {cause}")]
    Unreadable {
        /// What was asked for.
        what: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The answer is longer than any of ours.
    #[error("the answer is longer than {bytes_max} bytes")]
    TooLong {
        /// The longest that is read.
        bytes_max: usize,
    },
}

/// What the API says is wrong: RFC 9457, as `docs/api.md` has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// Which kind of problem it is; see [`Self::kind`].
    pub r#type: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time and what to do about it.
    pub detail: String,
    /// The request's id, which the API's logs carry too.
    pub request_id: Option<String>,
    /// Each wrong parameter, where parameters are what is wrong.
    pub errors: Vec<WrongParameter>,
}

/// One wrong parameter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct WrongParameter {
    /// The parameter's name.
    pub parameter: String,
    /// What it takes.
    pub detail: String,
}

/// What kind of problem it is, as far as this client knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Who asks is unknown, or may not.
    Denied,
    /// What is asked about is not there, or not there yet.
    Unknown,
    /// The question is wrong.
    Invalid,
    /// The API cannot answer now, but may be able to later.
    NotNow,
    /// Anything else; a newer API may have other kinds.
    Other,
}

impl Error {
    pub(crate) fn away(api: &str, cause: &reqwest::Error) -> Self {
        let mut innermost: &dyn std::error::Error = cause;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self::Away { api: api.to_owned(), why: innermost.to_string() }
    }

    /// The kind of the problem, if the API said one.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        if let Self::Refused(problem) = self { Some(problem.kind()) } else { None }
    }
}

impl Problem {
    /// What is in the body; something between us and the API may have answered in words of its own.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let problem: Self = serde_json::from_slice(body).unwrap_or_default();
        Self { status, ..problem }
    }

    /// What to make of it. The `type` says more, and the status is enough for this.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.status {
            401 | 403 => Kind::Denied,
            404 => Kind::Unknown,
            400 | 422 => Kind::Invalid,
            429 | 500..=599 => Kind::NotNow,
            _ => Kind::Other,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match [&self.detail, &self.title].into_iter().find(|words| !words.is_empty()) {
            Some(words) => f.write_str(words),
            None => write!(f, "HTTP status {}", self.status),
        }
    }
}
