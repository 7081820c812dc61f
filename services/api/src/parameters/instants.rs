//! The instants that questions other than a ranking's are asked of.

use axum::{extract::FromRequestParts, http::request::Parts};
use domain::{
    limits::DURATION_US_MAX,
    time::{MICROS_PER_SECOND, Timestamp},
};
use utoipa::IntoParams;

use super::{Query, ranking::segment, time};
use crate::error::{Error, ParameterError};

/// The query of an answer as of one instant.
#[derive(Debug)]
pub(crate) struct AsOfQuery {
    /// Now, where none is given.
    pub(crate) as_of: Option<Timestamp>,
}

/// The query of a diff.
#[derive(Debug)]
pub(crate) struct DiffQuery {
    pub(crate) from: Timestamp,
    /// Now, where none is given.
    pub(crate) to: Option<Timestamp>,
    pub(crate) segment: Option<String>,
}

/// The query of a feature's evidence.
#[derive(Debug)]
pub(crate) struct EvidenceQuery {
    /// That of the ranking published last, where none is given.
    pub(crate) as_of: Option<Timestamp>,
    pub(crate) bound_us: u64,
    /// Whether whose the latest requests are, and in which words, is asked for too.
    pub(crate) texts: bool,
}

/// The query of a feature's history.
#[derive(Debug)]
pub(crate) struct HistoryQuery {
    /// [`SPAN_DAYS`] before its end, where none is given.
    from: Option<Timestamp>,
    /// Now, where none is given.
    pub(crate) to: Option<Timestamp>,
    pub(crate) step_s: u64,
}

/// An account is worse off if its own p99 is above this, unless another bound is asked about: a second.
const BOUND_US: u64 = 1_000_000;
/// A history goes back so far.
const SPAN_DAYS: f64 = 90.0;
/// A history has a point a day.
const STEP_S: u64 = 86_400;
/// The longest step: a year.
const STEP_S_MAX: u64 = 366 * 86_400;

impl HistoryQuery {
    /// Where the history begins that ends at `until`.
    pub(crate) fn after(&self, until: Timestamp) -> Result<Timestamp, Error> {
        let after = self.from.unwrap_or(until.minus_days(SPAN_DAYS));
        if after < until {
            return Ok(after);
        }
        let wrong =
            |name: &str| ParameterError { parameter: name.to_owned(), detail: "from must be before to".to_owned() };
        Err(Error::Parameters(vec![wrong("from"), wrong("to")]))
    }

    /// The step in microseconds.
    pub(crate) fn step_us(&self) -> i64 {
        i64::try_from(self.step_s).unwrap_or(i64::MAX).saturating_mul(MICROS_PER_SECOND)
    }
}

/// How [`EvidenceQuery`] is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct EvidenceParams {
    /// The instant to answer for, in RFC 3339; not in the future. That of the ranking published last if absent.
    #[param(format = DateTime, example = "2026-06-30T00:00:00Z")]
    as_of: Option<String>,
    /// An account is worse off if its own p99 is above so many microseconds.
    #[param(minimum = 1, maximum = 100_000_000_000_000_i64, default = 1_000_000)]
    bound_us: Option<u64>,
    /// Whether the latest requests come with whose they are and in which words; in the JSON document alone. Takes the scope
    /// `evidence:read`, and is written to the audit log.
    #[param(default = false)]
    texts: Option<bool>,
}

/// How [`HistoryQuery`] is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct HistoryParams {
    /// The snapshots are later than this, in RFC 3339; 90 days before `to` if absent.
    #[param(format = DateTime, example = "2026-03-31T00:00:00Z")]
    from: Option<String>,
    /// The snapshots are not later than this; now if absent.
    #[param(format = DateTime, example = "2026-06-30T00:00:00Z")]
    to: Option<String>,
    /// Of each so many seconds, counted from 1970, the last snapshot is taken; of more than 500 steps the newest.
    #[param(minimum = 1, maximum = 31_622_400, default = 86_400)]
    step_s: Option<u64>,
}

/// How [`AsOfQuery`] is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct AsOfParams {
    /// The instant to answer for, in RFC 3339; not in the future. Now if absent.
    #[param(format = DateTime, example = "2026-06-30T00:00:00Z")]
    as_of: Option<String>,
}

/// How [`DiffQuery`] is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct DiffParams {
    /// The instant that the diff starts from, in RFC 3339; not in the future.
    #[param(format = DateTime, example = "2026-03-31T00:00:00Z")]
    from: String,
    /// The instant that it leads to, now if absent. It may be the earlier one.
    #[param(format = DateTime, example = "2026-06-30T00:00:00Z")]
    to: Option<String>,
    /// Compare the rankings of the accounts of this segment alone. Needs 5 active accounts in it, and 5 or
    /// none outside it, at both instants, or the scope `evidence:read`.
    #[param(min_length = 1, max_length = 64, example = "retail")]
    segment: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for AsOfQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut query = Query::of_answer(parts);
        let as_of = query.take("as_of", time);
        query.finish()?;
        Ok(Self { as_of })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for EvidenceQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut query = Query::of_answer(parts);
        let as_of = query.take("as_of", time);
        let bound_us = query.take("bound_us", |text| whole(text, DURATION_US_MAX)).unwrap_or(BOUND_US);
        let texts = query.take("texts", yes_or_no).unwrap_or(false);
        query.finish()?;
        Ok(Self { as_of, bound_us, texts })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for HistoryQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut query = Query::of_answer(parts);
        let from = query.take("from", time);
        let to = query.take("to", time);
        let step_s = query.take("step_s", |text| whole(text, STEP_S_MAX)).unwrap_or(STEP_S);
        query.finish()?;
        Ok(Self { from, to, step_s })
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "takes true or false".to_owned())
}

/// A whole number from 1 on.
fn whole(text: &str, most: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("takes a whole number from 1 to {most}"))
}

impl<S: Send + Sync> FromRequestParts<S> for DiffQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut query = Query::of_answer(parts);
        let given = query.has("from");
        let from = query.take("from", time);
        if !given {
            query.error("from", "is required: the instant that the diff starts from");
        }
        let to = query.take("to", time);
        let segment = query.take("segment", segment);
        query.finish()?;
        // Where it is wrong or missing, the query has not finished.
        let from = from.unwrap_or(Timestamp(0));
        Ok(Self { from, to, segment })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn read(query: &str) -> Result<DiffQuery, Error> {
        let (mut parts, ()) = Request::get(format!("/?{query}")).body(()).unwrap().into_parts();
        DiffQuery::from_request_parts(&mut parts, &()).await
    }

    #[test]
    fn a_history_begins_before_it_ends() {
        let query = HistoryQuery { from: Some(Timestamp(5)), to: None, step_s: 1 };
        assert_eq!(query.after(Timestamp(6)).unwrap(), Timestamp(5));
        let Err(Error::Parameters(errors)) = query.after(Timestamp(5)) else { panic!() };
        assert_eq!(errors.iter().map(|error| error.parameter.as_str()).collect::<Vec<_>>(), ["from", "to"]);
    }

    #[tokio::test]
    async fn a_diff_needs_its_start_and_nothing_else() {
        let diff = read("from=2026-01-31T12:00:00Z").await.unwrap();
        assert_eq!((diff.from.to_rfc3339().as_str(), diff.to, diff.segment), ("2026-01-31T12:00:00Z", None, None));
        for (query, named) in [
            ("", vec!["from"]),
            ("from=x&to=y", vec!["from", "to"]),
            ("from=2026-01-31T12:00:00Z&as_of=x", vec!["as_of"]),
        ] {
            let Err(Error::Parameters(errors)) = read(query).await else { panic!("{query}") };
            assert_eq!(errors.into_iter().map(|error| error.parameter).collect::<Vec<_>>(), named, "{query}");
        }
    }
}
