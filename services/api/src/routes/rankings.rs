//! A team's ranked roadmap.

use axum::{extract::State, http::HeaderMap, response::Response};
use wire::ranking::Ranking;

use super::tagged;
use crate::{
    cursor::Cursor,
    error::Error,
    parameters::{PageParams, PageQuery, Team, TeamParams, expired_cursor, foreign_cursor},
    problem::responses::OfTeamList,
    router::AppState,
};

/// A team's ranked roadmap
///
/// What to build next, best first, as it was last published. A page holds up to `limit` features: first those of `items`,
/// then those of `iterate`. All pages of one walk show the same snapshot.
#[utoipa::path(
    get,
    path = "/v1/teams/{team}/rankings",
    operation_id = "getRanking",
    tag = "rankings",
    params(TeamParams, PageParams),
    responses(
        (status = 200, description = "The ranking, or a page of it",
            headers(("etag" = String, description = "Changes when the answer does, `data_through` apart")),
            body = Ranking, example = json!(crate::example::ranking())),
        (status = 304, description = "The answer is the one that `If-None-Match` names"),
        OfTeamList,
    )
)]
pub(crate) async fn current(
    State(state): State<AppState>,
    Team(team): Team,
    query: PageQuery,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let current = state.team(&team)?;
    let (published, start) = match query.cursor {
        None => (current, 0),
        Some(Cursor::Ranking { snapshot, start }) => {
            (state.store.snapshot(team.as_str(), &snapshot).ok_or_else(expired_cursor)?, start)
        }
        Some(Cursor::Teams { .. }) => return Err(foreign_cursor()),
    };
    let page = published.page(start, query.limit).map_err(Error::internal)?;
    Ok(tagged(&headers, page.etag, || page.body))
}
