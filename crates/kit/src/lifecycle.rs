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

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    /// What joining says when `roles` run beside one that stops as it should.
    async fn join(add: impl FnOnce(&mut Roles, &CancellationToken)) -> Result<(), String> {
        let shutdown = CancellationToken::new();
        let mut roles = Roles::new(shutdown.clone());
        let orderly = shutdown.clone();
        roles.spawn("orderly", async move {
            orderly.cancelled().await;
            Ok(())
        });
        add(&mut roles, &shutdown);
        roles.join(SOON).await.map_err(|error| format!("{error:#}"))
    }

    #[tokio::test]
    async fn roles_that_stop_when_asked_are_a_success() {
        assert_eq!(join(|_, shutdown| shutdown.cancel()).await, Ok(()));
    }

    #[tokio::test]
    async fn a_role_that_fails_stops_the_others_and_is_named() {
        let failed = join(|roles, _| roles.spawn("ingest", async { anyhow::bail!("no luck") })).await;
        assert_eq!(failed, Err("role ingest failed: no luck".to_owned()));
    }

    #[tokio::test]
    async fn a_role_that_just_ends_is_a_failure_too() {
        let ended = join(|roles, _| roles.spawn("api", async { Ok(()) })).await;
        assert_eq!(ended, Err("role api ended although nobody asked it to".to_owned()));
    }

    #[tokio::test]
    async fn a_panic_is_a_failure() {
        let panicked = join(|roles, _| roles.spawn("api", async { panic!("a bug") })).await;
        assert!(panicked.is_err_and(|error| error.starts_with("a role panicked")));
    }

    #[tokio::test]
    async fn a_role_that_does_not_stop_is_left_behind_at_the_deadline() {
        let stuck = join(|roles, shutdown| {
            roles.spawn("stuck", std::future::pending());
            shutdown.cancel();
        });
        assert_eq!(stuck.await, Err("the roles did not stop within 50 ms".to_owned()));
    }
}
