//! What became of a launch.

use axum::{Json, extract::State};
use wire::{Scope, outcome::Outcome};

use crate::{
    error::Error,
    example,
    parameters::{
        TeamFeature, TeamFeatureParams,
        instants::{AsOfParams, AsOfQuery},
    },
    problem::responses::OfOutcome,
    router::AppState,
    withheld::ACCOUNTS_SHOWN_MIN,
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
    params(TeamFeatureParams, AsOfParams),
    responses((status = 200, description = "The outcome", body = Outcome, example = json!(example::outcome())), OfOutcome)
)]
pub(crate) async fn of_launch(
    State(state): State<AppState>,
    TeamFeature(team, feature): TeamFeature,
    query: AsOfQuery,
) -> Result<Json<Outcome>, Error> {
    state.team(&team)?;
    let turn = state.history.turn().await?;
    let instant = turn.instant("as_of", query.as_of)?;
    let found = turn.store.outcome(&team, &feature, instant.computed(), instant.data_through).await;
    let (found, foresight) = found
        .map_err(|error| Error::history(&error))?
        .ok_or_else(|| Error::NotLaunched { team: team.to_string(), feature: feature.to_string() })?;
    let scope = Scope { team: &team, segment: None, as_of: instant.as_of, data_through: instant.data_through };
    Ok(Json(Outcome::computed(&scope, &found, &foresight, ACCOUNTS_SHOWN_MIN)))
}
