//! What is behind a feature's place, and where it stood over time.

use axum::{Json, extract::State};
use domain::{ids::FeatureId, limits::TIME_MIN, time::Timestamp};
use wire::{
    evidence::{Evidence, Listed},
    history::{History, Place, Point, Shown},
    ranking::{Item, Ranking},
};

use crate::{
    error::Error,
    example,
    parameters::{
        TeamFeature, TeamFeatureParams,
        instants::{EvidenceParams, EvidenceQuery, HistoryParams, HistoryQuery},
        ranking::Question,
    },
    problem::responses::{OfFeature, OfHistory},
    router::AppState,
    shown,
};

/// So many of the latest requests are shown.
const REQUESTS_MAX: u32 = 20;
/// A series has at most so many points: the newest.
const POINTS_MAX: u32 = 500;

/// A feature's evidence
///
/// The feature's place, and what put it there: its numbers by segment and tier, its need signals by kind, how it feels to those
/// who use it, and what was last said about it. As of the ranking published last, unless another instant is asked about.
#[utoipa::path(
    get,
    path = "/v1/teams/{team}/features/{feature}",
    operation_id = "getFeature",
    tag = "features",
    params(TeamFeatureParams, EvidenceParams),
    responses((status = 200, description = "The evidence", body = Evidence, example = json!(example::evidence())), OfFeature)
)]
pub(crate) async fn evidence(
    State(state): State<AppState>,
    TeamFeature(team, feature): TeamFeature,
    query: EvidenceQuery,
) -> Result<Json<Evidence>, Error> {
    let published = state.team(&team)?;
    let turn = state.history.turn().await?;
    let instant = match query.as_of {
        Some(as_of) => turn.instant("as_of", Some(as_of))?,
        None => turn.of_published(published.as_of()),
    };
    let at = instant.computed();
    let computed = match query.as_of {
        None => None,
        Some(_) => Some(turn.ranking(&team, instant, &Question::default()).await?),
    };
    let ranking = computed.as_ref().unwrap_or(published.ranking());

    let away = |error| Error::history(&error);
    let catalog = turn.store.catalog(&team, at).await.map_err(away)?;
    let assumptions = domain::assumptions::Assumptions::of(catalog.parameters());
    let (found, experience, latest) = tokio::try_join!(
        turn.store.evidence(&team, &feature, at, &catalog, &assumptions),
        turn.store.experience(&team, &feature, at, &catalog, &assumptions.parameters, query.bound_us),
        turn.store.latest_requests(&team, &feature, at, &catalog, REQUESTS_MAX, ::store::Texts::Left),
    )
    .map_err(away)?;
    if !found.known {
        return Err(Error::UnknownFeature { team: team.to_string(), feature: feature.to_string() });
    }
    let window_days = assumptions.parameters.activity_window_days;
    let within = match shown::may_lie_within(&found) {
        true => turn.store.segments_within(&team, at, window_days).await.map_err(away)?,
        false => Vec::new(),
    };
    let place = place(ranking, &found.feature);
    Ok(Json(Evidence {
        team: team.to_string(),
        feature: found.feature.to_string(),
        merged: found.merged.iter().map(ToString::to_string).collect(),
        as_of: ranking.as_of.clone(),
        data_through: ranking.data_through.clone(),
        formula: ranking.formula.clone(),
        snapshot: ranking.snapshot.clone(),
        confidence: ranking.confidence,
        parameters: ranking.parameters.clone(),
        population: ranking.population.clone(),
        listed: place.map(|(listed, _)| listed),
        item: place.map(|(_, item)| item.clone()),
        segments: shown::segments(&found, &within),
        tiers: shown::tiers(&found),
        signals: shown::signals(&found.signals),
        experience: shown::experience(&experience),
        latest_requests: latest.iter().map(shown::said).collect(),
    }))
}

/// Where the ranking has the feature.
fn place<'a>(ranking: &'a Ranking, feature: &FeatureId) -> Option<(Listed, &'a Item)> {
    let find = |list: &'a [Item]| list.iter().find(|item| item.feature == feature.as_str());
    let item = find(&ranking.items).map(|item| (Listed::Items, item));
    item.or_else(|| find(&ranking.iterate).map(|item| (Listed::Iterate, item)))
}

/// A feature's history
///
/// Where the published rankings had the feature: of each step the last one.
#[utoipa::path(
    get,
    path = "/v1/teams/{team}/features/{feature}/history",
    operation_id = "getHistory",
    tag = "features",
    params(TeamFeatureParams, HistoryParams),
    responses((status = 200, description = "The history", body = History, example = json!(example::history())), OfHistory)
)]
pub(crate) async fn history(
    State(state): State<AppState>,
    TeamFeature(team, feature): TeamFeature,
    query: HistoryQuery,
) -> Result<Json<History>, Error> {
    state.team(&team)?;
    let turn = state.history.turn().await?;
    let until = turn.instant("to", query.to)?;
    let after = query.after(until.as_of)?;
    // There is no snapshot before the first possible event.
    let earliest = |at: Timestamp| at.max(TIME_MIN.plus_micros(-1));
    let span = ::store::Span {
        after: earliest(after),
        until: until.computed(),
        step_us: query.step_us(),
        points_max: POINTS_MAX,
    };
    let points = turn.store.history(&team, &feature, span).await.map_err(|error| Error::history(&error))?;
    Ok(Json(History {
        team: team.to_string(),
        feature: feature.to_string(),
        from: after.to_rfc3339(),
        to: until.as_of.to_rfc3339(),
        step_s: query.step_s,
        points: points.into_iter().map(point).collect(),
    }))
}

fn point(point: ::store::Point) -> Point {
    let shown = |shown: ::store::Shown| Shown {
        share: shown.share,
        low: shown.low,
        high: shown.high,
        accounts: shown.accounts,
    };
    Point {
        as_of: point.as_of.to_rfc3339(),
        snapshot: point.snapshot,
        accounts: point.accounts,
        place: point.place.map(|place| Place {
            launched: place.launched,
            rank: place.rank,
            rank_low: place.rank_low,
            rank_high: place.rank_high,
            score: place.score,
            demand: shown(place.demand),
            need: shown(place.need),
            measured: place.measured,
        }),
    }
}
