//! Does what a plan says, to the end of each fault.

use std::time::Duration;

use anyhow::Context as _;
use devstack::Stack;
use futures::future::{join_all, try_join_all};
use testkit::proxy::Line;
use tokio::time::sleep;

use crate::{
    fleet::Fleet,
    plan::{Break, Fault, Round, Server},
};

/// A slow line: an answer takes half a second more, and what ingest fetches in a second takes several.
const SLOW: Line = Line::Slow { delay: Duration::from_millis(250), bytes_per_s: 100_000 };

/// Lets the faults of a round happen, each at its time, and returns when the last of them has ended: whatever was killed runs
/// again, and every line is up.
///
/// # Errors
/// When a server does not come up again.
pub async fn inflict(round: &Round, fleet: &Fleet, stack: &Stack) -> anyhow::Result<()> {
    let faults = round.0.iter().map(|timed| async move {
        sleep(Duration::from_millis(timed.after_ms)).await;
        one(timed.fault, fleet, stack).await.with_context(|| timed.fault.to_string())
    });
    try_join_all(faults).await.map(drop)
}

async fn one(fault: Fault, fleet: &Fleet, stack: &Stack) -> anyhow::Result<()> {
    let pause = |ms| sleep(Duration::from_millis(ms));
    match fault {
        Fault::KillInstance { instance, away_ms } => {
            fleet.kill(instance).await;
            pause(away_ms).await;
            fleet.start(stack, instance).await;
        }
        Fault::KillInReplay { instance, lived_ms } => {
            fleet.kill(instance).await;
            fleet.start(stack, instance).await;
            pause(lived_ms).await;
            fleet.kill(instance).await;
            fleet.start(stack, instance).await;
        }
        Fault::KillEveryInstance { away_ms } => {
            join_all((0..fleet.len()).map(|instance| fleet.kill(instance))).await;
            pause(away_ms).await;
            join_all((0..fleet.len()).map(|instance| fleet.start(stack, instance))).await;
        }
        Fault::StopInstance { instance } => {
            fleet.stop(instance).await;
            fleet.start(stack, instance).await;
        }
        Fault::PauseInstance { instance, for_ms } => {
            fleet.freeze(instance, true).await;
            pause(for_ms).await;
            fleet.freeze(instance, false).await;
        }
        Fault::KillServer { server, away_ms } => {
            let server = match server {
                Server::Kafka => stack.kafka(),
                Server::ClickHouse => stack.clickhouse(),
            };
            let server = server.context("the stack is our own")?;
            server.kill().await?;
            pause(away_ms).await;
            server.start().await?;
        }
        Fault::BreakLine { instance, server, how, for_ms } => {
            let line = match how {
                Break::Cut => Line::Cut,
                Break::Silent => Line::Silent,
                Break::AnswersLost => Line::AnswersLost,
                Break::Slow => SLOW,
            };
            fleet.set_line(instance, server, line);
            pause(for_ms).await;
            fleet.set_line(instance, server, Line::Up);
        }
    }
    Ok(())
}
