//! One feature's evidence.

use axum::{body::Bytes, extract::State, http::HeaderMap, response::Response};
use serde::Serialize;
use utoipa::ToSchema;
use wire::ranking::{Confidence, Item, Parameters, Population};

use super::tagged;
use crate::{
    error::Error,
    example,
    parameters::{NoQuery, TeamFeature, TeamFeatureParams},
    problem::responses::OfFeature,
    published::{Listed, Published},
    router::AppState,
};

/// A feature's place in its team's current ranking, and what put it there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Evidence<'a> {
    /// The team.
    team: &'a str,
    /// The feature.
    feature: &'a str,
    /// The segment the population is restricted to; `null` for all accounts.
    segment: Option<&'a str>,
    /// The instant T the numbers are computed for.
    as_of: &'a str,
    /// Every event with a time up to this instant is in the numbers.
    data_through: &'a str,
    /// Name of the formula.
    formula: &'a str,
    /// Id of the published snapshot that the numbers are of.
    snapshot: &'a str,
    /// Whether the population is large enough to rank.
    confidence: Confidence,
    /// The parameters of the formula.
    parameters: &'a Parameters,
    /// The accounts that the shares are shares of.
    population: &'a Population,
    /// The list of the ranking in which it stands: its rank counts among those.
    listed: Listed,
    /// The feature as the ranking has it.
    item: &'a Item,
}

/// A feature's evidence
///
/// The numbers behind a feature's place, from the same snapshot as the ranking.
#[utoipa::path(
    get,
    path = "/v1/teams/{team}/features/{feature}",
    operation_id = "getFeature",
    tag = "features",
    params(TeamFeatureParams),
    responses(
        (status = 200, description = "The evidence",
            headers(("etag" = String, description = "Changes when the answer does, `data_through` apart")),
            body = Evidence, example = json!(example_evidence())),
        (status = 304, description = "The answer is the one that `If-None-Match` names"),
        OfFeature,
    )
)]
pub(crate) async fn evidence(
    State(state): State<AppState>,
    TeamFeature(team, feature): TeamFeature,
    _: NoQuery,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let published = state.team(&team)?;
    let (listed, item) = published
        .feature(feature.as_str())
        .ok_or_else(|| Error::UnknownFeature { team: team.to_string(), feature: feature.to_string() })?;
    let body = serde_json::to_vec(&describe(&published, listed, item)).map_err(Error::internal)?;
    Ok(tagged(&headers, Published::etag(published.snapshot(), feature.as_str()), || Bytes::from(body)))
}

fn describe<'a>(published: &'a Published, listed: Listed, item: &'a Item) -> Evidence<'a> {
    let ranking = published.ranking();
    Evidence {
        team: &ranking.team,
        feature: &item.feature,
        segment: ranking.segment.as_deref(),
        as_of: &ranking.as_of,
        data_through: &ranking.data_through,
        formula: &ranking.formula,
        snapshot: published.snapshot(),
        confidence: ranking.confidence,
        parameters: &ranking.parameters,
        population: &ranking.population,
        listed,
        item,
    }
}

fn example_evidence() -> Option<serde_json::Value> {
    let published = Published::new(example::ranking()).ok()?;
    let (listed, item) = published.feature("secondary-indexes")?;
    serde_json::to_value(describe(&published, listed, item)).ok()
}
