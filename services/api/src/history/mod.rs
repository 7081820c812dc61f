//! What was: answers that are computed for the question, from ClickHouse.
//!
//! # Layout
//! - [`History`]: the way in. An enquiry that somebody makes already is joined (`flights`), one that was answered and still
//!   stands is not made again (`kept`), and any other waits its `turns`.
//! - `sight`: how far the data reach and what has changed in them, read once a second at most.
//! - `ranking`, `snapshot`, `diff`, `evidence`, `places`, `outcome`, `portfolio`: the enquiries.

mod diff;
mod evidence;
mod flights;
mod kept;
mod outcome;
mod places;
mod portfolio;
mod ranking;
mod refused;
mod sight;
mod snapshot;
mod turns;

use std::{
    any::Any,
    fmt::Debug,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt as _;
use opentelemetry::context::FutureExt as _;
use serde::Serialize;
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use self::{
    diff::DiffBetween,
    evidence::{EvidenceOf, Of},
    outcome::OutcomeOf,
    places::PlacesOf,
    portfolio::PortfolioAt,
    ranking::RankingAt,
    sight::{Basis, Moment, Sight},
    snapshot::{PublishedSince, SnapshotOf},
    turns::Turn,
};
use self::{
    flights::{Boarded, Flights},
    kept::Kept,
    sight::Look,
    turns::Turns,
};
use crate::{
    ApiConfig,
    error::Error,
    metrics::cold::{Came, ColdMetrics},
};

/// What one question of the API may cost ClickHouse.
pub(crate) const BOUNDS: ::store::Bounds = ::store::Bounds {
    // Some 400 days of a team with 30 events a second; a second or ten of a server's whole work.
    rows_read_max: 1_000_000_000,
    // A diff's million accounts are the longest answer that we take.
    result_rows_max: 2 * ::store::COMPARISON_ROWS_MAX as u64,
    // So that the answers computed at once cannot bring down a server that is sized for ingest. The local server has 2 GiB for each question.
    memory_bytes_max: 1 << 30,
};

/// Computes answers from ClickHouse, so many at once, and keeps them while they stand. Cheap to clone.
#[derive(Clone)]
pub struct History {
    shared: Arc<Shared>,
}

struct Shared {
    look: Look,
    flights: Flights<Result<Answered, Error>>,
    kept: Kept,
    turns: Turns,
    /// So many requests may wait for an answer at once: the rest are left for what is answered from memory.
    askers: Semaphore,
    request_max: Duration,
    metrics: ColdMetrics,
}

/// An answer of any type.
type Answered = Arc<dyn Any + Send + Sync>;

/// A question that is answered from ClickHouse.
///
/// The answer depends on the enquiry and on the data of the [`Basis`] that it is asked with, and on nothing else: what [`Debug`] shows of
/// it is what tells it from another.
pub(crate) trait Enquiry: Debug + Send + Sync + 'static {
    /// The answer.
    type Answer: Serialize + Send + Sync + 'static;
    /// What it is called in metrics, and no other enquiry is.
    const NAME: &'static str;

    /// Computes the answer.
    fn answer(self, turn: &Turn) -> impl Future<Output = Result<Self::Answer, Error>> + Send;
}

impl History {
    /// Reads with ClickHouse's `client`, within the limits of `config`.
    #[must_use]
    pub fn new(client: clickhouse::Client, config: &ApiConfig) -> Self {
        let request_max = Duration::from_millis(config.request_ms_max);
        let store = ::store::Store::new(client, request_max).bounded(BOUNDS);
        let metrics = ColdMetrics::new();
        let kept = Kept::new(config.computed_kept_bytes_max, config.computed_kept_max);
        kept.observe();
        Self {
            shared: Arc::new(Shared {
                look: Look::new(store.clone()),
                flights: Flights::default(),
                kept,
                turns: Turns::new(store, config.computed_in_flight_max, config.computed_waiting_max, metrics.clone()),
                askers: Semaphore::new((config.requests_in_flight_max / 2).clamp(1, Semaphore::MAX_PERMITS)),
                request_max,
                metrics,
            }),
        }
    }

    /// How far the data reach and what has changed in them: as it is now, or was a moment ago.
    pub(crate) async fn look(&self) -> Result<Arc<Sight>, Error> {
        if let Some(sight) = self.shared.look.recent() {
            return Ok(sight);
        }
        let _asker = self.asker()?;
        self.shared.look.look().await
    }

    /// The answer to `enquiry`, from the data of `basis` or later ones.
    pub(crate) async fn ask<E: Enquiry>(&self, basis: Basis, enquiry: E) -> Result<Arc<E::Answer>, Error> {
        let key = format!("{} {basis:?} {enquiry:?}", E::NAME);
        let shared = &self.shared;
        if let Some(answer) = shared.kept.get(&key) {
            shared.metrics.came(E::NAME, Came::Kept);
            return typed(answer);
        }
        let _asker = self.asker()?;
        let boarded = shared.flights.board(
            &key,
            || shared.kept.get(&key).map(Ok),
            || Shared::fly(Arc::clone(shared), key.clone(), enquiry).with_current_context().boxed(),
        );
        let answer = match boarded {
            Boarded::Landed(answer) => {
                shared.metrics.came(E::NAME, Came::Kept);
                answer
            }
            Boarded::Joined(flight) => {
                shared.metrics.came(E::NAME, Came::Joined);
                flight.await
            }
            Boarded::First(flight) => {
                shared.metrics.came(E::NAME, Came::Computed);
                flight.await
            }
        };
        typed(answer?)
    }

    /// The right to ask ClickHouse what is neither kept nor shared.
    pub(crate) async fn turn(&self) -> Result<Turn, Error> {
        let _asker = self.asker()?;
        self.shared.turns.take(self.shared.ends()).await
    }

    /// The right to wait for ClickHouse, which not all requests may do at once.
    fn asker(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.shared.askers.try_acquire().map_err(|_| Error::Overloaded)
    }
}

impl Shared {
    /// Computes the answer and keeps it. Whoever drops this gives it up, on the server too.
    async fn fly<E: Enquiry>(self: Arc<Self>, key: String, enquiry: E) -> Result<Answered, Error> {
        let ends = self.ends();
        let computing = async {
            let turn = self.turns.take(ends).await?;
            let measured = self.metrics.computing(E::NAME);
            let answer = enquiry.answer(&turn).await;
            measured.done(answer.as_ref().err());
            answer
        };
        let answer = tokio::time::timeout_at(ends.into(), computing).await.map_err(|_| Error::TooSlow)??;
        Ok(self.kept.keep(key, answer))
    }

    /// When an answer that is begun now must be there: a tenth of a request's time is for putting it into words and sending it.
    fn ends(&self) -> Instant {
        Instant::now() + self.request_max * 9 / 10
    }
}

/// The answer as what it is: its key begins with the enquiry's name.
fn typed<T: Send + Sync + 'static>(answer: Answered) -> Result<Arc<T>, Error> {
    answer.downcast().map_err(|_| Error::internal(std::io::Error::other("an answer is another question's")))
}
