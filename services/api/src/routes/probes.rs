//! What operators and tools ask: is it alive, is it ready, which version is it, what does it offer.

use axum::{
    Json,
    extract::State,
    http::{
        HeaderValue,
        header::{ACCEPT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY},
    },
    response::IntoResponse,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::JSON;
use crate::{
    error::Error,
    problem::responses::{Always, WhenUnready},
    router::AppState,
};

/// The process is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Well {
    /// Always `ok`.
    status: &'static str,
}

/// Which build this is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Version {
    /// The product.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// The commit it was built from; `null` where the build did not say.
    git_commit: Option<&'static str>,
}

/// Whether the process is alive
///
/// It says nothing of Kafka or ClickHouse: restarting would not bring those back.
#[utoipa::path(get, path = "/livez", operation_id = "getLiveness", tag = "operations", responses(
    (status = 200, description = "It is alive", body = Well, example = json!(OK)),
    Always,
))]
pub(crate) async fn livez() -> Json<Well> {
    Json(OK)
}

/// Whether every part of the process can do its work
#[utoipa::path(get, path = "/readyz", operation_id = "getReadiness", tag = "operations", responses(
    (status = 200, description = "It is ready", body = Well, example = json!(OK)),
    WhenUnready,
))]
pub(crate) async fn readyz(State(state): State<AppState>) -> Result<Json<Well>, Error> {
    let unready = state.health.unready();
    if unready.is_empty() { Ok(Json(OK)) } else { Err(Error::Unready(unready)) }
}

/// Which build this is
#[utoipa::path(get, path = "/version", operation_id = "getVersion", tag = "operations", responses(
    (status = 200, description = "The build", body = Version,
        example = json!({"name": "flywheel", "version": "0.1.0", "git_commit": null})),
    Always,
))]
pub(crate) async fn version() -> Json<Version> {
    Json(Version {
        name: "flywheel",
        version: env!("CARGO_PKG_VERSION"),
        git_commit: option_env!("FLYWHEEL_GIT_COMMIT"),
    })
}

/// This document
#[utoipa::path(get, path = "/openapi.json", operation_id = "getOpenApi", tag = "operations", responses(
    (status = 200, description = "The OpenAPI 3.1 description of this API", body = serde_json::Value,
        example = json!({"openapi": "3.1.0"})),
    Always,
))]
pub(crate) async fn openapi(State(state): State<AppState>) -> impl IntoResponse {
    ([(CONTENT_TYPE, JSON), (VARY, ACCEPT_ENCODING.into())], state.openapi.clone())
}

/// This document as a page
///
/// For people: it has no scripts, and needs nothing from elsewhere.
#[utoipa::path(get, path = "/docs", operation_id = "getDocs", tag = "operations", responses(
    (status = 200, description = "The page", content_type = "text/html; charset=utf-8", body = String,
        example = "<!doctype html>..."),
    Always,
))]
pub(crate) async fn docs(State(state): State<AppState>) -> impl IntoResponse {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    (
        [(CONTENT_TYPE, html), (VARY, ACCEPT_ENCODING.into()), (CONTENT_SECURITY_POLICY, state.docs.policy.clone())],
        state.docs.page.clone(),
    )
}

const OK: Well = Well { status: "ok" };
