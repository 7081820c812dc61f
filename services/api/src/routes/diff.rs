//! Why a ranking is another than it was.

use axum::{Json, extract::State};
use domain::{
    diff::{Ends, diff},
    ids::TeamId,
    ranking::Ranking,
};
use wire::{Scope, diff::Diff};

use crate::{
    error::Error,
    example,
    history::{Instant, Turn},
    parameters::{
        Team, TeamParams,
        instants::{DiffParams, DiffQuery},
        ranking::Question,
    },
    problem::responses::OfDiff,
    router::AppState,
};

/// Why a ranking is another than it was
///
/// Each feature's change of score between two instants, in eight parts that add up to it. The diff the other way round has the
/// same parts with the other sign.
#[utoipa::path(
    get,
    path = "/v1/teams/{team}/rankings/diff",
    operation_id = "getDiff",
    tag = "rankings",
    params(TeamParams, DiffParams),
    responses((status = 200, description = "The diff", body = Diff, example = json!(example::diff())), OfDiff)
)]
pub(crate) async fn between(
    State(state): State<AppState>,
    Team(team): Team,
    query: DiffQuery,
) -> Result<Json<Diff>, Error> {
    state.team(&team)?;
    let turn = state.history.turn().await?;
    let instants = Ends { from: turn.instant("from", Some(query.from))?, to: turn.instant("to", query.to)? };
    let question = Question { segment: query.segment, ..Question::default() };
    let rankings = tokio::try_join!(
        ranking(&turn, &team, instants.from, &question),
        ranking(&turn, &team, instants.to, &question),
    )?;
    let rankings = Ends { from: rankings.0, to: rankings.1 };
    let segment = question.segment.as_deref();
    let ends = Ends { from: instants.from.computed(), to: instants.to.computed() };
    let comparison = turn.store.comparison(&team, segment, ends).await.map_err(|error| Error::history(&error))?;
    let scopes = Ends::of(|end| {
        let Instant { as_of, data_through } = *instants.at(end);
        Scope { team: &team, segment, as_of, data_through }
    });
    // A second or so for the largest teams, which must not hold up other requests.
    let (comparison, found) = tokio::task::spawn_blocking(move || {
        let found = diff(&comparison);
        (comparison, found)
    })
    .await
    .map_err(Error::internal)?;
    Ok(Json(Diff::computed(&scopes, &rankings, &comparison, &found)))
}

async fn ranking(turn: &Turn<'_>, team: &TeamId, instant: Instant, question: &Question) -> Result<Ranking, Error> {
    let at = instant.computed();
    let ranked = turn.ranked(team, at, question).await?;
    turn.check_shown(team, at, question, &ranked).await?;
    Ok(ranked.ranking)
}
