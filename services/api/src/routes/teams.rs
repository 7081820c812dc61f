//! The teams that have a ranking.

use axum::{Json, extract::State};
use wire::teams::{TeamSummary, Teams};

use crate::{
    access::Principal,
    cursor::Cursor,
    error::Error,
    example,
    parameters::{PageParams, PageQuery, foreign_cursor},
    problem::responses::OfList,
    published::Published,
    router::AppState,
};

/// The teams that have a ranking
///
/// Those that the key may read, in the order of their ids.
#[utoipa::path(
    get,
    path = "/v1/teams",
    operation_id = "listTeams",
    tag = "teams",
    params(PageParams),
    responses(
        (status = 200, description = "A page of teams", body = Teams, example = json!(example_teams())),
        OfList,
    )
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    principal: Principal,
    query: PageQuery,
) -> Result<Json<Teams>, Error> {
    state.loaded()?;
    let after = match query.cursor {
        None => None,
        Some(Cursor::Teams { after }) => Some(after),
        Some(_) => return Err(foreign_cursor()),
    };
    let (page, more) = state.store.teams(principal.teams(), after.as_ref(), query.limit);
    let next = page.last().filter(|_| more).map(|last| Cursor::Teams { after: last.team().clone() }.encode());
    Ok(Json(Teams { items: page.iter().map(|published| summary(published)).collect(), next_cursor: next }))
}

fn summary(published: &Published) -> TeamSummary {
    let ranking = published.ranking();
    TeamSummary {
        team: ranking.team.clone(),
        as_of: ranking.as_of.clone(),
        data_through: ranking.data_through.clone(),
        formula: ranking.formula.clone(),
        snapshot: published.snapshot().to_owned(),
        confidence: ranking.confidence,
        accounts: ranking.population.accounts,
        items: ranking.items.len(),
        iterate: ranking.iterate.len(),
        first: ranking.items.first().map(|item| item.feature.clone()),
    }
}

fn example_teams() -> Option<Teams> {
    let published = Published::new(example::ranking()).ok()?;
    Some(Teams { items: vec![summary(&published)], next_cursor: None })
}
