//! Why a ranking is another than it was.

use axum::{extract::State, response::Response};
use domain::{assumptions::WhatIf, diff::Ends};
use wire::diff::Diff;

use crate::{
    access::Principal,
    answer::Reply,
    error::Error,
    example,
    history::DiffBetween,
    parameters::{
        FormatParams, Team, TeamParams,
        instants::{DiffParams, DiffQuery},
    },
    problem::responses::OfDiff,
    router::AppState,
    withheld::Told,
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
    params(TeamParams, DiffParams, FormatParams),
    responses((status = 200, description = "The diff", body = Diff, example = json!(example::diff())), OfDiff)
)]
pub(crate) async fn between(
    State(state): State<AppState>,
    Team(team): Team,
    principal: Principal,
    reply: Reply,
    query: DiffQuery,
) -> Result<Response, Error> {
    state.team(&team)?;
    let sight = state.history.look().await?;
    let moments = Ends { from: sight.moment("from", Some(query.from))?, to: sight.moment("to", query.to)? };
    let basis = sight.of_team(&team);
    let told = Told::to(&principal).of(query.segment.as_deref(), &WhatIf::default());
    let enquiry = DiffBetween { team, moments, segment: query.segment, told };
    let diff = state.history.ask(basis, enquiry).await?;
    reply.document(&*diff, None)
}
