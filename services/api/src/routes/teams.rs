//! The teams that have a ranking.

use axum::{extract::State, response::Response};
use serde_json::Value;
use wire::teams::{TeamSummary, Teams};

use crate::{
    access::Principal,
    answer::{Reply, table::Tabular},
    cursor::Cursor,
    error::Error,
    example,
    parameters::{FormatParams, PageParams, PageQuery, foreign_cursor},
    problem::responses::OfList,
    published::Published,
    router::AppState,
};

/// The teams as a list to page through.
const LIST: &str = "teams";

/// A row for each team.
impl Tabular for Teams {
    const COLUMNS: &'static [&'static str] = &[
        "team",
        "as_of",
        "data_through",
        "formula",
        "snapshot",
        "confidence",
        "accounts",
        "items",
        "iterate",
        "first",
    ];

    fn rows(&self) -> Result<Vec<Value>, serde_json::Error> {
        self.items.iter().map(serde_json::to_value).collect()
    }
}

/// The teams that have a ranking
///
/// Those that the key may read, in the order of their ids.
#[utoipa::path(
    get,
    path = "/v1/teams",
    operation_id = "listTeams",
    tag = "teams",
    params(PageParams, FormatParams),
    responses(
        (status = 200, description = "A page of teams", body = Teams, example = json!(example_teams())),
        OfList,
    )
)]
pub(crate) async fn list(
    State(state): State<AppState>,
    principal: Principal,
    reply: Reply,
    query: PageQuery,
) -> Result<Response, Error> {
    state.loaded()?;
    let after = match query.cursor.as_ref().map(|sealed| sealed.of(LIST)) {
        None => None,
        Some(Some(Cursor::Teams { after })) => Some(after),
        Some(_) => return Err(foreign_cursor()),
    };
    let (page, more) = state.store.teams(principal.teams(), after, query.limit);
    let next = page.last().filter(|_| more).map(|last| Cursor::Teams { after: last.team().clone() }.encode(LIST));
    let items = page.iter().map(|published| summary(published)).collect();
    reply.document(&Teams { items, next_cursor: next.clone() }, next)
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

pub(crate) fn example_teams() -> Option<Teams> {
    let published = Published::new(example::ranking()).ok()?;
    Some(Teams { items: vec![summary(&published)], next_cursor: None })
}
