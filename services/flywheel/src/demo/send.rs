//! Sending the demonstration through Kafka, like anybody's events.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use domain::time::Timestamp;
use flywheel_sdk::Emitter;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::delivery::acknowledged;

use super::{
    emission::Emission,
    history::{history, marker},
    live::live,
    past::Told,
};

/// On the way out the last live events may take so long; the process's own deadline is longer.
const FLUSH_LAST_MAX: Duration = Duration::from_secs(10);
/// Live events are sent in steps of this length.
const STEP: Duration = Duration::from_millis(50);
/// How often the live traffic reports.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    events: u64,
    repeats: u64,
    malformed: u64,
}

impl Sent {
    async fn emit(&mut self, emission: Emission, emitter: &Emitter) -> anyhow::Result<()> {
        let (count, queued) = match emission {
            Emission::Event(event) => (&mut self.events, emitter.emit(&event).await),
            Emission::Repeat(event) => (&mut self.repeats, emitter.emit(&event).await),
            Emission::Malformed(record) => (&mut self.malformed, emitter.emit_record(record).await),
        };
        queued.context("an event cannot be sent")?;
        *count += 1;
        Ok(())
    }
}

/// Sends the history between its two marks.
///
/// # Errors
/// When Kafka does not acknowledge every record, or `shutdown` comes first; the next run sends the same history again.
pub(super) async fn tell(told: Told, emitter: &Emitter, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut sent = Sent::default();
    let telling = async {
        emitter.emit(&marker(told.begun_id(), told.anchor)).await?;
        acknowledged(emitter).await?;
        let emissions: Vec<Emission> = history(told.seed, told.anchor).collect();
        let bar = bar(emissions.len() as u64);
        for emission in emissions {
            sent.emit(emission, emitter).await?;
            bar.inc(1);
        }
        acknowledged(emitter).await?;
        emitter.emit(&marker(told.complete_id(), told.anchor)).await?;
        acknowledged(emitter).await?;
        bar.finish_and_clear();
        anyhow::Ok(())
    };
    tokio::select! {
        told = telling => told.context("the next run sends the history again")?,
        () = shutdown.cancelled() => bail!("stopped before the history was sent; the next run sends it again"),
    }
    tracing::info!(
        events = sent.events,
        repeats = sent.repeats,
        malformed = sent.malformed,
        duration_ms = began.elapsed().as_millis(),
        "the history is sent"
    );
    Ok(())
}

/// Sends live events until `shutdown`.
///
/// # Errors
/// When an event cannot be sent, or the last ones are not acknowledged.
pub(super) async fn carry_on(
    seed: u64,
    events_per_second: f64,
    emitter: &Emitter,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    tracing::info!(events_per_second, "sending live events until stopped");
    let mut live = live(seed, now());
    let mut sent = Sent::default();
    let mut step = tokio::time::interval(STEP);
    // A machine that slept, or a queue that was full, is not made up for.
    step.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut report = tokio::time::interval_at(tokio::time::Instant::now() + REPORT_EVERY, REPORT_EVERY);
    let mut due = 0.0;
    let mut failed = 0;
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            _ = report.tick() => {
                let given_up = emitter.report().failed;
                if given_up > failed {
                    tracing::warn!(events = given_up - failed, "Kafka did not take some events in time; they are lost");
                    failed = given_up;
                }
                tracing::info!(events = sent.events, repeats = sent.repeats, malformed = sent.malformed, "live events sent so far");
            }
            _ = step.tick() => {
                due += events_per_second * STEP.as_secs_f64();
                let sending = async {
                    while due >= 1.0 {
                        due -= 1.0;
                        for emission in live.next(now()) {
                            sent.emit(emission, emitter).await?;
                        }
                    }
                    anyhow::Ok(())
                };
                tokio::select! {
                    sent = sending => sent?,
                    () = shutdown.cancelled() => break,
                }
            }
        }
    }
    tracing::info!(events = sent.events, repeats = sent.repeats, malformed = sent.malformed, "live events sent");
    emitter.flush(FLUSH_LAST_MAX).await.context("Kafka did not acknowledge the last live events")?;
    Ok(())
}

fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("sending the history {bar:40} {pos}/{len} records, {per_sec}") {
        bar.set_style(style);
    }
    bar
}

pub(super) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
