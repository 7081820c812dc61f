//! The errors of every path as the OpenAPI document describes them, with the very bodies that are sent.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses, ToSchema,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, example::ExampleBuilder},
};

use super::Problem;
use crate::{
    access::{AccessConfig, scope::EVIDENCE},
    error::{Error, ParameterError, Withheld},
    history::BOUNDS,
    withheld::ACCOUNTS_SHOWN_MIN,
};

/// What any path may answer.
pub(crate) struct Always;

/// [`Always`], and that some part is not ready.
pub(crate) struct WhenUnready;

/// Errors of a list.
pub(crate) struct OfList;

/// Errors of a team's ranking.
pub(crate) struct OfRanking;

/// Errors of a team's snapshot.
pub(crate) struct OfSnapshot;

/// Errors of a stream.
pub(crate) struct OfStream;

/// Errors of a diff.
pub(crate) struct OfDiff;

/// Errors of a team's feature.
pub(crate) struct OfFeature;

/// Errors of a feature's history.
pub(crate) struct OfHistory;

/// Errors of an outcome.
pub(crate) struct OfOutcome;

/// Errors of the portfolio.
pub(crate) struct OfPortfolio;

/// Errors of the dead letters.
pub(crate) struct OfDeadLetters;

/// Responses by status.
pub(crate) type Responses = BTreeMap<String, RefOr<Response>>;

impl IntoResponses for Always {
    fn responses() -> Responses {
        describe(always())
    }
}

impl IntoResponses for WhenUnready {
    fn responses() -> Responses {
        let parts = BTreeMap::from([("api", "Kafka does not answer".to_owned())]);
        describe(always().into_iter().chain([Error::Unready(parts)]))
    }
}

impl IntoResponses for OfList {
    fn responses() -> Responses {
        let wrong = wrong("limit", "takes a whole number from 1 to 200");
        describe(always().into_iter().chain([Error::Loading, wrong, not_acceptable()]))
    }
}

impl IntoResponses for OfRanking {
    fn responses() -> Responses {
        describe(always().into_iter().chain(of_history()).chain([in_future("as_of"), unknown_team(), withheld()]))
    }
}

impl IntoResponses for OfStream {
    fn responses() -> Responses {
        let unknown = wrong("limit", "is not a parameter of this path; there are none here");
        let not_acceptable = Error::NotAcceptable { types: "text/event-stream" };
        let of_key = Error::TooManyStreamsOfKey { streams_max: AccessConfig::default().key_streams_max };
        let errors = [Error::Loading, unknown, unknown_team(), not_acceptable, Error::TooManyStreams, of_key];
        describe(always().into_iter().chain(errors))
    }
}

impl IntoResponses for OfDiff {
    fn responses() -> Responses {
        let too_much = too_much("accounts", ::store::COMPARISON_ROWS_MAX);
        let errors = [in_future("from"), unknown_team(), withheld(), too_much];
        describe(always().into_iter().chain(of_history()).chain(errors))
    }
}

impl IntoResponses for OfOutcome {
    fn responses() -> Responses {
        let not_launched = Error::NotLaunched { team: "dynamodb".to_owned(), feature: "multi-region".to_owned() };
        let errors = [in_future("as_of"), unknown_team(), not_launched];
        describe(always().into_iter().chain(of_history()).chain(errors))
    }
}

impl IntoResponses for OfPortfolio {
    fn responses() -> Responses {
        let too_much = too_much("teams", ::store::PORTFOLIO_TEAMS_MAX);
        describe(always().into_iter().chain(of_history()).chain([in_future("as_of"), too_much]))
    }
}

impl IntoResponses for OfDeadLetters {
    fn responses() -> Responses {
        let [_, away, too_costly, ..] = of_history();
        let errors =
            [away, Error::AuditAway, too_costly, wrong("since", "takes an RFC 3339 time such as 2026-01-31T12:00:00Z")];
        describe(always().into_iter().chain(errors))
    }
}

impl IntoResponses for OfSnapshot {
    fn responses() -> Responses {
        let snapshot = Error::UnknownSnapshot {
            team: "dynamodb".to_owned(),
            snapshot: "20261121T180000Z-000000000000".to_owned(),
        };
        describe(always().into_iter().chain([
            Error::Loading,
            Error::HistoryAway,
            wrong("as_of", "is not a parameter of this path; there are limit and cursor"),
            unknown_team(),
            snapshot,
            Error::TooCostly { what: "rows to read", max: BOUNDS.rows_read_max },
            not_acceptable(),
        ]))
    }
}

impl IntoResponses for OfFeature {
    fn responses() -> Responses {
        let feature = Error::UnknownFeature { team: "dynamodb".to_owned(), feature: "teleport".to_owned() };
        let too_much = too_much("segments", ::store::SEGMENT_ROWS_MAX);
        let texts = [Error::Forbidden { scope: EVIDENCE }, Error::AuditAway];
        let errors = [in_future("as_of"), unknown_team(), feature, too_much].into_iter().chain(texts);
        describe(always().into_iter().chain(of_history()).chain(errors))
    }
}

impl IntoResponses for OfHistory {
    fn responses() -> Responses {
        describe(
            always().into_iter().chain(of_history()).chain([wrong("from", "from must be before to"), unknown_team()]),
        )
    }
}

/// What any answer that is computed may fail at.
fn of_history() -> [Error; 5] {
    let silent = "has not reported yet how far it has read every partition".to_owned();
    let too_costly = Error::TooCostly { what: "rows to read", max: BOUNDS.rows_read_max };
    [
        Error::Loading,
        Error::HistoryAway,
        too_costly,
        Error::Unready(BTreeMap::from([("ingest", silent)])),
        not_acceptable(),
    ]
}

fn not_acceptable() -> Error {
    Error::NotAcceptable { types: crate::answer::TYPES }
}

fn withheld() -> Error {
    Error::Withheld(Withheld::Segment { segment: "retail".to_owned(), accounts_min: ACCOUNTS_SHOWN_MIN })
}

fn too_much(what: &'static str, rows_max: u32) -> Error {
    Error::TooMuch { what, rows_max }
}

fn in_future(parameter: &str) -> Error {
    wrong(parameter, "is in the future: it is 2026-11-21T18:00:00Z now")
}

fn unknown_team() -> Error {
    Error::UnknownTeam { team: "dynamo".to_owned() }
}

fn always() -> [Error; 7] {
    [
        Error::WrongHost,
        Error::BodyTooLarge { bytes_max: 65_536 },
        Error::UriTooLong { bytes_max: 8_192 },
        Error::HeadersTooLarge { headers_max: 64, bytes_max: 16_384 },
        Error::Internal,
        Error::Overloaded,
        Error::Timeout { ms_max: 10_000 },
    ]
}

fn wrong(parameter: &str, detail: &str) -> Error {
    Error::Parameters(vec![ParameterError { parameter: parameter.to_owned(), detail: detail.to_owned() }])
}

/// One response for each status, with an example for each kind of problem.
pub(crate) fn describe(errors: impl IntoIterator<Item = Error>) -> Responses {
    let mut by_status: BTreeMap<u16, Vec<Problem>> = BTreeMap::new();
    for error in errors {
        let problem =
            Problem { request_id: Some("0199aa3e-7c00-7a51-b5a0-3f1f0c0a9d12".to_owned()), ..error.problem() };
        by_status.entry(problem.status).or_default().push(problem);
    }
    let described = by_status.into_iter().map(|(status, problems)| (status.to_string(), response(&problems).into()));
    described.collect()
}

fn response(problems: &[Problem]) -> Response {
    let titles: Vec<&str> = problems.iter().map(|problem| problem.title).collect();
    let examples = problems.iter().map(|problem| {
        let name = problem.r#type.trim_start_matches("urn:flywheel:problem:").to_owned();
        (name, ExampleBuilder::new().summary(problem.title).value(serde_json::to_value(problem).ok()).build())
    });
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).examples_from_iter(examples).build();
    ResponseBuilder::new().description(titles.join(" or ")).content("application/problem+json", content).build()
}
