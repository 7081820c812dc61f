//! The query API: what a team should build next, answered over HTTP.
//!
//! A follower reads the rankings topic into a [`store`]; the [`router`] answers what is current from that alone, so that
//! a hot read never waits for Kafka or ClickHouse. What was, and what would be under other assumptions, is computed for
//! the question: see [`history`]. What the answers mean is in `docs/api.md`, their shape in `schemas/openapi.json`.

use std::sync::Arc;

use anyhow::Context;
use kit::{
    config::{ClickHouseConfig, KafkaConfig},
    health::Health,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub mod access;
mod answer;
pub mod audit;
mod compression;
pub mod config;
pub mod cors;
mod cursor;
mod described;
mod docs;
mod envelope;
pub mod error;
mod example;
mod follower;
pub mod history;
pub mod host;
mod letters;
mod limits;
mod metrics;
mod page;
mod parameters;
mod problem;
pub mod published;
mod record;
pub mod router;
mod routes;
pub mod server;
mod shown;
pub mod store;
mod stream;
mod surroundings;
mod telemetry;
mod tls;
pub mod withheld;

use access::Access;
use audit::Audit;
pub use config::ApiConfig;
use history::History;
use router::AppState;
use store::Store;

/// Answers queries on the configured address until `shutdown`, and then drains the requests under way.
///
/// # Errors
/// When the configuration asks for something unsafe, the secret of the keys cannot be read, the address cannot be bound, the
/// certificate cannot be used, or Kafka's client fails for good.
pub async fn run(
    config: ApiConfig,
    kafka: KafkaConfig,
    clickhouse: ClickHouseConfig,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    config.check()?;
    allow_connections(config.connections_max);
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!("cannot listen on {}: free the port or choose another address with --api-listen", config.listen)
    })?;
    run_on(listener, config, kafka, clickhouse, health, shutdown).await
}

/// [`run`] on a listener that is bound already, whatever address the configuration names.
///
/// # Errors
/// When Kafka's client fails for good, the listener's address or the secret of the keys cannot be read, or the certificate cannot be
/// used.
pub async fn run_on(
    listener: TcpListener,
    config: ApiConfig,
    kafka: KafkaConfig,
    clickhouse: ClickHouseConfig,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let store = Arc::new(Store::new(config.teams_max, config.snapshots_kept_max));
    let part = health.part("api");
    metrics::observe(&store);
    let access = Access::new(&config)?;
    let clickhouse = kit::clickhouse::client(&clickhouse);
    let history = History::new(clickhouse.clone(), &config);
    let audit = Audit::new(config.audit_file.clone(), clickhouse.clone());
    if config.knows_askers() {
        audit.warn_if_unwritable();
    }
    let stop = shutdown.child_token();
    let state = AppState::new(Arc::clone(&store), history, access.clone(), health.clone()).auditing(audit);
    tracing::info!(server.address = %listener.local_addr().context("cannot read the listener's address")?, "api is listening");
    let serving = async {
        let outcome = server::serve(listener, state, &config, stop.clone()).await;
        stop.cancel();
        outcome
    };
    // A follower that fails takes the server with it: answers that nothing refreshes must not pass for current ones.
    let following = async {
        let outcome = follower::run(kafka, store, part, stop.clone()).await;
        stop.cancel();
        outcome
    };
    let knowing = access.follow(clickhouse, &health, stop.clone());
    let (served, followed, ()) = tokio::join!(serving, following, knowing);
    served.and(followed)
}

/// Files that the process needs for everything but the API's connections, at the most.
const OTHER_FILES_MAX: u64 = 512;

/// Sees to it that so many connections can be open, or says that they cannot.
fn allow_connections(connections_max: usize) {
    match kit::files::allow_most() {
        Ok(files_max) if files_max < connections_max as u64 + OTHER_FILES_MAX => tracing::warn!(
            files_max,
            connections_max,
            "fewer files may be open than connections are allowed; raise the limit or lower --api-connections-max"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(error = format!("{error:#}"), "the limit on open files stays as it is"),
    }
}
