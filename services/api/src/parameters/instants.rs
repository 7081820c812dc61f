//! The instants that questions other than a ranking's are asked of.

use axum::{extract::FromRequestParts, http::request::Parts};
use domain::time::Timestamp;
use utoipa::IntoParams;

use super::{Query, ranking::segment, time};
use crate::error::Error;

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
    /// Compare the rankings of the accounts of this segment alone. Needs 5 active accounts at both instants.
    #[param(min_length = 1, max_length = 64, example = "retail")]
    segment: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for AsOfQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut query = Query::of(parts);
        let as_of = query.take("as_of", time);
        query.finish()?;
        Ok(Self { as_of })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for DiffQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut query = Query::of(parts);
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
