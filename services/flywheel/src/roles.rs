//! Runs the roles of one process, with the admin port and the watch over Kafka and ClickHouse beside them.

use anyhow::Context as _;
use kit::{config::ClickHouseConfig, health::Health, lifecycle::Roles, telemetry::Metrics};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::{Api, Ingest, Process, Rank, Run};

/// `flywheel run`.
pub(crate) async fn run(options: Run, metrics: Metrics, shutdown: CancellationToken) -> anyhow::Result<()> {
    options.api.check()?;
    let Run { process, clickhouse, ingest, ranker, api } = options;
    let mut host = Host::start(process, Some(clickhouse.ingest()), metrics, shutdown).await?;
    let (kafka, health, token) = (host.process.kafka.clone(), host.health.clone(), host.shutdown.clone());
    let (ingest_user, ranker_user) = (clickhouse.ingest(), clickhouse.ranker());
    host.roles.spawn("ingest", ingest::run(ingest, kafka.clone(), ingest_user, health.clone(), token.clone()));
    host.roles.spawn("ranker", ranker::run(ranker, kafka.clone(), ranker_user, health.clone(), token.clone()));
    host.roles.spawn("api", api::run(api, kafka, clickhouse.api(), health, token));
    host.join().await
}

/// `flywheel ingest`.
pub(crate) async fn ingest(options: Ingest, metrics: Metrics, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Ingest { process, clickhouse, ingest } = options;
    let mut host = Host::start(process, Some(clickhouse.ingest()), metrics, shutdown).await?;
    let (kafka, health) = (host.process.kafka.clone(), host.health.clone());
    host.roles.spawn("ingest", ingest::run(ingest, kafka, clickhouse.ingest(), health, host.shutdown.clone()));
    host.join().await
}

/// `flywheel rank`.
pub(crate) async fn rank(options: Rank, metrics: Metrics, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Rank { process, clickhouse, ranker } = options;
    let mut host = Host::start(process, Some(clickhouse.ranker()), metrics, shutdown).await?;
    let (kafka, health) = (host.process.kafka.clone(), host.health.clone());
    host.roles.spawn("ranker", ranker::run(ranker, kafka, clickhouse.ranker(), health, host.shutdown.clone()));
    host.join().await
}

/// `flywheel api`. Its hot reads come from memory, so ClickHouse is none of its readiness.
pub(crate) async fn api(options: Api, metrics: Metrics, shutdown: CancellationToken) -> anyhow::Result<()> {
    options.api.check()?;
    let Api { process, clickhouse, api } = options;
    let mut host = Host::start(process, None, metrics, shutdown).await?;
    let (kafka, health) = (host.process.kafka.clone(), host.health.clone());
    host.roles.spawn("api", api::run(api, kafka, clickhouse.api(), health, host.shutdown.clone()));
    host.join().await
}

/// What every role runs beside.
struct Host {
    process: Process,
    health: Health,
    roles: Roles,
    shutdown: CancellationToken,
}

impl Host {
    async fn start(
        process: Process,
        clickhouse: Option<ClickHouseConfig>,
        metrics: Metrics,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(process.admin.listen).await.with_context(|| {
            format!(
                "cannot listen on {} for the admin port; free it or choose another with --admin-listen",
                process.admin.listen
            )
        })?;
        tracing::info!(server.address = %process.admin.listen, "admin port is open");
        let health = Health::default();
        let mut roles = Roles::new(shutdown.clone());
        roles.spawn("admin", kit::admin::run(listener, health.clone(), metrics, shutdown.clone()));
        let watch = kit::dependency::run(process.kafka.clone(), clickhouse, health.clone(), shutdown.clone());
        roles.spawn("dependencies", watch);
        Ok(Self { process, health, roles, shutdown })
    }

    /// Waits for the end, and turns readiness red as soon as it begins.
    async fn join(self) -> anyhow::Result<()> {
        let part = self.health.part("process");
        part.ready();
        let shutdown = self.shutdown.clone();
        let red = async move {
            shutdown.cancelled().await;
            part.unready("stopping");
        };
        let (joined, ()) = tokio::join!(self.roles.join(self.process.lifecycle.shutdown_max()), red);
        joined
    }
}
