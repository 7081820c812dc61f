//! Sending what was planned, with progress.

use anyhow::{Context, bail};
use flywheel_sdk::{Emitter, Event};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::delivery::acknowledged;

/// Where there is no terminal, a line after so many events.
const LINE_EVENTS: u64 = 10_000;

/// Sends `events` in order and waits until Kafka has acknowledged all of them.
///
/// # Errors
/// When an event is not acknowledged, or `shutdown` comes first.
pub(super) async fn send(events: &[Event], emitter: &Emitter, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let progress = Progress::new(events.len() as u64);
    for event in events {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => bail!("stopped after {} of {} events; import again to send the rest", progress.sent(), events.len()),
            queued = emitter.emit(event) => queued.context("an event cannot be sent")?,
        };
        progress.step();
    }
    tokio::select! {
        flushed = acknowledged(emitter) => flushed.context("import again to send the rest")?,
        () = shutdown.cancelled() => bail!("stopped before Kafka acknowledged every event; import again to send the rest"),
    };
    progress.bar.finish_and_clear();
    Ok(())
}

struct Progress {
    bar: ProgressBar,
    total: u64,
}

impl Progress {
    fn new(total: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("sending {bar:40} {pos}/{len} events, {per_sec}") {
            bar.set_style(style);
        }
        Self { bar, total }
    }

    fn sent(&self) -> u64 {
        self.bar.position()
    }

    fn step(&self) {
        self.bar.inc(1);
        if self.bar.is_hidden() && (self.sent().is_multiple_of(LINE_EVENTS) || self.sent() == self.total) {
            tracing::info!(events.sent = self.sent(), events.total = self.total, "sending");
        }
    }
}
