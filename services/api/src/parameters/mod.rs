//! What a request's path and query say, checked. Whatever is unknown or wrong is named, all of it at once.

pub(crate) mod dead_letters;
pub(crate) mod instants;
pub(crate) mod ranking;

use std::{borrow::Cow, str::FromStr};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use domain::{
    ids::{FeatureId, InvalidId, TeamId},
    time::Timestamp,
};
use smallvec::SmallVec;
use utoipa::IntoParams;

use crate::{
    answer::format::Format,
    cursor::{Cursor, Sealed},
    error::{Error, ParameterError},
    page,
};

/// The team in the path.
#[derive(Debug)]
pub(crate) struct Team(pub(crate) TeamId);

/// The team and the feature in the path.
#[derive(Debug)]
pub(crate) struct TeamFeature(pub(crate) TeamId, pub(crate) FeatureId);

/// The team and the snapshot in the path.
#[derive(Debug)]
pub(crate) struct TeamSnapshot(pub(crate) TeamId, pub(crate) String);

/// The query of a list.
#[derive(Debug)]
pub(crate) struct PageQuery {
    pub(crate) limit: usize,
    pub(crate) cursor: Option<Sealed>,
}

/// A query that takes no parameters.
#[derive(Debug)]
pub(crate) struct NoQuery;

/// How [`Team`] is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct TeamParams {
    /// The team's id.
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", example = "dynamodb")]
    team: String,
}

/// How [`TeamFeature`] is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct TeamFeatureParams {
    /// The team's id.
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", example = "dynamodb")]
    team: String,
    /// The feature's id.
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", example = "secondary-indexes")]
    feature: String,
}

/// How [`TeamSnapshot`] is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct TeamSnapshotParams {
    /// The team's id.
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", example = "dynamodb")]
    team: String,
    /// The snapshot's id, as a ranking gives it.
    #[param(max_length = 128, example = "20261121T180000Z-3f1f0c0a9d11")]
    snapshot: String,
}

/// How the form of an answer is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct FormatParams {
    /// The form of the answer, whatever `Accept` says: `json` is the document; `csv`, `ndjson` and `rows` (an array of flat
    /// objects) have a row for each entry of its list.
    #[param(inline)]
    format: Option<FormatName>,
}

/// What a query calls the forms of an answer.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its description is used")]
enum FormatName {
    Json,
    Csv,
    Ndjson,
    Rows,
}

/// How [`PageQuery`] is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct PageParams {
    /// The page holds at most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before; without it the first page is given.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Team {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let params = path(parts, state, &["team"]).await?;
        Ok(Self(id("team", named(&params, "team")?).map_err(|error| Error::Parameters(vec![error]))?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TeamFeature {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let params = path(parts, state, &["team", "feature"]).await?;
        match (id("team", named(&params, "team")?), id("feature", named(&params, "feature")?)) {
            (Ok(team), Ok(feature)) => Ok(Self(team, feature)),
            (team, feature) => Err(Error::Parameters(team.err().into_iter().chain(feature.err()).collect())),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TeamSnapshot {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let params = path(parts, state, &["team", "snapshot"]).await?;
        let team = id("team", named(&params, "team")?).map_err(|error| Error::Parameters(vec![error]))?;
        Ok(Self(team, named(&params, "snapshot")?.to_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Query::of(parts).finish()?;
        Ok(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        // The hot path: nothing to read.
        if parts.uri.query().is_none() {
            return Ok(Self { limit: page::ITEMS_DEFAULT, cursor: None });
        }
        let mut query = Query::of_answer(parts);
        let limit = query.take("limit", limit).unwrap_or(page::ITEMS_DEFAULT);
        let cursor = query.take("cursor", cursor);
        query.finish()?;
        Ok(Self { limit, cursor })
    }
}

const FOREIGN_CURSOR: &str = "takes the `next_cursor` of a page of this list, as it came";

/// The cursor is not one of this list.
pub(crate) fn foreign_cursor() -> Error {
    cursor_error(FOREIGN_CURSOR)
}

/// The cursor was one of this list once.
pub(crate) fn expired_cursor() -> Error {
    cursor_error("pages through a snapshot that is no longer held; start again without a cursor")
}

fn cursor_error(detail: &str) -> Error {
    Error::Parameters(vec![ParameterError { parameter: "cursor".to_owned(), detail: detail.to_owned() }])
}

fn cursor(text: &str) -> Result<Sealed, String> {
    Cursor::decode(text).ok_or_else(|| FOREIGN_CURSOR.to_owned())
}

/// An instant. Whether it is in the future is for the clock to say.
fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).map_err(|_| {
        "takes an RFC 3339 time such as 2026-01-31T12:00:00Z (the + of an offset is written %2B in a query)".to_owned()
    })
}

/// A finite number.
fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| "takes a number".to_owned())
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=page::ITEMS_MAX).contains(limit));
    limit.ok_or_else(|| format!("takes a whole number from 1 to {}", page::ITEMS_MAX))
}

/// The parameters of the path, which the router has matched already; only their encoding can be wrong.
async fn path<S: Send + Sync>(parts: &mut Parts, state: &S, names: &[&str]) -> Result<RawPathParams, Error> {
    RawPathParams::from_request_parts(parts, state).await.map_err(|_| {
        let detail = "is not percent-encoded UTF-8".to_owned();
        Error::Parameters(vec![ParameterError { parameter: names.join(", "), detail }])
    })
}

/// One of them.
fn named<'a>(params: &'a RawPathParams, name: &str) -> Result<&'a str, Error> {
    params.iter().find(|(given, _)| *given == name).map(|(_, value)| value).ok_or(Error::UnknownPath)
}

fn id<T: FromStr<Err = InvalidId>>(parameter: &str, text: &str) -> Result<T, ParameterError> {
    text.parse()
        .map_err(|error| ParameterError { parameter: parameter.to_owned(), detail: format!("{text:?} is {error}") })
}

/// So much that is wrong with a query is told; of more, how much.
const ERRORS_TOLD_MAX: usize = 20;

/// The parameters of a query, taken one by one; what is left when all are taken is unknown.
struct Query<'a> {
    given: SmallVec<[(Cow<'a, str>, Cow<'a, str>); GIVEN_EXPECTED]>,
    accepted: SmallVec<[&'static str; ACCEPTED_EXPECTED]>,
    errors: Vec<ParameterError>,
}

/// So many parameters are given at most in what is asked in earnest.
const GIVEN_EXPECTED: usize = 4;

/// So many have most paths at most.
const ACCEPTED_EXPECTED: usize = 16;

impl<'a> Query<'a> {
    fn of(parts: &'a Parts) -> Self {
        let given = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).collect();
        Self { given, accepted: SmallVec::new(), errors: Vec::new() }
    }

    /// The query of a path whose answer has several forms: [`Reply`](crate::answer::Reply) reads which one.
    fn of_answer(parts: &'a Parts) -> Self {
        let mut query = Self::of(parts);
        query.take("format", Format::named);
        query
    }

    fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| given == name)
    }

    fn take<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.accepted.push(name);
        let at = self.given.iter().position(|(given, _)| given == name)?;
        let (_, text) = self.given.remove(at);
        if self.has(name) {
            self.given.retain(|(given, _)| given != name);
            self.error(name, "is given twice");
            return None;
        }
        read(&text).map_err(|detail| self.error(name, &detail)).ok()
    }

    fn finish(mut self) -> Result<(), Error> {
        // An answer should not be many times the question.
        let told = self.given.len().min(ERRORS_TOLD_MAX.saturating_sub(self.errors.len()));
        let more = (self.errors.len() + self.given.len()).saturating_sub(ERRORS_TOLD_MAX);
        if told > 0 {
            let unknown = format!("is not a parameter of this path; {}", self.offer());
            for (name, _) in std::mem::take(&mut self.given).into_iter().take(told) {
                self.error(&name, &unknown);
            }
        }
        if more > 0 {
            self.errors.truncate(ERRORS_TOLD_MAX);
            self.error("query", &format!("has {more} more that is wrong"));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Error::Parameters(self.errors)) }
    }

    /// What may be asked here.
    fn offer(&self) -> String {
        match self.accepted.as_slice() {
            [] => "there are none here".to_owned(),
            [name] => format!("there is {name}"),
            [names @ .., last] => format!("there are {} and {last}", names.join(", ")),
        }
    }

    fn error(&mut self, parameter: &str, detail: &str) {
        self.errors.push(ParameterError { parameter: parameter.to_owned(), detail: detail.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use utoipa::{IntoParams, openapi::path::ParameterIn};

    use super::*;

    const PATTERN: &str = "^[a-z0-9][a-z0-9._-]{0,63}$";

    #[test]
    fn an_id_is_what_the_documented_pattern_says() {
        let longest = "a".repeat(64);
        for id in ["a", "0", "a.b_c-d", longest.as_str()] {
            assert!(id.parse::<TeamId>().is_ok(), "{id}");
        }
        let too_long = "a".repeat(65);
        for id in ["", "A", "-a", ".a", "a b", "a/b", "ä", too_long.as_str()] {
            assert!(id.parse::<TeamId>().is_err(), "{id}");
        }
    }

    #[test]
    fn the_documented_limits_are_those_that_are_kept() {
        let described = serde_json::to_value(PageParams::into_params(|| Some(ParameterIn::Query))).unwrap();
        assert_eq!(described[0]["schema"]["maximum"], page::ITEMS_MAX);
        assert_eq!(described[0]["schema"]["default"], page::ITEMS_DEFAULT);
        for params in [TeamParams::into_params(|| None), TeamFeatureParams::into_params(|| None)] {
            for param in serde_json::to_value(params).unwrap().as_array().unwrap() {
                assert_eq!(param["schema"]["pattern"], PATTERN);
            }
        }
    }
}
