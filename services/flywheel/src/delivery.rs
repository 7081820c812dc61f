//! Waiting until Kafka has what was emitted.

use std::time::Duration;

use anyhow::Context;
use flywheel_sdk::{Emitter, FlushError};

/// After so long without an acknowledgement of everything, the wait is spoken of, and again after as long.
const SPEAK_AFTER: Duration = Duration::from_secs(5);

/// Waits until Kafka has acknowledged every event. While Kafka is away it says so, until the emitter gives events up.
///
/// # Errors
/// When an event was given up.
pub(crate) async fn acknowledged(emitter: &Emitter) -> anyhow::Result<()> {
    loop {
        match emitter.flush(SPEAK_AFTER).await {
            Ok(_) => return Ok(()),
            Err(FlushError::TimedOut { report, .. }) => {
                tracing::warn!(events = report.queued(), "waiting for Kafka to acknowledge events");
            }
            Err(error) => return Err(error).context("Kafka did not acknowledge every event"),
        }
    }
}
