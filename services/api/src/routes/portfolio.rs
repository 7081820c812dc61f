//! All teams side by side.

use axum::{Json, extract::State};
use wire::portfolio::Portfolio;

use crate::{
    error::Error,
    example,
    parameters::instants::{AsOfParams, AsOfQuery},
    problem::responses::OfPortfolio,
    router::AppState,
};

/// So many of each team's features are shown; its ranking has the rest.
const FIRST_MAX: usize = 3;

/// All teams side by side
///
/// What each team should build next, and how much of what it launched at least 3 accounts had asked for, or had shown need of,
/// before the team set to work.
#[utoipa::path(
    get,
    path = "/v1/portfolio",
    operation_id = "getPortfolio",
    tag = "teams",
    params(AsOfParams),
    responses((status = 200, description = "The portfolio", body = Portfolio, example = json!(example::portfolio())), OfPortfolio)
)]
pub(crate) async fn all_teams(State(state): State<AppState>, query: AsOfQuery) -> Result<Json<Portfolio>, Error> {
    state.loaded()?;
    let turn = state.history.turn().await?;
    let instant = turn.instant("as_of", query.as_of)?;
    let found = turn
        .store
        .portfolio(instant.computed(), instant.data_through, FIRST_MAX)
        .await
        .map_err(|error| Error::history(&error))?;
    Ok(Json(Portfolio::computed(instant.as_of, instant.data_through, &found)))
}
