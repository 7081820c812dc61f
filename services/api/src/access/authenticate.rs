//! What stands before every path that is not open to all.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, RawPathParams, Request, State, rejection::RawPathParamsRejection},
    middleware::Next,
    response::Response,
};
use domain::ids::TeamId;

use super::{Principal, scope::ADMIN};
use crate::{
    audit::{Action, Occasion, Outcome},
    error::Error,
    router::AppState,
};

/// What the router found in the path; nothing, if no path matched, or what it found is wrongly encoded.
pub(crate) type PathParams = Result<RawPathParams, RawPathParamsRejection>;

/// Finds out who asks and leaves it with the request. A path of a team that they may not read does not exist for them.
pub(crate) async fn reader(state: &AppState, params: PathParams, request: &mut Request) -> Result<(), Error> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let principal = match state.tokens.identify(request.headers()).await {
        Some(named) => state.access.admit_bearer(named, peer)?,
        None => state.access.identify(request.headers(), peer)?,
    };
    if principal.teams().is_some() {
        // What is no team's id, the handler refuses.
        let team = params.ok().and_then(|params| {
            params.iter().find(|(name, _)| *name == "team").and_then(|(_, team)| team.parse::<TeamId>().ok())
        });
        if let Some(team) = team.filter(|team| !principal.may_read(team)) {
            return Err(Error::UnknownTeam { team: team.to_string() });
        }
    }
    request.extensions_mut().insert(principal);
    Ok(())
}

/// Lets operators through. It stands behind [`reader`].
pub(crate) async fn admin(
    State(state): State<AppState>,
    principal: Principal,
    occasion: Occasion,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    if !principal.is_admin() {
        // Dead letters are all that operators are told here.
        state.audit.refused(occasion.entry(Action::ReadDeadLetters, None, Outcome::Refused)).await;
        return Err(principal.lacks(ADMIN));
    }
    Ok(next.run(request).await)
}
