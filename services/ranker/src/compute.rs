//! Computes one team's ranking.

use std::{sync::Arc, time::Instant};

use anyhow::Context as _;
use domain::{
    ids::TeamId,
    ranking::Ranking,
    time::{MICROS_PER_SECOND, Timestamp},
};
use opentelemetry::trace::SpanContext;
use store::Store;
use tracing::Instrument as _;

use crate::{
    document,
    ready::{Origin, Ready},
};

/// `rank_change_7d` compares with the ranking of so many days earlier.
const CHANGE_DAYS: f64 = 7.0;

/// What to compute.
pub(crate) struct Order {
    pub(crate) team: TeamId,
    /// The instant, a whole Unix second: now.
    pub(crate) as_of_s: i64,
    /// What was durable before anything is read.
    pub(crate) watermark: Timestamp,
    /// The ranking of a week before, if it need not be computed again.
    pub(crate) week_ago: Option<WeekAgo>,
    /// The spans of the changes.
    pub(crate) links: Vec<SpanContext>,
}

/// The ranking of a week before a published one.
#[derive(Clone)]
pub(crate) struct WeekAgo {
    ranking: Arc<Ranking>,
    as_of_s: i64,
}

impl WeekAgo {
    /// Whether it was computed for a ranking of less than `age_s_max` before `as_of_s`. Events that come late, and ages, change
    /// it; so it is kept for as long as a ranking may go unpublished while only time moves it.
    pub(crate) fn serves(&self, as_of_s: i64, age_s_max: i64) -> bool {
        (0..age_s_max).contains(&(as_of_s - self.as_of_s))
    }
}

/// Computes the ranking, and the one of a week before unless it is at hand.
///
/// # Errors
/// When ClickHouse does not answer, or the document is [`crate::ready::TooLarge`].
pub(crate) async fn compute(store: &Store, order: Order) -> anyhow::Result<(Ready, WeekAgo)> {
    let Order { team, as_of_s, watermark, week_ago, links } = order;
    let span = tracing::info_span!("rank", flywheel.team = %team);
    kit::propagation::add_links(&span, links.iter().cloned());
    let origin = Origin { links, span: span.clone(), begun: Instant::now() };
    async {
        let as_of = Timestamp(as_of_s * MICROS_PER_SECOND);
        let data_through = as_of.min(watermark);
        let (ranking, week_ago, upcoming) = tokio::try_join!(
            store.ranking(&team, as_of, None),
            ranking_a_week_before(store, &team, as_of_s, week_ago),
            store.upcoming(&team, as_of),
        )?;
        let document = document::document(&team, as_of, data_through, &ranking, &week_ago.ranking)
            .context("cannot serialize the ranking")?;
        let ready = Ready::new(team, as_of, data_through, upcoming, &document, origin)?;
        Ok((ready, week_ago))
    }
    .instrument(span)
    .await
}

async fn ranking_a_week_before(
    store: &Store,
    team: &TeamId,
    as_of_s: i64,
    known: Option<WeekAgo>,
) -> anyhow::Result<WeekAgo> {
    if let Some(known) = known {
        return Ok(known);
    }
    let before = Timestamp(as_of_s * MICROS_PER_SECOND).minus_days(CHANGE_DAYS);
    Ok(WeekAgo { ranking: Arc::new(store.ranking(team, before, None).await?), as_of_s })
}
