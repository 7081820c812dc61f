//! All teams side by side.

use axum::{extract::State, response::Response};
use wire::portfolio::Portfolio;

use crate::{
    access::Principal,
    answer::Reply,
    error::Error,
    example,
    history::PortfolioAt,
    parameters::{
        FormatParams,
        instants::{AsOfParams, AsOfQuery},
    },
    problem::responses::OfPortfolio,
    router::AppState,
};

/// All teams side by side
///
/// What each team should build next, and how much of what it launched at least 3 accounts had asked for, or had shown need of,
/// before the team set to work. Only teams that the key may read are in it, and in its totals.
#[utoipa::path(
    get,
    path = "/v1/portfolio",
    operation_id = "getPortfolio",
    tag = "teams",
    params(AsOfParams, FormatParams),
    responses((status = 200, description = "The portfolio", body = Portfolio, example = json!(example::portfolio())), OfPortfolio)
)]
pub(crate) async fn all_teams(
    State(state): State<AppState>,
    principal: Principal,
    reply: Reply,
    query: AsOfQuery,
) -> Result<Response, Error> {
    state.loaded()?;
    let sight = state.history.look().await?;
    let moment = sight.moment("as_of", query.as_of)?;
    let among = principal.teams().cloned();
    let portfolio = state.history.ask(sight.of_everybody(), PortfolioAt { moment, among }).await?;
    reply.document(&*portfolio, None)
}
