//! Which dead letters are asked for.

use ::store::DeadLetterFilter;
use axum::{extract::FromRequestParts, http::request::Parts};
use domain::{ids::TeamId, record::Reason};
use utoipa::IntoParams;

use super::{Query, cursor, limit, time};
use crate::{cursor::Sealed, error::Error, page};

/// The longest type that is looked for, in bytes. Ours have some thirty.
const TYPE_BYTES_MAX: usize = 256;

/// The query of the dead letters.
#[derive(Debug)]
pub(crate) struct DeadLetterQuery {
    pub(crate) limit: u32,
    pub(crate) cursor: Option<Sealed>,
    pub(crate) filter: DeadLetterFilter,
}

/// How [`DeadLetterQuery`] is documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct DeadLetterParams {
    /// The page holds at most so many.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before, sent with the filters of the first page; without it the first page is given.
    #[param(max_length = 512)]
    cursor: Option<String>,
    /// Only those with this reason code.
    #[param(pattern = "^[a-z0-9_]+$", example = "not_json")]
    reason: Option<String>,
    /// Only those that claim to be events of this type.
    #[param(min_length = 1, max_length = 256, example = "io.flywheel.usage.observed.v1")]
    r#type: Option<String>,
    /// Only those whose payload is JSON and names this team.
    #[param(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", example = "dynamodb")]
    team: Option<String>,
    /// Only those that Kafka received then or later, in RFC 3339.
    #[param(format = DateTime, example = "2026-06-30T00:00:00Z")]
    since: Option<String>,
    /// Only those that Kafka received before then, in RFC 3339.
    #[param(format = DateTime, example = "2026-07-01T00:00:00Z")]
    until: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for DeadLetterQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut query = Query::of(parts);
        let limit = query.take("limit", limit).unwrap_or(page::ITEMS_DEFAULT);
        let cursor = query.take("cursor", cursor);
        let filter = DeadLetterFilter {
            reason: query.take("reason", reason),
            event_type: query.take("type", event_type),
            team: query.take("team", |team| team.parse::<TeamId>().map_err(|error| format!("{team:?} is {error}"))),
            since: query.take("since", time),
            until: query.take("until", time),
        };
        query.finish()?;
        Ok(Self { limit: u32::try_from(limit).unwrap_or(u32::MAX), cursor, filter })
    }
}

fn reason(text: &str) -> Result<Reason, String> {
    let known = Reason::ALL.into_iter().find(|reason| reason.code() == text);
    known.ok_or_else(|| format!("takes one of {}", Reason::ALL.map(Reason::code).join(", ")))
}

fn event_type(text: &str) -> Result<String, String> {
    if (1..=TYPE_BYTES_MAX).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err(format!("takes the type of an event, 1 to {TYPE_BYTES_MAX} bytes"))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn read(query: &str) -> Result<DeadLetterQuery, Error> {
        let (mut parts, ()) = Request::get(format!("/?{query}")).body(()).unwrap().into_parts();
        DeadLetterQuery::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn filters_are_read_and_every_wrong_one_is_named() {
        let read_well = read("reason=not_json&team=dynamodb&since=2026-01-31T12:00:00Z&limit=7").await.unwrap();
        assert_eq!((read_well.limit, read_well.filter.reason), (7, Some(Reason::NotJson)));
        let Err(Error::Parameters(errors)) = read("reason=bad&team=A&since=now&type=&topic=t").await else { panic!() };
        let named: Vec<&str> = errors.iter().map(|error| error.parameter.as_str()).collect();
        assert_eq!(named, ["reason", "type", "team", "since", "topic"]);
    }
}
