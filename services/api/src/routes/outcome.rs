//! What became of a launch.

use axum::{extract::State, response::Response};
use wire::outcome::Outcome;

use crate::{
    access::Principal,
    answer::Reply,
    error::Error,
    example,
    history::OutcomeOf,
    parameters::{
        FormatParams, TeamFeature, TeamFeatureParams,
        instants::{AsOfParams, AsOfQuery},
    },
    problem::responses::OfOutcome,
    router::AppState,
    withheld::Told,
};

/// What became of a launch
///
/// Of the accounts that asked for the feature or showed need of it, how many used it within 14 and 28 days, against those that
/// did neither, and where the ranking had it before the team set to work. With it: how well the team's rankings foretold what
/// would be used of all that it launched.
#[utoipa::path(
    get,
    path = "/v1/teams/{team}/features/{feature}/outcome",
    operation_id = "getOutcome",
    tag = "features",
    params(TeamFeatureParams, AsOfParams, FormatParams),
    responses((status = 200, description = "The outcome", body = Outcome, example = json!(example::outcome())), OfOutcome)
)]
pub(crate) async fn of_launch(
    State(state): State<AppState>,
    TeamFeature(team, feature): TeamFeature,
    principal: Principal,
    reply: Reply,
    query: AsOfQuery,
) -> Result<Response, Error> {
    state.team(&team)?;
    let sight = state.history.look().await?;
    let moment = sight.moment("as_of", query.as_of)?;
    let basis = sight.of_team(&team);
    let enquiry = OutcomeOf { team, feature, moment, told: Told::to(&principal) };
    let outcome = state.history.ask(basis, enquiry).await?;
    reply.document(&*outcome, None)
}
