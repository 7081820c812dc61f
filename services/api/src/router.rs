//! The table of contents: every path, and what surrounds them all.

use std::{ops::Deref, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use domain::ids::TeamId;
use kit::health::Health;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiConfig,
    access::{Access, authenticate, demands, oidc::Tokens},
    answer,
    audit::Audit,
    compression, cors, described,
    docs::Docs,
    envelope,
    error::{Error, ParameterError},
    history::History,
    host::Hosts,
    limits::Limits,
    metrics::http::HttpMetrics,
    problem::Problem,
    published::Published,
    routes::{dead_letters, diff, features, outcome, portfolio, probes, rankings, stream, teams},
    store::Store,
    stream::Streams,
    telemetry,
};

/// What the handlers share. Cheap to clone, which a request does several times: one count, not one for each part.
#[derive(Clone)]
pub struct AppState(Arc<Parts>);

/// The parts of an [`AppState`].
#[derive(Clone)]
pub struct Parts {
    pub(crate) store: Arc<Store>,
    pub(crate) history: History,
    pub(crate) access: Access,
    pub(crate) health: Health,
    pub(crate) openapi: Bytes,
    pub(crate) docs: Docs,
    pub(crate) streams: Streams,
    stopping: CancellationToken,
    pub(crate) tokens: Tokens,
    pub(crate) audit: Audit,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Flywheel query API",
        version = "1",
        description = "What should a team build next, why, and how sure is that? Rankings of features by what accounts ask \
            for and by what their usage shows they need.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "http://127.0.0.1:8080", description = "The default address")),
    // Errors are described by hand, so their schema is not found by itself.
    components(schemas(Problem, ParameterError)),
    tags(
        (name = "rankings", description = "What to build next"),
        (name = "features", description = "The evidence for one feature"),
        (name = "teams", description = "Who has a ranking"),
        (name = "operations", description = "Probes and descriptions")
    )
)]
struct Document;

/// What anybody may ask.
fn open() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(probes::livez))
        .routes(routes!(probes::readyz))
        .routes(routes!(probes::version))
        .routes(routes!(probes::openapi))
        .routes(routes!(probes::docs))
}

/// What readers may ask, each of the teams that they may read.
fn readers() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(teams::list))
        .routes(routes!(rankings::current))
        .routes(routes!(stream::of_rankings))
        .routes(routes!(rankings::snapshot))
        .routes(routes!(diff::between))
        .routes(routes!(features::evidence))
        .routes(routes!(features::history))
        .routes(routes!(outcome::of_launch))
        .routes(routes!(portfolio::all_teams))
}

/// What operators may ask.
fn operators() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(dead_letters::list))
}

/// The whole API as a service.
pub fn router(state: AppState, config: &ApiConfig) -> Router {
    let streams = Streams::new(config.streams_max, config.access.key_streams_max, state.stopping.clone());
    let state = state.with(|parts| parts.streams = streams);
    let [(open, _), (readers, _), (operators, _)] =
        [open(), readers(), operators()].map(OpenApiRouter::split_for_parts);
    let keyed = readers
        .merge(operators.layer(middleware::from_fn_with_state(state.clone(), authenticate::admin)))
        .layer(middleware::from_fn_with_state(state.clone(), authenticate::reader));
    surround(open.merge(keyed).with_state(state), config)
}

/// The OpenAPI document of [`router`], as it is served.
pub fn openapi() -> Vec<u8> {
    let [(_, mut document), (_, readers), (_, operators)] =
        [open(), readers(), operators()].map(OpenApiRouter::split_for_parts);
    document.merge(demands::readers(readers));
    document.merge(demands::operators(operators));
    demands::scheme(&mut document);
    answer::complete(&mut document);
    let document = described::headers(document);
    // Serializing into memory fails only for maps with odd keys, which the document has not; a test reads it.
    let mut text = serde_json::to_vec_pretty(&document).unwrap_or_default();
    text.push(b'\n');
    text
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl AppState {
    /// The state of an API that answers from `store` what is current, from `history` what was, to whom `access` lets in, and
    /// reports `health`.
    pub fn new(store: Arc<Store>, history: History, access: Access, health: Health) -> Self {
        let stopping = CancellationToken::new();
        let config = ApiConfig::default();
        let streams = Streams::new(config.streams_max, config.access.key_streams_max, stopping.clone());
        let openapi = openapi();
        let docs = Docs::of(&openapi);
        let (openapi, tokens, audit) = (Bytes::from(openapi), Tokens::default(), Audit::default());
        let parts = Parts { store, history, access, health, openapi, docs, streams, stopping, tokens, audit };
        Self(Arc::new(parts))
    }

    /// The same; its streams end when `stopping` is cancelled.
    #[must_use]
    pub fn stopping(self, stopping: CancellationToken) -> Self {
        self.with(|parts| parts.stopping = stopping)
    }

    /// The same; it takes these tokens too.
    #[must_use]
    pub(crate) fn taking(self, tokens: Tokens) -> Self {
        self.with(|parts| parts.tokens = tokens)
    }

    /// The same; it writes down there who reads what persons wrote. Without that, nobody does.
    #[must_use]
    pub fn auditing(self, audit: Audit) -> Self {
        self.with(|parts| parts.audit = audit)
    }

    fn with(self, change: impl FnOnce(&mut Parts)) -> Self {
        let mut parts = Arc::unwrap_or_clone(self.0);
        change(&mut parts);
        Self(Arc::new(parts))
    }

    /// The team's current ranking.
    pub(crate) fn team(&self, team: &TeamId) -> Result<Arc<Published>, Error> {
        self.loaded()?;
        self.store.current(team.as_str()).ok_or_else(|| Error::UnknownTeam { team: team.to_string() })
    }

    /// Until all that was published has been read, an answer may be old or missing, so there is none.
    pub(crate) fn loaded(&self) -> Result<(), Error> {
        if self.store.loaded() { Ok(()) } else { Err(Error::Loading) }
    }
}

/// Puts around `router` what every request meets; the first to meet it is the last named here.
///
/// A layer costs each request a few allocations, so what always stands together is one.
fn surround(router: Router, config: &ApiConfig) -> Router {
    let answering = router
        .fallback(async || Error::UnknownPath)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(ServiceBuilder::new().layer(compression::layer()).layer(CatchPanicLayer::custom(panicked)))
        .layer(middleware::from_fn_with_state((Limits::new(config), Hosts::new(config)), limit));
    let readable = match cors::layer(&config.cors_origins) {
        Some(cors) => answering.layer(cors),
        None => answering,
    };
    readable.layer(middleware::from_fn_with_state(Arc::new(HttpMetrics::new(config.scheme())), tell))
}

async fn limit(
    State((limits, hosts)): State<(Limits, Hosts)>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    hosts.check(&request)?;
    limits.enforce(request, |request| next.run(compression::plain_too(request))).await
}

async fn tell(State(metrics): State<Arc<HttpMetrics>>, request: Request, next: Next) -> Response {
    envelope::wrap(request, |request| telemetry::record(&metrics, request, |request| next.run(request))).await
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = message.unwrap_or("not a text"), "a handler panicked");
    Error::Internal.into_response()
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use axum::{
        body::{Body, to_bytes},
        http::Request,
        routing::get,
    };
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;

    async fn answer(router: Router, path: &str) -> (u16, String, Value) {
        let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = to_bytes(response.into_body(), 65_536).await.unwrap();
        (status, media_type, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_a_500_that_leaks_nothing() {
        let router = Router::new().route("/", get(async || -> () { panic!("the secret") }));
        let (status, media_type, body) = answer(surround(router, &ApiConfig::default()), "/").await;
        assert_eq!((status, media_type.as_str()), (500, "application/problem+json"));
        assert_eq!(body["type"], "urn:flywheel:problem:internal");
        assert!(!body.to_string().contains("secret"), "{body}");
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_a_504() {
        let router = Router::new().route("/", get(async || pending::<()>().await));
        let config = ApiConfig { request_ms_max: 12, ..ApiConfig::default() };
        let (status, _, body) = answer(surround(router, &config), "/").await;
        assert_eq!((status, &body["type"]), (504, &"urn:flywheel:problem:timeout".into()));
        assert_eq!(body["detail"], "no answer was ready within 12 ms");
    }

    #[tokio::test]
    async fn a_request_too_many_is_a_503_that_says_when_to_return() {
        let router = Router::new().route("/", get(async || pending::<()>().await));
        let config = ApiConfig { requests_in_flight_max: 1, ..ApiConfig::default() };
        let router = surround(router, &config);
        let mut stuck = Box::pin(answer(router.clone(), "/"));
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut stuck).await.is_err());
        let second = Request::get("/").body(Body::empty()).unwrap();
        let refused = router.clone().oneshot(second).await.unwrap();
        assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "1"));
        // The first one's client leaves, and with it goes what it held.
        drop(stuck);
        assert!(tokio::time::timeout(Duration::from_millis(1), answer(router, "/")).await.is_err());
    }
}
