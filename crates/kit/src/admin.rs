//! The admin port: metrics for Prometheus, and the probes that an orchestrator asks.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context;
use axum::{
    Json, Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{health::Health, telemetry::Metrics};

/// Requests still open this long after the shutdown began are cut off: nobody's data hangs on them.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// Serves `/metrics`, `/livez` and `/readyz` until `shutdown`.
///
/// # Errors
/// When the listener fails.
pub async fn run(
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let router = probes(health).route("/metrics", get(move || async move { render(&metrics) }));
    let server = axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let cut_off = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_MAX).await;
    };
    tokio::select! {
        served = server => served.context("the admin port failed"),
        () = cut_off => Ok(()),
    }
}

/// `/livez` and `/readyz`, for a role to serve on its own port too.
pub fn probes<S: Clone + Send + Sync + 'static>(health: Health) -> Router<S> {
    Router::new().route("/livez", get(livez)).route("/readyz", get(move || async move { readyz(&health) }))
}

/// The process runs and can answer: that alone is what liveness asks, so that an outage elsewhere restarts nobody.
pub async fn livez() -> StatusCode {
    StatusCode::OK
}

/// 200 when every part is ready; else 503 and the parts that are not.
pub fn readyz(health: &Health) -> (StatusCode, Json<Readiness>) {
    let unready = health.unready();
    let status = if unready.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready: unready.is_empty(), unready }))
}

/// What `/readyz` answers.
#[derive(Clone, Debug, Serialize)]
pub struct Readiness {
    /// Every part can do its work.
    pub ready: bool,
    /// The parts that cannot, and why.
    pub unready: BTreeMap<&'static str, String>,
}

fn render(metrics: &Metrics) -> Response {
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "cannot render metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
