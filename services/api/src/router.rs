//! The table of contents: every path. `surroundings` has what every request meets before it comes to one.

use std::{ops::Deref, sync::Arc};

use axum::{Router, body::Bytes, middleware};
use domain::ids::TeamId;
use kit::health::Health;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ApiConfig,
    access::{Access, authenticate, demands, oidc::Tokens},
    answer,
    audit::Audit,
    described,
    docs::Docs,
    error::{Error, ParameterError},
    history::History,
    problem::Problem,
    published::Published,
    routes::{dead_letters, diff, features, outcome, portfolio, probes, rankings, stream, teams},
    store::Store,
    stream::Streams,
    surroundings::Surroundings,
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
    let keyed = readers.merge(operators.layer(middleware::from_fn_with_state(state.clone(), authenticate::admin)));
    let open = open.fallback(async || Error::UnknownPath).with_state(state.clone());
    let surroundings = Surroundings::new(config);
    surroundings.around(open, None).merge(surroundings.around(keyed.with_state(state.clone()), Some(state)))
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
