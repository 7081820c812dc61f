//! Everything that the API refuses or fails at, and its one translation into an answer.

use std::collections::BTreeMap;

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};

use crate::problem::Problem;
pub use crate::{problem::ParameterError, withheld::Withheld};

/// Why a request has no answer. The text is what the client reads: it holds nothing that the client did not send or
/// may not know.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such path.
    #[error("there is nothing at this path; /openapi.json lists the paths there are")]
    UnknownPath,
    /// The path is there, the method is not.
    #[error("this path does not take this method; the Allow header names those it takes")]
    MethodNotAllowed,
    /// Nobody knows who asks.
    #[error("this path takes a key: send it as Authorization: Bearer fw_...")]
    Unauthenticated,
    /// The token is of no use.
    #[error("the token is not one of the issuer's for this API, or its time is over; get another from where it came")]
    WrongToken,
    /// Nothing can be said about a token.
    #[error("the token issuer's keys cannot be read now; try again in a second")]
    IssuerAway,
    /// The key is not good for anything. Which of the causes it is, only its holder is to know.
    #[error("the key that was sent is malformed, unknown, expired or revoked")]
    WrongKey,
    /// The keys have not been read yet.
    #[error("the keys have not been read from ClickHouse yet; try again in a second")]
    KeysAway,
    /// The key or token asks too often.
    #[error("a key or token may send {per_s_max} requests in a second; try again in {wait_s} s")]
    TooManyRequests {
        /// How many are taken in a second, on the average.
        per_s_max: u32,
        /// After so many seconds one more is taken.
        wait_s: u64,
    },
    /// The address was wrong too often.
    #[error("too many wrong keys or tokens came from this address; try again in {wait_s} s")]
    TooManyWrongKeys {
        /// After so many seconds a key is looked at again.
        wait_s: u64,
    },
    /// Who asks may not read this.
    #[error("this takes a key with the scope {scope}")]
    Forbidden {
        /// The scope that is missing.
        scope: &'static str,
    },
    /// No ranking of this team is held.
    #[error("there is no team {team:?} with a ranking")]
    UnknownTeam {
        /// The team asked for.
        team: String,
    },
    /// Nobody has heard of this feature.
    #[error("nobody has defined a feature {feature:?} of team {team:?}, asked for it or shown need of it by then")]
    UnknownFeature {
        /// The team asked for.
        team: String,
        /// The feature asked for.
        feature: String,
    },
    /// The team never published this ranking.
    #[error("team {team:?} never published a ranking {snapshot:?}")]
    UnknownSnapshot {
        /// The team asked for.
        team: String,
        /// The snapshot asked for.
        snapshot: String,
    },
    /// The feature has no launch to tell of.
    #[error("team {team:?} has not launched a feature {feature:?} then; the launch of a merged one is its target's")]
    NotLaunched {
        /// The team asked for.
        team: String,
        /// The feature asked for.
        feature: String,
    },
    /// The answer would be made of more than is held at once.
    #[error("the answer would be made of more than {rows_max} {what}, which are not held at once")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        rows_max: u32,
    },
    /// The answer would cost more than one question may.
    #[error("the answer takes more of ClickHouse than one question may: more than {max} {what}")]
    TooCostly {
        /// What it takes too much of.
        what: &'static str,
        /// How much one question may take.
        max: u64,
    },
    /// Parameters of the query or the path are unknown or wrong.
    #[error("{}", sentence(.0))]
    Parameters(Vec<ParameterError>),
    /// The request is for somebody else, or a page of somebody else's sent it.
    #[error(
        "this API does not go by the name in the request's Host; ask for it by its address or as localhost, or see --api-hosts"
    )]
    WrongHost,
    /// The request's target is too long.
    #[error("the path and query may have {bytes_max} bytes together")]
    UriTooLong {
        /// The longest that is taken.
        bytes_max: usize,
    },
    /// The request's headers are too many or too long.
    #[error("a request may have {headers_max} headers of {bytes_max} bytes together, names and values")]
    HeadersTooLarge {
        /// The most that are taken.
        headers_max: usize,
        /// The most bytes that are taken.
        bytes_max: usize,
    },
    /// The request has a body that is too long.
    #[error("a request's body may have {bytes_max} bytes; no path here reads one")]
    BodyTooLarge {
        /// The longest that is taken.
        bytes_max: u64,
    },
    /// The rankings are still being read.
    #[error("the rankings are still being read from Kafka; try again in a second")]
    Loading,
    /// Too few accounts: the numbers could be those of one customer.
    #[error(transparent)]
    Withheld(Withheld),
    /// What the answer is computed from cannot be read now.
    #[error("the answer is computed from ClickHouse, which cannot be read now; try again in a second")]
    HistoryAway,
    /// Who reads what cannot be written down, so nothing is told.
    #[error(
        "who reads personal text is written to the audit log first, which cannot be written now; try again in a second"
    )]
    AuditAway,
    /// Some part of the process cannot do its work.
    #[error("not ready: {}", names(.0))]
    Unready(BTreeMap<&'static str, String>),
    /// Too many requests at once.
    #[error("too many requests are under way; try again in a second")]
    Overloaded,
    /// The reader takes none of the forms that the answer has.
    #[error("this path answers in {types}; Accept takes none of them")]
    NotAcceptable {
        /// The media types that there are.
        types: &'static str,
    },
    /// Too many streams at once.
    #[error("too many streams are open; try again in a second, or ask for the ranking instead")]
    TooManyStreams,
    /// Too many streams of one key, or of one bearer of tokens.
    #[error(
        "{streams_max} streams are open with this key, as many as may be; close one, or ask for the ranking instead"
    )]
    TooManyStreamsOfKey {
        /// So many may be open at once.
        streams_max: usize,
    },
    /// The answer took too long.
    #[error("no answer was ready within {ms_max} ms")]
    Timeout {
        /// The time that an answer may take, in milliseconds.
        ms_max: u64,
    },
    /// ClickHouse took too long.
    #[error("the answer could not be computed from ClickHouse in the time that a request has; ask for less, or later")]
    TooSlow,
    /// A fault of ours; its cause has been logged.
    #[error("the request failed through no fault of its own; the log tells more under its request_id")]
    Internal,
}

impl Error {
    /// Logs the cause of a fault of ours, which the client does not get to see.
    pub(crate) fn internal(cause: impl std::error::Error) -> Self {
        tracing::error!(error = %cause, "request failed");
        Self::Internal
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.kind().0
    }

    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::UnknownPath => (StatusCode::NOT_FOUND, "unknown-path", "Unknown path"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "Unauthenticated"),
            Self::WrongToken => (StatusCode::UNAUTHORIZED, "wrong-token", "Wrong token"),
            Self::IssuerAway => (StatusCode::SERVICE_UNAVAILABLE, "issuer-away", "Issuer away"),
            Self::WrongKey => (StatusCode::UNAUTHORIZED, "wrong-key", "Wrong key"),
            Self::KeysAway => (StatusCode::SERVICE_UNAVAILABLE, "keys-away", "Keys away"),
            Self::TooManyRequests { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests"),
            Self::TooManyWrongKeys { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-wrong-keys", "Too many wrong keys")
            }
            Self::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden", "Forbidden"),
            Self::UnknownTeam { .. } => (StatusCode::NOT_FOUND, "unknown-team", "Unknown team"),
            Self::UnknownFeature { .. } => (StatusCode::NOT_FOUND, "unknown-feature", "Unknown feature"),
            Self::NotLaunched { .. } => (StatusCode::NOT_FOUND, "not-launched", "Not launched"),
            Self::TooMuch { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "too-much", "Too much"),
            Self::TooCostly { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "too-costly", "Too costly"),
            Self::UnknownSnapshot { .. } => (StatusCode::NOT_FOUND, "unknown-snapshot", "Unknown snapshot"),
            Self::Parameters(_) => (StatusCode::BAD_REQUEST, "invalid-parameters", "Invalid parameters"),
            Self::WrongHost => (StatusCode::MISDIRECTED_REQUEST, "wrong-host", "Wrong host"),
            Self::UriTooLong { .. } => (StatusCode::URI_TOO_LONG, "uri-too-long", "URI too long"),
            Self::HeadersTooLarge { .. } => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", "Headers too large")
            }
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large"),
            Self::Loading => (StatusCode::SERVICE_UNAVAILABLE, "loading", "Still loading"),
            Self::Withheld(_) => (StatusCode::FORBIDDEN, "withheld", "Withheld"),
            Self::HistoryAway => (StatusCode::SERVICE_UNAVAILABLE, "history-away", "History away"),
            Self::AuditAway => (StatusCode::SERVICE_UNAVAILABLE, "audit-away", "Audit away"),
            Self::Unready(_) => (StatusCode::SERVICE_UNAVAILABLE, "unready", "Not ready"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded"),
            Self::NotAcceptable { .. } => (StatusCode::NOT_ACCEPTABLE, "not-acceptable", "Not acceptable"),
            Self::TooManyStreams => (StatusCode::SERVICE_UNAVAILABLE, "too-many-streams", "Too many streams"),
            Self::TooManyStreamsOfKey { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-streams-of-key", "Too many streams of this key")
            }
            Self::Timeout { .. } => (StatusCode::GATEWAY_TIMEOUT, "timeout", "Timed out"),
            Self::TooSlow => (StatusCode::GATEWAY_TIMEOUT, "timeout", "Timed out"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }

    pub(crate) fn problem(&self) -> Problem {
        let (status, name, title) = self.kind();
        Problem {
            r#type: format!("urn:flywheel:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: self.to_string(),
            instance: None,
            request_id: None,
            errors: if let Self::Parameters(errors) = self { errors.clone() } else { Vec::new() },
            unready: if let Self::Unready(parts) = self {
                parts.iter().map(|(part, why)| ((*part).to_owned(), why.clone())).collect()
            } else {
                BTreeMap::new()
            },
        }
    }
}

impl IntoResponse for Error {
    /// The answer without its body: `envelope` knows the request and writes it.
    fn into_response(self) -> Response {
        let problem = self.problem();
        let (status, ..) = self.kind();
        let mut response = status.into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthenticated => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="flywheel""#));
            }
            // RFC 6750.
            Self::WrongKey | Self::WrongToken => {
                let challenge = r#"Bearer realm="flywheel", error="invalid_token""#;
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::TooManyRequests { per_s_max, wait_s } => {
                headers.insert(RETRY_AFTER, wait_s.into());
                headers.insert("x-ratelimit-limit", per_s_max.into());
                headers.insert("x-ratelimit-remaining", HeaderValue::from_static("0"));
                headers.insert("x-ratelimit-reset", wait_s.into());
            }
            Self::TooManyWrongKeys { wait_s } => {
                headers.insert(RETRY_AFTER, wait_s.into());
            }
            _ if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response.extensions_mut().insert(problem);
        response
    }
}

fn sentence(errors: &[ParameterError]) -> String {
    let each: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.parameter, error.detail)).collect();
    each.join("; ")
}

fn names(parts: &BTreeMap<&'static str, String>) -> String {
    let each: Vec<String> = parts.iter().map(|(part, why)| format!("{part} ({why})")).collect();
    each.join(", ")
}
