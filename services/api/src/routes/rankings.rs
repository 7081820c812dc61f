//! A team's ranked roadmap.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use domain::{ids::TeamId, time::Timestamp};
use wire::ranking::Ranking;

use crate::{
    access::Principal,
    answer::{Keep, Reply},
    cursor::{Cursor, Sealed},
    error::Error,
    history::{Basis, RankingAt, SnapshotOf},
    page,
    parameters::{
        FormatParams, PageParams, PageQuery, Team, TeamParams, TeamSnapshot, TeamSnapshotParams, expired_cursor,
        foreign_cursor,
        ranking::{RankingQuery, ScopeParams, WhatIfParams},
    },
    problem::responses::{OfRanking, OfSnapshot},
    published::{self, Published},
    router::AppState,
    withheld::Told,
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
    params(TeamParams, PageParams, FormatParams, ScopeParams, WhatIfParams),
    responses(
        (status = 200, description = "The ranking, or a page of it",
            body = Ranking, example = json!(crate::example::ranking())),
        OfRanking,
    )
)]
pub(crate) async fn current(
    State(state): State<AppState>,
    Team(team): Team,
    principal: Principal,
    reply: Reply,
    query: RankingQuery,
) -> Result<Response, Error> {
    let told = Told::to(&principal);
    let current = state.team(&team)?;
    // What is computed is on the heap: a hot answer would else carry room for its steps along.
    let (published, start) = match place(&query, &team)? {
        Some(Cursor::Computed { as_of, start }) => {
            return Box::pin(computed(&state, &reply, &team, &query, told, Some(*as_of), *start)).await;
        }
        None if !query.question.is_plain() => {
            return Box::pin(computed(&state, &reply, &team, &query, told, query.question.as_of, 0)).await;
        }
        None => (current, 0),
        Some(Cursor::Ranking { snapshot, start }) => {
            (state.store.snapshot(team.as_str(), snapshot).ok_or_else(expired_cursor)?, *start)
        }
        Some(Cursor::Teams { .. } | Cursor::DeadLetters { .. }) => return Err(foreign_cursor()),
    };
    let page = published.page(start, query.limit, reply.format()).map_err(Error::internal)?;
    Ok(reply.with(page, Keep::Asking))
}

/// Where the page begins that is asked for, if it is not the first.
fn place<'a>(query: &'a RankingQuery, team: &TeamId) -> Result<Option<&'a Cursor>, Error> {
    let Some(sealed) = &query.cursor else { return Ok(None) };
    let list = match sealed.unproved() {
        Cursor::Computed { .. } => query.question.list(team),
        Cursor::Ranking { .. } | Cursor::Teams { .. } | Cursor::DeadLetters { .. } => page::list(team.as_str()),
    };
    sealed.of(&list).ok_or_else(foreign_cursor).map(Some)
}

async fn computed(
    state: &AppState,
    reply: &Reply,
    team: &TeamId,
    query: &RankingQuery,
    told: Told,
    as_of: Option<Timestamp>,
    start: usize,
) -> Result<Response, Error> {
    let sight = state.history.look().await?;
    let moment = sight.moment("as_of", as_of)?;
    let told = told.of(query.question.segment.as_deref(), &query.question.what_if);
    let enquiry = RankingAt { team: team.clone(), moment, question: query.question.clone(), told };
    let ranking = state.history.ask(sight.of_team(team), enquiry).await?;
    let features = page::features(&ranking);
    let (start, end) = page::bounds(features, start, query.limit);
    let next = Cursor::Computed { as_of: moment.as_of, start: end };
    let next = (end < features).then(|| next.encode(&query.question.list(team)));
    reply.document(&page::cut(&ranking, (start, end), next.clone()), next)
}

/// A published ranking
///
/// A snapshot as it was published, which never changes. Every published ranking is kept.
#[utoipa::path(
    get,
    path = "/v1/teams/{team}/rankings/{snapshot}",
    operation_id = "getSnapshot",
    tag = "rankings",
    params(TeamSnapshotParams, PageParams, FormatParams),
    responses(
        (status = 200, description = "The ranking, or a page of it",
            body = Ranking, example = json!(crate::example::ranking())),
        OfSnapshot,
    )
)]
pub(crate) async fn snapshot(
    State(state): State<AppState>,
    TeamSnapshot(team, snapshot): TeamSnapshot,
    reply: Reply,
    query: PageQuery,
) -> Result<Response, Error> {
    state.team(&team)?;
    let start = match query.cursor.as_ref().map(|sealed| Sealed::of(sealed, &page::list(team.as_str()))) {
        None => 0,
        Some(Some(Cursor::Ranking { snapshot: of, start })) if *of == snapshot => *start,
        Some(_) => return Err(foreign_cursor()),
    };
    let published = match state.store.snapshot(team.as_str(), &snapshot) {
        Some(held) => held,
        None => Arc::new(kept(&state, &team, snapshot).await?),
    };
    let page = published.page(start, query.limit, reply.format()).map_err(Error::internal)?;
    Ok(reply.with(page, Keep::Always))
}

/// A snapshot that is no longer in memory.
async fn kept(state: &AppState, team: &TeamId, snapshot: String) -> Result<Published, Error> {
    let Some(as_of) = published::instant(&snapshot) else {
        return Err(Error::UnknownSnapshot { team: team.to_string(), snapshot });
    };
    let ranking = state.history.ask(Basis::Fixed, SnapshotOf { team: team.clone(), as_of, snapshot }).await?;
    Published::new(Ranking::clone(&ranking)).map_err(Error::internal)
}
