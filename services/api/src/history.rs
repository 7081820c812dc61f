//! What was: answers that are computed for the question, from ClickHouse.
//!
//! The watermark is read before the facts, so that `data_through` never promises more than the facts hold.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use domain::{
    assumptions::{Assumptions, WhatIf},
    ids::TeamId,
    limits::TIME_MIN,
    ranking::{Ranking, rank_tallies},
    time::{MICROS_PER_SECOND, Timestamp},
};
use tokio::sync::{Semaphore, SemaphorePermit};
use wire::Scope;

use crate::{
    ApiConfig,
    error::{Error, ParameterError},
    parameters::ranking::{Question, contradictions},
};

/// `rank_change_7d` compares with the ranking of so many days earlier.
const CHANGE_DAYS: f64 = 7.0;

/// A group of fewer accounts carries no numbers: they could be those of one customer.
pub(crate) const ACCOUNTS_SHOWN_MIN: u64 = 5;

/// Computes answers from ClickHouse, so many at once. Cheap to clone.
#[derive(Clone)]
pub struct History {
    store: ::store::Store,
    turns: Arc<Semaphore>,
}

/// An instant that can be asked about, and how far the data for it reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant {
    pub(crate) as_of: Timestamp,
    pub(crate) data_through: Timestamp,
}

impl Instant {
    /// The instant to compute for. No event is older than [`TIME_MIN`], and ClickHouse knows no time before 1900: all instants
    /// before the first possible event are alike.
    pub(crate) fn computed(self) -> Timestamp {
        self.as_of.max(TIME_MIN.plus_micros(-1))
    }
}

/// The right to compute one answer.
pub(crate) struct Turn<'a> {
    pub(crate) store: &'a ::store::Store,
    watermark: Timestamp,
    now: Timestamp,
    _permit: SemaphorePermit<'a>,
}

impl History {
    /// Reads with ClickHouse's `client`, within the limits of `config`.
    #[must_use]
    pub fn new(client: clickhouse::Client, config: &ApiConfig) -> Self {
        Self {
            store: ::store::Store::new(client, Duration::from_millis(config.request_ms_max)),
            turns: Arc::new(Semaphore::new(config.computed_in_flight_max.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Waits for a turn and reads how far the data reach.
    pub(crate) async fn turn(&self) -> Result<Turn<'_>, Error> {
        let permit = self.turns.acquire().await.map_err(Error::internal)?;
        let watermark = self.store.watermark().await.map_err(|error| Error::history(&error))?;
        let watermark = watermark.ok_or_else(|| {
            let silent = "has not reported yet how far it has read every partition".to_owned();
            Error::Unready(BTreeMap::from([("ingest", silent)]))
        })?;
        Ok(Turn { store: &self.store, watermark, now: now(), _permit: permit })
    }

    /// What is stored, where no turn is needed: a look-up by key.
    pub(crate) fn store(&self) -> &::store::Store {
        &self.store
    }
}

impl Turn<'_> {
    /// The instant that `parameter` names; now, to the second, where it names none.
    pub(crate) fn instant(&self, parameter: &str, asked: Option<Timestamp>) -> Result<Instant, Error> {
        let as_of = asked.unwrap_or(Timestamp(self.now.0.div_euclid(MICROS_PER_SECOND) * MICROS_PER_SECOND));
        if as_of > self.now {
            let detail = format!("is in the future: it is {} now", self.now.to_rfc3339());
            return Err(Error::Parameters(vec![ParameterError { parameter: parameter.to_owned(), detail }]));
        }
        Ok(Instant { as_of, data_through: as_of.min(self.watermark) })
    }

    /// The ranking that is asked for, as of `instant`.
    pub(crate) async fn ranking(
        &self,
        team: &TeamId,
        instant: Instant,
        question: &Question,
    ) -> Result<wire::ranking::Ranking, Error> {
        let segment = question.segment.as_deref();
        let at = instant.computed();
        let ((now, assumptions), (before, _)) = tokio::try_join!(
            self.ranked(team, at, segment, &question.what_if),
            self.ranked(team, at.minus_days(CHANGE_DAYS).max(TIME_MIN.plus_micros(-1)), segment, &question.what_if),
        )?;
        let scope = Scope { team, segment, as_of: instant.as_of, data_through: instant.data_through };
        let mut document = wire::ranking::Ranking::computed(&scope, &assumptions, &now, &before);
        document.before_first_event = !self.check_shown(team, at, segment, &now).await?;
        Ok(document)
    }

    /// Whether the team had any event up to then. A segment of too few accounts is not shown, unless there was nothing at all.
    pub(crate) async fn check_shown(
        &self,
        team: &TeamId,
        at: Timestamp,
        segment: Option<&str>,
        ranking: &Ranking,
    ) -> Result<bool, Error> {
        let empty = ranking.items.is_empty() && ranking.iterate.is_empty();
        let begun = !empty || self.store.begun(team, at).await.map_err(|error| Error::history(&error))?;
        match segment {
            Some(segment) if begun && ranking.population.accounts < ACCOUNTS_SHOWN_MIN => {
                Err(Error::Withheld { segment: segment.to_owned(), accounts_min: ACCOUNTS_SHOWN_MIN })
            }
            _ => Ok(begun),
        }
    }

    async fn ranked(
        &self,
        team: &TeamId,
        as_of: Timestamp,
        segment: Option<&str>,
        what_if: &WhatIf,
    ) -> Result<(Ranking, Assumptions), Error> {
        let away = |error| Error::history(&error);
        let catalog = self.store.catalog(team, as_of).await.map_err(away)?;
        let assumptions = what_if.apply(&catalog.parameters()).map_err(|problems| contradictions(&problems))?;
        let tallies = self.store.tallies(team, as_of, segment, &catalog, &assumptions).await.map_err(away)?;
        Ok((rank_tallies(&tallies, &catalog, &assumptions.parameters), assumptions))
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
