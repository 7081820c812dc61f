//! `flywheel demo`: the founding story, generated with a seed and sent through Kafka like anybody's events.
//!
//! 90 days of history, once for as long as Kafka keeps its data, then live traffic. Nothing but `story` knows what the
//! ranking should say.

mod customers;
mod emission;
mod habits;
mod history;
mod live;
mod past;
mod send;
mod story;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::bail;
use clap::Args as ClapArgs;
use domain::time::{MICROS_PER_SECOND, Timestamp};
use flywheel_sdk::{Emitter, EmitterConfig};
use kit::config::KafkaConfig;
use tokio_util::sync::CancellationToken;

pub use emission::{Emission, SOURCE};
pub use history::{HISTORY_DAYS, history};
pub use live::{Live, live};
use past::{Past, Told};

/// Seed of a first run that names none.
const SEED_DEFAULT: u64 = 1;
/// While Kafka is away it is asked again so often.
const RETRY_EVERY: Duration = Duration::from_secs(2);

/// Play the demonstration: teams `dynamodb` and `lambda`, a few hundred accounts, 90 days of history and live traffic.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// Seed of the story (default 1, or that of the history that Kafka holds).
    #[arg(long)]
    pub seed: Option<u64>,
    /// Live events per second.
    #[arg(long, default_value_t = 20.0, value_parser = rate)]
    pub events_per_second: f64,
    /// End after the history.
    #[arg(long)]
    pub history_only: bool,
}

/// Sends the history unless Kafka holds one already, then live events until `shutdown`. While Kafka is away it waits.
///
/// # Errors
/// When Kafka holds the history of another seed than the one asked for, or does not acknowledge what is sent.
pub async fn run(args: Args, kafka: KafkaConfig, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Some(past) = past(&kafka, &shutdown).await? else { return Ok(()) };
    let emitter = Emitter::connect(&EmitterConfig::new(&kafka.brokers))?;
    let told = match past {
        Past::Begun(told) | Past::Complete(told) => told,
        Past::Nothing => Told { seed: args.seed.unwrap_or(SEED_DEFAULT), anchor: whole_second(send::now()) },
    };
    if args.seed.is_some_and(|seed| seed != told.seed) {
        bail!("Kafka holds the history of seed {}; leave out --seed, or begin with fresh data", told.seed);
    }
    if let Past::Complete(_) = past {
        tracing::info!(seed = told.seed, history.end = %told.anchor, "Kafka holds the history already");
    } else {
        tracing::info!(seed = told.seed, history.end = %told.anchor, resumed = past != Past::Nothing, "sending the history");
        send::tell(told, &emitter, &shutdown).await?;
    }
    if args.history_only {
        return Ok(());
    }
    send::carry_on(told.seed, args.events_per_second, &emitter, &shutdown).await
}

/// What earlier runs left, as soon as Kafka answers; none if `shutdown` comes first.
async fn past(kafka: &KafkaConfig, shutdown: &CancellationToken) -> anyhow::Result<Option<Past>> {
    let mut said = None;
    loop {
        let reading = tokio::task::spawn_blocking({
            let (kafka, shutdown) = (kafka.clone(), shutdown.clone());
            move || Past::read(&kafka, &shutdown)
        });
        let error = match reading.await? {
            _ if shutdown.is_cancelled() => return Ok(None),
            Ok(past) => return Ok(Some(past)),
            Err(error) => format!("{error:#}"),
        };
        if said.as_ref() != Some(&error) {
            tracing::warn!(server.address = kafka.brokers, error, "waiting for Kafka");
            said = Some(error);
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = tokio::time::sleep(RETRY_EVERY) => {}
        }
    }
}

fn whole_second(instant: Timestamp) -> Timestamp {
    Timestamp(instant.0 - instant.0.rem_euclid(MICROS_PER_SECOND))
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=10_000.0).contains(&rate) => Ok(rate),
        _ => Err("a number from 0.1 to 10000".to_owned()),
    }
}
