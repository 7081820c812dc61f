//! A team's rankings as they are published.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::{
    access::Principal,
    answer,
    error::Error,
    parameters::{NoQuery, Team, TeamParams},
    problem::responses::OfStream,
    published::is_snapshot,
    router::AppState,
};

/// The id of the event that the reader saw last.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Tells proxies of the nginx family not to hold anything back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A team's rankings as they are published
///
/// Server-sent events without end. Each `ranking.published` has the snapshot's id as its `id` and the first page of the ranking,
/// as `/v1/teams/{team}/rankings` answers it, as its `data`. The first one is the current ranking, unless the reader says in
/// `Last-Event-ID` which snapshot it saw last: then those published since follow, each once, whichever copy of the API told of
/// that one. `reset` has the same form and says that some before it may be missing: the reader was away for too long, or too
/// slow. `team.removed` ends the stream of a team that has no rankings any more. Every 15 seconds of silence there is a comment.
#[utoipa::path(
    get,
    path = "/v1/teams/{team}/rankings/stream",
    operation_id = "streamRankings",
    tag = "rankings",
    params(
        TeamParams,
        ("Last-Event-ID" = Option<String>, Header, description = "The snapshot that the reader saw last; browsers send it by themselves",
            example = "20261121T180000Z-3f1f0c0a9d11"),
    ),
    responses(
        (status = 200, description = "The stream", content_type = "text/event-stream", body = String,
            example = "retry: 1000\n\nevent: ranking.published\nid: 20261121T180000Z-3f1f0c0a9d11\ndata: {\"team\":\"dynamodb\", ...}\n\n"),
        OfStream,
    )
)]
pub(crate) async fn of_rankings(
    State(state): State<AppState>,
    principal: Principal,
    Team(team): Team,
    NoQuery: NoQuery,
    headers: HeaderMap,
) -> Result<Response, Error> {
    answer::check_stream(&headers)?;
    state.team(&team)?;
    let last = headers.get(LAST_EVENT_ID).filter(|last| !last.is_empty());
    // What no snapshot can be called is one that is not known here.
    let last = last.map(|last| last.to_str().ok().filter(|last| is_snapshot(last)).unwrap_or_default().to_owned());
    let admission = state.access.admit(principal, &headers);
    let body = state.streams.open(&state.store, &state.history, team, last, admission)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    Ok((headers, body).into_response())
}
