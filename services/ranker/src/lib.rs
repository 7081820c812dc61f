//! The ranker role: keeps every team's ranking current and publishes it.
//!
//! # Layout
//! - [`config`]: its options.
//! - `changes`: follows what ingest says it wrote.
//! - `schedule`: which teams are due; no I/O.
//! - `document`: from a computed ranking to the published document.
//! - `publisher` and `snapshot`: the snapshot to ClickHouse, then the document to the topic.
//!
//! A team is ranked when its data changed, at most once a second, and once a minute while only time moves it. The watermark
//! is read before the facts, so that `data_through` never promises more than the facts hold.

pub mod config;

mod changes;
mod document;
mod metrics;
mod publisher;
mod schedule;
mod snapshot;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use domain::{
    ids::TeamId,
    ranking::rank,
    time::{MICROS_PER_SECOND, Timestamp},
};
use kit::{
    config::{ClickHouseConfig, KafkaConfig},
    health::{Health, Part},
};
use opentelemetry::trace::SpanContext;
use store::Store;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub use config::RankerConfig;

use crate::{changes::Changes, metrics::Metrics, publisher::Publisher, schedule::Schedule};

/// `rank_change_7d` compares with the ranking of so many days earlier.
const CHANGE_DAYS: f64 = 7.0;
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Runs until `shutdown`. While ClickHouse or Kafka is away it waits and tries again.
///
/// # Errors
/// When the Kafka settings are not valid.
pub async fn run(
    config: RankerConfig,
    kafka: KafkaConfig,
    clickhouse: ClickHouseConfig,
    health: Health,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let client = kit::clickhouse::client(&clickhouse);
    let publisher = Publisher::new(&config, &kafka, client.clone())?;
    let store = Store::new(client, Duration::from_millis(config.query_ms_max));
    let ranker = Ranker { config, store, publisher, part: health.part("ranker"), metrics: Metrics::new() };
    tokio::select! {
        // A ranking that is interrupted is computed again by whoever ranks next; nothing is half published but a snapshot
        // that the topic does not know of.
        never = ranker.keep_current() => match never {},
        () = shutdown.cancelled() => Ok(()),
    }
}

struct Ranker {
    config: RankerConfig,
    store: Store,
    publisher: Publisher,
    part: Part,
    metrics: Metrics,
}

/// A ranking that was published: of which second, and in which the next event happens that was dated ahead.
struct Ranked {
    as_of_s: i64,
    upcoming_s: Option<i64>,
}

/// How long to wait before the next look, and what was said of the last one.
struct State {
    pause: Duration,
    failing: bool,
    waiting: bool,
}

impl Ranker {
    /// Starts again, after a pause, whenever the changes cannot be followed.
    async fn keep_current(&self) -> std::convert::Infallible {
        let mut state = State { pause: Duration::from_millis(self.config.poll_ms), failing: false, waiting: false };
        let mut schedule = Schedule::new(self.config.refresh_s, self.config.teams_max);
        loop {
            let Err(error) = self.follow(&mut schedule, &mut state).await;
            self.failed(&mut state, &error).await;
        }
    }

    /// Follows the changes until that fails.
    async fn follow(
        &self,
        schedule: &mut Schedule,
        state: &mut State,
    ) -> Result<std::convert::Infallible, anyhow::Error> {
        // The place in the changes first, then the teams: what comes between the two is seen twice rather than never.
        let mut changes = Changes::from_now(self.store.clone()).await?;
        let now_s = now_s()?;
        for team in self.store.teams().await? {
            schedule.changed(team, None, now_s);
        }
        loop {
            let changed = changes.poll().await?;
            let now_s = self::now_s()?;
            for changed in changed {
                match changed.team {
                    Some(team) => schedule.changed(team, changed.link, now_s),
                    None => schedule.all_changed(changed.link.as_ref(), now_s),
                }
            }
            let due = schedule.due(now_s);
            if due.is_empty() {
                self.succeeded(state).await;
                continue;
            }
            // Before any row is read: what is durable by then is in the facts.
            let Some(watermark) = self.store.watermark().await? else {
                self.waiting(state).await;
                continue;
            };
            let (mut published, mut failed, mut outage) = (false, Vec::new(), None);
            for team in due {
                let links = schedule.begin(&team);
                match self.publish(&team, watermark, &links).await {
                    Ok(Ranked { as_of_s, upcoming_s }) => {
                        schedule.published(&team, as_of_s, upcoming_s);
                        published = true;
                    }
                    Err(error) => {
                        // The other teams are not kept waiting.
                        schedule.failed(&team, links);
                        if error.is::<publisher::TooLarge>() {
                            tracing::warn!(flywheel.team = %team, %error, "a ranking cannot be published");
                            schedule.rest(&team, now_s);
                        } else {
                            outage.get_or_insert(error.context(format!("ranking of team {team}")));
                            failed.push(team);
                        }
                    }
                }
            }
            match outage {
                // What keeps one team's ranking from coming about is no outage while others do.
                Some(error) if published => {
                    tracing::warn!(error = format!("{error:#}"), "a ranking did not come about, trying on");
                    for team in &failed {
                        schedule.rest(team, now_s);
                    }
                    self.succeeded(state).await;
                }
                Some(error) => self.failed(state, &error).await,
                None => self.succeeded(state).await,
            }
        }
    }

    async fn succeeded(&self, state: &mut State) {
        self.part.ready();
        if state.failing {
            tracing::info!("rankings are current again");
        }
        *state = State { pause: Duration::from_millis(self.config.poll_ms), failing: false, waiting: false };
        tokio::time::sleep(state.pause).await;
    }

    /// A partition has not reported its progress yet, so that nothing can be promised: says so once, and looks again.
    async fn waiting(&self, state: &mut State) {
        self.part.unready("an input partition has not reported its progress yet");
        if !state.waiting {
            tracing::info!("rankings wait until ingest has reported the progress of every input partition");
        }
        state.waiting = true;
        tokio::time::sleep(Duration::from_millis(self.config.poll_ms)).await;
    }

    /// Says so once, then waits a little longer every time.
    async fn failed(&self, state: &mut State, error: &anyhow::Error) {
        self.part.unready("cannot read or publish");
        if !state.failing {
            tracing::warn!(error = format!("{error:#}"), "rankings are not current, trying on");
        }
        state.failing = true;
        tokio::time::sleep(state.pause).await;
        state.pause = (state.pause * 2).min(PAUSE_MAX);
    }

    /// Computes and publishes the team's ranking of this second.
    async fn publish(&self, team: &TeamId, watermark: Timestamp, links: &[SpanContext]) -> anyhow::Result<Ranked> {
        let span = tracing::info_span!("rank", flywheel.team = %team);
        kit::propagation::add_links(&span, links.iter().cloned());
        async {
            let begun = Instant::now();
            self.publisher.send_unsent(team).await?;
            let as_of = Timestamp(now()?.0.div_euclid(MICROS_PER_SECOND) * MICROS_PER_SECOND);
            let data_through = as_of.min(watermark);
            let before = as_of.minus_days(CHANGE_DAYS);
            let (facts, facts_before, upcoming) = tokio::try_join!(
                self.store.facts(team, as_of),
                self.store.facts(team, before),
                self.store.upcoming(team, as_of),
            )?;
            let (ranking, ranking_before) = (rank(&facts, None), rank(&facts_before, None));
            let document = document::document(team, as_of, data_through, &ranking, &ranking_before)
                .context("cannot serialize the ranking")?;
            self.publisher.publish(team, as_of, data_through, &document).await?;
            self.metrics.published(begun.elapsed());
            tracing::debug!(
                flywheel.team = %team,
                flywheel.snapshot = document.snapshot,
                duration_ms = begun.elapsed().as_millis(),
                "ranking published"
            );
            Ok(Ranked { as_of_s: seconds(as_of), upcoming_s: upcoming.map(seconds) })
        }
        .instrument(span)
        .await
    }
}

fn now_s() -> anyhow::Result<i64> {
    Ok(now()?.0.div_euclid(MICROS_PER_SECOND))
}

fn seconds(time: Timestamp) -> i64 {
    time.0.div_euclid(MICROS_PER_SECOND)
}

fn now() -> anyhow::Result<Timestamp> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(Timestamp(i64::try_from(since.as_micros())?))
}
