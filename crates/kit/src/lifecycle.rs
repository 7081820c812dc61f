//! The life of the process: roles run until one ends or a signal comes, then all stop in one deadline.

use std::{future::Future, time::Duration};

use anyhow::{Context, bail};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A token that is cancelled on SIGTERM or Ctrl-C.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "stopping"),
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "stopping"),
        }
        cancelled.cancel();
    });
    Ok(token)
}

/// The roles of one process.
#[derive(Debug)]
pub struct Roles {
    tasks: JoinSet<(&'static str, anyhow::Result<()>)>,
    shutdown: CancellationToken,
}

impl Roles {
    /// No roles yet; `shutdown` asks all of them to stop.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { tasks: JoinSet::new(), shutdown }
    }

    /// Starts a role.
    pub fn spawn(&mut self, name: &'static str, role: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.tasks.spawn(async move { (name, role.await) });
    }

    /// Waits until a shutdown is asked for or a role ends, then stops the rest within `shutdown_max`.
    ///
    /// # Errors
    /// When a role failed, ended before it was asked to, or did not stop in time; the message names it.
    pub async fn join(mut self, shutdown_max: Duration) -> anyhow::Result<()> {
        let early = tokio::select! {
            // A role that ends because it was asked to does not end early.
            biased;
            () = self.shutdown.cancelled() => None,
            ended = self.tasks.join_next() => ended,
        };
        self.shutdown.cancel();
        let mut first_failure = early.map(|ended| match ended {
            Ok((name, Ok(()))) => anyhow::anyhow!("role {name} ended although nobody asked it to"),
            Ok((name, Err(error))) => error.context(format!("role {name} failed")),
            Err(error) => anyhow::Error::new(error).context("a role panicked"),
        });
        let drain = async {
            while let Some(ended) = self.tasks.join_next().await {
                let failure = match ended {
                    Ok((_, Ok(()))) => continue,
                    Ok((name, Err(error))) => error.context(format!("role {name} failed while stopping")),
                    Err(error) => anyhow::Error::new(error).context("a role panicked while stopping"),
                };
                first_failure.get_or_insert(failure);
            }
        };
        if tokio::time::timeout(shutdown_max, drain).await.is_err() {
            bail!("the roles did not stop within {} ms", shutdown_max.as_millis());
        }
        first_failure.map_or(Ok(()), Err)
    }
}
