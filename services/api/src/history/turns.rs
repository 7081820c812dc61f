//! Turns at ClickHouse: so many at once, so many waiting, and the rest are told to come back.

use std::{sync::Arc, time::Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{error::Error, metrics::cold::ColdMetrics};

/// Gives out turns.
pub(super) struct Turns {
    store: ::store::Store,
    at_once: Arc<Semaphore>,
    waiting: Semaphore,
    metrics: ColdMetrics,
}

/// The right to compute one answer, until its time is over.
pub(crate) struct Turn {
    /// What may be read; nothing of it later than when the turn ends.
    pub(crate) store: ::store::Store,
    permit: Arc<OwnedSemaphorePermit>,
}

impl Turn {
    /// For work that goes on when whoever asked for it has left: it is a part of the turn, and the next one waits for it.
    pub(super) fn hold(&self) -> Arc<OwnedSemaphorePermit> {
        Arc::clone(&self.permit)
    }
}

impl Turns {
    /// `at_once_max` turns at once on `store`; `waiting_max` more may wait for one.
    pub(super) fn new(store: ::store::Store, at_once_max: usize, waiting_max: usize, metrics: ColdMetrics) -> Self {
        Self {
            store,
            at_once: Arc::new(Semaphore::new(at_once_max.min(Semaphore::MAX_PERMITS))),
            waiting: Semaphore::new(waiting_max.min(Semaphore::MAX_PERMITS)),
            metrics,
        }
    }

    /// Waits for a turn that `ends` then. When as many wait as may, nobody else does.
    pub(super) async fn take(&self, ends: Instant) -> Result<Turn, Error> {
        let permit = match Arc::clone(&self.at_once).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _place = self.waiting.try_acquire().map_err(|_| Error::Overloaded)?;
                let _measured = self.metrics.waiting();
                Arc::clone(&self.at_once).acquire_owned().await.map_err(Error::internal)?
            }
        };
        Ok(Turn { store: self.store.until(ends), permit: Arc::new(permit) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn beyond_those_who_may_wait_nobody_does() {
        let store = ::store::Store::new(clickhouse::Client::default(), Duration::from_secs(1));
        let turns = Arc::new(Turns::new(store, 1, 1, ColdMetrics::new()));
        let ends = Instant::now() + Duration::from_secs(60);
        let turn = turns.take(ends).await.unwrap();
        let mut second = Box::pin(turns.take(ends));
        assert!(futures::poll!(&mut second).is_pending());
        assert!(matches!(turns.take(ends).await, Err(Error::Overloaded)));
        // One who leaves makes room for another to wait.
        drop(second);
        let mut third = Box::pin(turns.take(ends));
        assert!(futures::poll!(&mut third).is_pending());
        drop(turn);
        assert!(third.await.is_ok());
    }
}
