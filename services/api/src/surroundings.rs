//! What every request meets, whatever it asks for.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures::FutureExt as _;
use opentelemetry::global::{self, BoxedTracer};
use tower_http::cors::CorsLayer;

use crate::{
    ApiConfig,
    access::authenticate::{self, PathParams},
    compression, cors, envelope,
    error::Error,
    host::Hosts,
    limits::Limits,
    metrics::http::HttpMetrics,
    router::AppState,
    telemetry,
};

/// An id and a span, limits, the key, and an answer in few bytes: what stands around a router.
pub(crate) struct Surroundings {
    shared: Arc<Shared>,
    cors: Option<CorsLayer>,
}

/// What all requests share.
struct Shared {
    tracer: BoxedTracer,
    metrics: HttpMetrics,
    limits: Limits,
    hosts: Hosts,
}

/// What the requests of one router meet. Cheap to clone.
#[derive(Clone)]
struct Met {
    shared: Arc<Shared>,
    /// Who may come, where not everybody may.
    keys: Option<AppState>,
}

impl Surroundings {
    /// As configured. Every router of an API has the same, so that limits count for all of them together.
    pub(crate) fn new(config: &ApiConfig) -> Self {
        let shared = Shared {
            tracer: global::tracer("flywheel"),
            metrics: HttpMetrics::new(config.scheme()),
            limits: Limits::new(config),
            hosts: Hosts::new(config),
        };
        Self { shared: Arc::new(shared), cors: cors::layer(&config.cors_origins) }
    }

    /// Puts them around `router`. With `keys`, a request needs one that may read the team in its path.
    ///
    /// A layer costs each request a copy of what it surrounds, a future on the heap and some ten small allocations, so what stands
    /// together is one. Only where pages of other sites may read along does something stand between: they have to be able to read
    /// refusals too.
    pub(crate) fn around(&self, router: Router, keys: Option<AppState>) -> Router {
        let met = Met { shared: Arc::clone(&self.shared), keys };
        let router = router.method_not_allowed_fallback(async || Error::MethodNotAllowed);
        match self.cors.clone() {
            None => router.layer(middleware::from_fn_with_state(met, whole)),
            Some(cors) => router
                .layer(middleware::from_fn_with_state(met.clone(), inner))
                .layer(cors)
                .layer(middleware::from_fn_with_state(met, outer)),
        }
    }
}

async fn whole(State(met): State<Met>, params: PathParams, request: Request, next: Next) -> Response {
    tell(&met.shared, request, |request| respond(&met, params, request, next)).await
}

async fn outer(State(met): State<Met>, request: Request, next: Next) -> Response {
    tell(&met.shared, request, |request| next.run(request)).await
}

async fn inner(State(met): State<Met>, params: PathParams, request: Request, next: Next) -> Response {
    respond(&met, params, request, next).await
}

/// The outer half: an id and the usual headers, a span and a measurement.
async fn tell<F: Future<Output = Response>>(
    shared: &Shared,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    envelope::wrap(request, |request| telemetry::record(&shared.tracer, &shared.metrics, request, next)).await
}

/// The inner half: what a request may cost, whether it may come, and an answer in few bytes, even if the handler panics.
async fn respond(met: &Met, params: PathParams, request: Request, next: Next) -> Response {
    if let Err(error) = met.shared.hosts.check(&request) {
        return error.into_response();
    }
    let answered = met.shared.limits.enforce(request, |mut request| {
        let answer = async {
            if let Some(state) = &met.keys {
                authenticate::reader(state, params, &mut request).await?;
            }
            Ok::<_, Error>(compression::answer(request, next).await)
        };
        AssertUnwindSafe(answer).catch_unwind().map(|answered| answered.unwrap_or_else(|panic| Ok(panicked(panic))))
    });
    answered.await.unwrap_or_else(IntoResponse::into_response)
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
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

    fn surrounded(router: Router, config: &ApiConfig) -> Router {
        Surroundings::new(config).around(router, None)
    }

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
        let (status, media_type, body) = answer(surrounded(router, &ApiConfig::default()), "/").await;
        assert_eq!((status, media_type.as_str()), (500, "application/problem+json"));
        assert_eq!(body["type"], "urn:flywheel:problem:internal");
        assert!(!body.to_string().contains("secret"), "{body}");
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_a_504() {
        let router = Router::new().route("/", get(async || pending::<()>().await));
        let config = ApiConfig { request_ms_max: 12, ..ApiConfig::default() };
        let (status, _, body) = answer(surrounded(router, &config), "/").await;
        assert_eq!((status, &body["type"]), (504, &"urn:flywheel:problem:timeout".into()));
        assert_eq!(body["detail"], "no answer was ready within 12 ms");
    }

    #[tokio::test]
    async fn a_request_too_many_is_a_503_that_says_when_to_return() {
        let router = Router::new().route("/", get(async || pending::<()>().await));
        let config = ApiConfig { requests_in_flight_max: 1, ..ApiConfig::default() };
        let router = surrounded(router, &config);
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
