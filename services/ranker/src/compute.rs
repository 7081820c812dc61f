//! Computes rankings, those of several teams together.

use std::{sync::Arc, time::Instant};

use anyhow::Context as _;
use domain::{
    ids::TeamId,
    ranking::Ranking,
    time::{MICROS_PER_SECOND, Timestamp},
};
use opentelemetry::trace::SpanContext;
use store::{Standing, Store};

use crate::{
    document,
    ready::{Origin, Ready},
};

/// `rank_change_7d` compares with the ranking of so many days earlier.
const CHANGE_DAYS: f64 = 7.0;

/// What to compute.
pub(crate) struct Batch {
    /// The instant, a whole Unix second: now.
    pub(crate) as_of_s: i64,
    /// What was durable before anything is read.
    pub(crate) watermark: Timestamp,
    pub(crate) orders: Vec<Order>,
}

/// One team of a batch.
pub(crate) struct Order {
    pub(crate) team: TeamId,
    /// The ranking of a week before, if it need not be computed again.
    pub(crate) week_ago: Option<WeekAgo>,
    /// The spans of the changes.
    pub(crate) links: Vec<SpanContext>,
}

/// What came of an order.
pub(crate) struct Computed {
    pub(crate) team: TeamId,
    pub(crate) links: Vec<SpanContext>,
    pub(crate) outcome: Result<Outcome, Failure>,
}

/// Why a ranking did not come about.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The team was asked for with others, and which of them ClickHouse could not answer for is not known.
    Together,
    /// It was asked for alone.
    Alone(anyhow::Error),
}

/// A ranking that was computed, and what is worth keeping of it.
pub(crate) struct Outcome {
    pub(crate) ready: Ready,
    pub(crate) week_ago: WeekAgo,
    /// How many rows it was computed from.
    pub(crate) rows: u64,
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

/// Computes the rankings, and those of a week before that are not at hand. What came of each order, in their order.
///
/// An order fails when ClickHouse does not answer, or the document is [`crate::ready::TooLarge`]. Where several teams have no
/// answer together, that is said here, and none of them is asked for alone now: until the last had its turn, the instant would be
/// old.
pub(crate) async fn compute(store: &Store, batch: Batch) -> Vec<Computed> {
    let Batch { as_of_s, watermark, orders } = batch;
    let begun: Vec<Begun> = orders.into_iter().map(Begun::new).collect();
    let refs: Vec<&Begun> = begun.iter().collect();
    let read: Vec<Result<Read, Failure>> = match read(store, as_of_s, &refs).await {
        Ok(read) => read.into_iter().map(Ok).collect(),
        Err(error) if begun.len() == 1 => vec![Err(Failure::Alone(error))],
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                teams = begun.len(),
                "no answer for several teams, asking one by one"
            );
            begun.iter().map(|_| Err(Failure::Together)).collect()
        }
    };
    begun.into_iter().zip(read).map(|(begun, read)| begun.end(as_of_s, watermark, read)).collect()
}

/// An order whose span is open.
struct Begun {
    order: Order,
    span: tracing::Span,
    at: Instant,
}

/// What was read for an order.
struct Read {
    standing: Standing,
    week_ago: WeekAgo,
    upcoming: Option<Timestamp>,
}

/// What was read for each of some orders, in their order.
async fn read(store: &Store, as_of_s: i64, orders: &[&Begun]) -> anyhow::Result<Vec<Read>> {
    let as_of = Timestamp(as_of_s * MICROS_PER_SECOND);
    let teams: Vec<TeamId> = orders.iter().map(|begun| begun.order.team.clone()).collect();
    let (standings, weeks_ago, upcoming) = tokio::try_join!(
        store.rankings(&teams, as_of),
        rankings_a_week_before(store, as_of_s, orders),
        store.upcoming(&teams, as_of),
    )?;
    let read = (standings.into_iter().zip(weeks_ago).zip(upcoming))
        .map(|((standing, week_ago), upcoming)| Read { standing, week_ago, upcoming })
        .collect();
    Ok(read)
}

async fn rankings_a_week_before(store: &Store, as_of_s: i64, orders: &[&Begun]) -> anyhow::Result<Vec<WeekAgo>> {
    let unknown = |begun: &&&Begun| begun.order.week_ago.is_none();
    let teams: Vec<TeamId> = orders.iter().filter(unknown).map(|begun| begun.order.team.clone()).collect();
    let mut standings = if teams.is_empty() {
        Vec::new()
    } else {
        let before = Timestamp(as_of_s * MICROS_PER_SECOND).minus_days(CHANGE_DAYS);
        store.rankings(&teams, before).await?
    }
    .into_iter();
    let of = |begun: &&Begun| match &begun.order.week_ago {
        Some(week_ago) => Ok(week_ago.clone()),
        None => {
            let standing = standings.next().context("each team has a ranking")?;
            Ok(WeekAgo { ranking: Arc::new(standing.ranking), as_of_s })
        }
    };
    orders.iter().map(of).collect()
}

impl Begun {
    fn new(order: Order) -> Self {
        let span = tracing::info_span!("rank", flywheel.team = %order.team);
        kit::propagation::add_links(&span, order.links.iter().cloned());
        Self { order, span, at: Instant::now() }
    }

    fn end(self, as_of_s: i64, watermark: Timestamp, read: Result<Read, Failure>) -> Computed {
        let Self { order: Order { team, links, .. }, span, at } = self;
        let origin = Origin { links: links.clone(), span: span.clone(), begun: at };
        let outcome = span.in_scope(|| {
            let Read { standing, week_ago, upcoming } = read?;
            let as_of = Timestamp(as_of_s * MICROS_PER_SECOND);
            let data_through = as_of.min(watermark);
            let document = document::document(&team, as_of, data_through, &standing.ranking, &week_ago.ranking)
                .context("cannot serialize the ranking");
            let ready = document
                .and_then(|document| Ready::new(team.clone(), as_of, data_through, upcoming, &document, origin));
            let ready = ready.map_err(Failure::Alone)?;
            Ok(Outcome { ready, week_ago, rows: standing.rows })
        });
        Computed { team, links, outcome }
    }
}
