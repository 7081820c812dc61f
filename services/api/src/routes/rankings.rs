//! A team's ranked roadmap.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use domain::{ids::TeamId, time::Timestamp};
use wire::ranking::Ranking;

use super::tagged;
use crate::{
    cursor::Cursor,
    error::Error,
    history::{Basis, RankingAt, SnapshotOf},
    page,
    parameters::{
        PageParams, PageQuery, Team, TeamParams, TeamSnapshot, TeamSnapshotParams, expired_cursor, foreign_cursor,
        ranking::{RankingQuery, ScopeParams, WhatIfParams},
    },
    problem::responses::{OfRanking, OfSnapshot},
    published::{self, Published},
    router::AppState,
};

/// A team's ranked roadmap
///
/// What to build next, best first. Without `as_of`, `segment` and assumptions it is answered from memory, as it was last
/// published; with any of them it is computed for the question, from every event up to that instant, and never stored. A page
/// holds up to `limit` features: first those of `items`, then those of `iterate`. All pages of one walk show the same snapshot,
/// or the same instant: send a computed page's `cursor` with the parameters of the first page.
#[utoipa::path(
    get,
    path = "/v1/teams/{team}/rankings",
    operation_id = "getRanking",
    tag = "rankings",
    params(TeamParams, PageParams, ScopeParams, WhatIfParams),
    responses(
        (status = 200, description = "The ranking, or a page of it",
            headers(("etag" = String, description = "Changes when the answer does, `data_through` apart; absent where it was computed")),
            body = Ranking, example = json!(crate::example::ranking())),
        (status = 304, description = "The answer is the one that `If-None-Match` names"),
        OfRanking,
    )
)]
pub(crate) async fn current(
    State(state): State<AppState>,
    Team(team): Team,
    query: RankingQuery,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let current = state.team(&team)?;
    let (published, start) = match query.cursor {
        Some(Cursor::Computed { as_of, start }) => return computed(&state, &team, &query, Some(as_of), start).await,
        None if !query.question.is_plain() => {
            return computed(&state, &team, &query, query.question.as_of, 0).await;
        }
        None => (current, 0),
        Some(Cursor::Ranking { ref snapshot, start }) => {
            (state.store.snapshot(team.as_str(), snapshot).ok_or_else(expired_cursor)?, start)
        }
        Some(Cursor::Teams { .. } | Cursor::DeadLetters { .. }) => return Err(foreign_cursor()),
    };
    let page = published.page(start, query.limit).map_err(Error::internal)?;
    Ok(tagged(&headers, page.etag, || page.body))
}

async fn computed(
    state: &AppState,
    team: &TeamId,
    query: &RankingQuery,
    as_of: Option<Timestamp>,
    start: usize,
) -> Result<Response, Error> {
    let sight = state.history.look().await?;
    let moment = sight.moment("as_of", as_of)?;
    let enquiry = RankingAt { team: team.clone(), moment, question: query.question.clone() };
    let ranking = state.history.ask(sight.of_team(team), enquiry).await?;
    let next = |start| Cursor::Computed { as_of: moment.as_of, start };
    let (page, _) = page::cut(&ranking, start, query.limit, next);
    Ok(Json(page).into_response())
}

/// A published ranking
///
/// A snapshot as it was published, which never changes. Every published ranking is kept.
#[utoipa::path(
    get,
    path = "/v1/teams/{team}/rankings/{snapshot}",
    operation_id = "getSnapshot",
    tag = "rankings",
    params(TeamSnapshotParams, PageParams),
    responses(
        (status = 200, description = "The ranking, or a page of it",
            headers(("etag" = String, description = "Changes when the answer does, `data_through` apart")),
            body = Ranking, example = json!(crate::example::ranking())),
        (status = 304, description = "The answer is the one that `If-None-Match` names"),
        OfSnapshot,
    )
)]
pub(crate) async fn snapshot(
    State(state): State<AppState>,
    TeamSnapshot(team, snapshot): TeamSnapshot,
    query: PageQuery,
    headers: HeaderMap,
) -> Result<Response, Error> {
    state.team(&team)?;
    let start = match query.cursor {
        None => 0,
        Some(Cursor::Ranking { snapshot: of, start }) if of == snapshot => start,
        Some(_) => return Err(foreign_cursor()),
    };
    let published = match state.store.snapshot(team.as_str(), &snapshot) {
        Some(held) => held,
        None => Arc::new(kept(&state, &team, snapshot).await?),
    };
    let page = published.page(start, query.limit).map_err(Error::internal)?;
    Ok(tagged(&headers, page.etag, || page.body))
}

/// A snapshot that is no longer in memory.
async fn kept(state: &AppState, team: &TeamId, snapshot: String) -> Result<Published, Error> {
    let Some(as_of) = published::instant(&snapshot) else {
        return Err(Error::UnknownSnapshot { team: team.to_string(), snapshot });
    };
    let ranking = state.history.ask(Basis::Fixed, SnapshotOf { team: team.clone(), as_of, snapshot }).await?;
    Published::new(Ranking::clone(&ranking)).map_err(Error::internal)
}
