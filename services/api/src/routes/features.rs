//! What is behind a feature's place, and where it stood over time.

use axum::{extract::State, response::Response};
use domain::{limits::TIME_MIN, time::Timestamp};
use wire::{evidence::Evidence, history::History};

use crate::{
    access::{Principal, scope::EVIDENCE},
    answer::{self, Reply, format::Format},
    audit::{Action, Occasion, Outcome},
    error::Error,
    example,
    history::{Basis, EvidenceOf, Of, PlacesOf},
    parameters::{
        FormatParams, TeamFeature, TeamFeatureParams,
        instants::{EvidenceParams, EvidenceQuery, HistoryParams, HistoryQuery},
    },
    problem::responses::{OfFeature, OfHistory},
    router::AppState,
    withheld::Told,
};

/// A series has at most so many points: the newest.
const POINTS_MAX: u32 = 500;

/// A feature's evidence
///
/// The feature's place, and what put it there: its numbers by segment and tier, its need signals by kind, how it feels to those
/// who use it, and what was last said about it. As of the ranking published last, unless another instant is asked about.
/// With `texts=true` also who said it and in which words, which takes the scope `evidence:read`; each such reading is in the audit log.
#[utoipa::path(
    get,
    path = "/v1/teams/{team}/features/{feature}",
    operation_id = "getFeature",
    tag = "features",
    params(TeamFeatureParams, EvidenceParams, FormatParams),
    responses((status = 200, description = "The evidence", body = Evidence, example = json!(example::evidence())), OfFeature)
)]
pub(crate) async fn evidence(
    State(state): State<AppState>,
    TeamFeature(team, feature): TeamFeature,
    principal: Principal,
    occasion: Occasion,
    reply: Reply,
    query: EvidenceQuery,
) -> Result<Response, Error> {
    if query.texts && !principal.may_see_evidence() {
        state.audit.refused(occasion.entry(Action::ReadTexts, Some(&team), Outcome::Refused)).await;
        return Err(principal.lacks(EVIDENCE));
    }
    let published = state.team(&team)?;
    let sight = state.history.look().await?;
    let (of, moment) = match query.as_of {
        Some(as_of) => (Of::Computed, sight.moment("as_of", Some(as_of))?),
        None => {
            let as_of = published.as_of();
            (Of::Published(published), sight.of_published(as_of))
        }
    };
    let basis = sight.of_team(&team);
    let told = Told::to(&principal);
    let enquiry =
        EvidenceOf { team: team.clone(), feature: feature.clone(), of, moment, bound_us: query.bound_us, told };
    let evidence = state.history.ask(basis, enquiry).await?;
    // The other forms have no requests.
    if !query.texts || reply.format() != Format::Json {
        return reply.document(&*evidence, None);
    }
    let turn = state.history.turn().await?;
    let latest_requests = turn.written(&team, &feature, moment).await?;
    drop(turn);
    state.audit.told(occasion.entry(Action::ReadTexts, Some(&team), Outcome::Told)).await?;
    answer::unkept(&Evidence { latest_requests, ..Evidence::clone(&evidence) })
}

/// A feature's history
///
/// Where the published rankings had the feature: of each step the last one.
#[utoipa::path(
    get,
    path = "/v1/teams/{team}/features/{feature}/history",
    operation_id = "getHistory",
    tag = "features",
    params(TeamFeatureParams, HistoryParams, FormatParams),
    responses((status = 200, description = "The history", body = History, example = json!(example::history())), OfHistory)
)]
pub(crate) async fn history(
    State(state): State<AppState>,
    TeamFeature(team, feature): TeamFeature,
    reply: Reply,
    query: HistoryQuery,
) -> Result<Response, Error> {
    let published = state.team(&team)?;
    let until = state.history.look().await?.moment("to", query.to)?;
    let after = query.after(until.as_of)?;
    // There is no snapshot before the first possible event.
    let earliest = |at: Timestamp| at.max(TIME_MIN.plus_micros(-1));
    let enquiry = PlacesOf {
        team: team.clone(),
        feature: feature.clone(),
        span: ::store::Span {
            after: earliest(after),
            until: until.computed(),
            step_us: query.step_us(),
            points_max: POINTS_MAX,
        },
        newest: published.snapshot().to_owned(),
    };
    let points = state.history.ask(Basis::Fixed, enquiry).await?;
    let document = History {
        team: team.to_string(),
        feature: feature.to_string(),
        from: after.to_rfc3339(),
        to: until.as_of.to_rfc3339(),
        step_s: query.step_s,
        points: points.to_vec(),
    };
    reply.document(&document, None)
}
