//! What may be asked of a ranking: which instant, whose, under which assumptions, and which page of it.

use axum::{extract::FromRequestParts, http::request::Parts};
use domain::{assumptions::WhatIf, catalog::Parameters, ids::TeamId, limits::SEGMENT_CHARS_MAX, time::Timestamp};
use utoipa::IntoParams;

use super::{Query, limit, number, time};
use crate::{
    cursor::{Cursor, Sealed},
    error::{Error, ParameterError},
    page,
};

/// The query of a team's ranking.
#[derive(Debug)]
pub(crate) struct RankingQuery {
    pub(crate) limit: usize,
    pub(crate) cursor: Option<Sealed>,
    pub(crate) question: Question,
}

/// Which ranking is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Question {
    /// Now, where none is given.
    pub(crate) as_of: Option<Timestamp>,
    /// All accounts, where none is given.
    pub(crate) segment: Option<String>,
    /// What to assume instead of what was in force.
    pub(crate) what_if: WhatIf,
}

impl Question {
    /// What is asked, as a list to page through: everything but the instant, which is in the cursor.
    pub(crate) fn list(&self, team: &TeamId) -> String {
        format!("ranking {team} {:?} {:?}", self.segment, self.what_if)
    }

    /// Whether the ranking that was published last is the answer.
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// How the instant and the segment are documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct ScopeParams {
    /// The instant to rank for, in RFC 3339; not in the future. Computed from every event with a time up to it.
    #[param(format = DateTime, example = "2026-06-30T00:00:00Z")]
    as_of: Option<String>,
    /// Rank for the accounts of this segment alone; `(none)` is that of accounts without any. An account counts in each of its
    /// segments, so segments need not add up. Needs 5 active accounts in it, and 5 or none outside it, or the scope `evidence:read`.
    #[param(min_length = 1, max_length = 64, example = "retail")]
    segment: Option<String>,
}

/// How the assumptions are documented.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct WhatIfParams {
    /// What if an account were active for so many days after an event? Never stored; nor are the others. Without the scope
    /// `evidence:read` it needs 5 accounts that are active then, and 5 or none that are only then, or only in the team's own window.
    #[param(exclusive_minimum = 0, maximum = 36500)]
    activity_window_days: Option<f64>,
    /// What if a request counted half after so many days?
    #[param(exclusive_minimum = 0, maximum = 36500)]
    half_life_days: Option<f64>,
    /// What if need signals counted for so many days?
    #[param(exclusive_minimum = 0, maximum = 36500)]
    need_window_days: Option<f64>,
    /// What if it took so many signals to show a need?
    #[param(minimum = 1, maximum = 1_000_000_000_000_i64)]
    need_min_count: Option<u64>,
    /// What if stated demand weighed so much? Alone it sets `need_weight` to its complement.
    #[param(minimum = 0, maximum = 1)]
    demand_weight: Option<f64>,
    /// What if revealed need weighed so much? Alone it sets `demand_weight` to its complement.
    #[param(minimum = 0, maximum = 1)]
    need_weight: Option<f64>,
    /// What if an account of tier standard weighed so much? Other weights than the usual need 5 active accounts, or none, in
    /// each tier, or the scope `evidence:read`.
    #[param(minimum = 0, maximum = 100)]
    tier_weight_standard: Option<f64>,
    /// What if an account of tier growth weighed so much? Other weights than the usual need 5 active accounts, or none, in
    /// each tier, or the scope `evidence:read`.
    #[param(minimum = 0, maximum = 100)]
    tier_weight_growth: Option<f64>,
    /// What if an account of tier enterprise weighed so much? Other weights than the usual need 5 active accounts, or none, in
    /// each tier, or the scope `evidence:read`.
    #[param(minimum = 0, maximum = 100)]
    tier_weight_enterprise: Option<f64>,
}

impl<S: Send + Sync> FromRequestParts<S> for RankingQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        // The hot path: nothing to read.
        if parts.uri.query().is_none() {
            return Ok(Self { limit: page::ITEMS_DEFAULT, cursor: None, question: Question::default() });
        }
        let mut query = Query::of_answer(parts);
        let limit = query.take("limit", limit).unwrap_or(page::ITEMS_DEFAULT);
        let cursor = query.take("cursor", super::cursor);
        let mut question = Question { as_of: query.take("as_of", time), ..Question::default() };
        question.segment = query.take("segment", segment);
        question.what_if = what_if(&mut query);
        match (cursor.as_ref().map(Sealed::unproved), question.as_of) {
            (Some(Cursor::Ranking { .. }), _) if !question.is_plain() => {
                query.error(
                    "cursor",
                    "pages through a published ranking, which as_of, segment and assumptions cannot change",
                );
            }
            (Some(Cursor::Computed { as_of, .. }), Some(asked)) if *as_of != asked => {
                query.error("cursor", "pages through the ranking of another as_of");
            }
            _ => {}
        }
        query.finish()?;
        Ok(Self { limit, cursor, question })
    }
}

/// The name of a segment.
pub(super) fn segment(text: &str) -> Result<String, String> {
    if (1..=SEGMENT_CHARS_MAX).contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err(format!("takes the name of a segment, 1 to {SEGMENT_CHARS_MAX} characters"))
    }
}

/// Everything that is assumed instead. What is out of range or in contradiction is named, whatever was in force: assumptions
/// do not depend on that.
fn what_if(query: &mut Query) -> WhatIf {
    let what_if = WhatIf {
        activity_window_days: query.take("activity_window_days", number),
        half_life_days: query.take("half_life_days", number),
        need_window_days: query.take("need_window_days", number),
        need_min_count: query
            .take("need_min_count", |text| text.parse().map_err(|_| "takes a whole number from 1 on".to_owned())),
        demand_weight: query.take("demand_weight", number),
        need_weight: query.take("need_weight", number),
        tier_weight_standard: query.take("tier_weight_standard", number),
        tier_weight_growth: query.take("tier_weight_growth", number),
        tier_weight_enterprise: query.take("tier_weight_enterprise", number),
    };
    if what_if != WhatIf::default()
        && let Err(problems) = what_if.apply(&Parameters::default())
    {
        for problem in problems {
            for field in problem.fields() {
                query.error(field, &problem.to_string());
            }
        }
    }
    what_if
}

/// The assumptions contradict what was in force.
pub(crate) fn contradictions(problems: &[domain::assumptions::InvalidWhatIf]) -> Error {
    let errors = problems.iter().flat_map(|problem| {
        problem
            .fields()
            .into_iter()
            .map(|field| ParameterError { parameter: field.to_owned(), detail: problem.to_string() })
    });
    Error::Parameters(errors.collect())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn read(query: &str) -> Result<RankingQuery, Error> {
        let (mut parts, ()) = Request::get(format!("/?{query}")).body(()).unwrap().into_parts();
        RankingQuery::from_request_parts(&mut parts, &()).await
    }

    async fn wrong(query: &str) -> Vec<String> {
        match read(query).await {
            Err(Error::Parameters(errors)) => errors.into_iter().map(|error| error.parameter).collect(),
            other => panic!("{query}: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_question_is_read_whole() {
        let read =
            read("as_of=2026-01-31T12:00:00%2B01:00&segment=(none)&demand_weight=0.25&need_min_count=3").await.unwrap();
        assert_eq!(read.question.as_of.map(Timestamp::to_rfc3339).as_deref(), Some("2026-01-31T11:00:00Z"));
        assert_eq!(read.question.segment.as_deref(), Some("(none)"));
        assert_eq!((read.question.what_if.demand_weight, read.question.what_if.need_min_count), (Some(0.25), Some(3)));
        assert!(!read.question.is_plain());
    }

    #[tokio::test]
    async fn everything_out_of_range_is_named_at_once() {
        let query = "as_of=yesterday&segment=&half_life_days=0&need_min_count=0&demand_weight=NaN&tier_weight_growth=101&limit=0";
        let mut named = wrong(query).await;
        named.sort();
        assert_eq!(
            named,
            ["as_of", "demand_weight", "half_life_days", "limit", "need_min_count", "segment", "tier_weight_growth"]
        );
    }

    #[tokio::test]
    async fn contradictions_are_named_by_all_that_contradict() {
        assert_eq!(wrong("demand_weight=0.6&need_weight=0.6").await, ["demand_weight", "need_weight"]);
        let nothing = "tier_weight_standard=0&tier_weight_growth=0&tier_weight_enterprise=0";
        assert_eq!(wrong(nothing).await.len(), 3);
        let published = Cursor::ranking("s", 3).encode("");
        assert_eq!(wrong(&format!("cursor={published}&segment=retail")).await, ["cursor"]);
        let computed = Cursor::Computed { as_of: Timestamp(1), start: 3 }.encode("");
        assert_eq!(wrong(&format!("cursor={computed}&as_of=2026-01-31T12:00:00Z")).await, ["cursor"]);
    }

    #[tokio::test]
    async fn a_plus_that_a_url_made_a_blank_is_explained() {
        let Err(Error::Parameters(errors)) = read("as_of=2026-01-31T12:00:00+01:00").await else { panic!() };
        assert!(errors[0].detail.contains("%2B"), "{errors:?}");
    }
}
