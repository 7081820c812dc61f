//! What was: answers that are computed for the question, from ClickHouse.
//!
//! The watermark is read before the facts, so that `data_through` never promises more than the facts hold.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use domain::{
    assumptions::Assumptions,
    catalog::Catalog,
    ids::TeamId,
    limits::TIME_MIN,
    ranking::{Ranking, rank_tallies},
    tally::Tallies,
    time::{MICROS_PER_SECOND, Timestamp},
};
use tokio::sync::{Semaphore, SemaphorePermit};
use wire::Scope;

use crate::{
    ApiConfig,
    error::{Error, ParameterError},
    parameters::ranking::{Question, contradictions},
    withheld::{self, Counted, Counts},
};

/// `rank_change_7d` compares with the ranking of so many days earlier.
const CHANGE_DAYS: f64 = 7.0;

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

/// A ranking that was computed for a question, and whose it is.
pub(crate) struct Ranked {
    pub(crate) ranking: Ranking,
    assumptions: Assumptions,
    counted: Counted,
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

    /// The instant of a published ranking. The ranker's clock may be ahead of ours.
    pub(crate) fn of_published(&self, as_of: Timestamp) -> Instant {
        Instant { as_of, data_through: as_of.min(self.watermark) }
    }

    /// The ranking that is asked for, as of `instant`.
    pub(crate) async fn ranking(
        &self,
        team: &TeamId,
        instant: Instant,
        question: &Question,
    ) -> Result<wire::ranking::Ranking, Error> {
        let at = instant.computed();
        let (now, mut before) = tokio::try_join!(
            self.ranked(team, at, question),
            self.ranked(team, at.minus_days(CHANGE_DAYS).max(TIME_MIN.plus_micros(-1)), question),
        )?;
        let begun = self.check_shown(team, at, question, &now).await?;
        // What cannot be shown of then is not shown as a change either.
        if withheld::check(question.segment.as_deref(), &question.what_if, &before.counted).is_err() {
            before.ranking.items.clear();
            before.ranking.iterate.clear();
        }
        let segment = question.segment.as_deref();
        let scope = Scope { team, segment, as_of: instant.as_of, data_through: instant.data_through };
        let mut document = wire::ranking::Ranking::computed(&scope, &now.assumptions, &now.ranking, &before.ranking);
        document.before_first_event = !begun;
        Ok(document)
    }

    /// Whether the team had any event up to then. What would tell the numbers of a few accounts is not shown; where there was
    /// nothing at all, there is nobody to tell of.
    pub(crate) async fn check_shown(
        &self,
        team: &TeamId,
        at: Timestamp,
        question: &Question,
        ranked: &Ranked,
    ) -> Result<bool, Error> {
        let empty = ranked.ranking.items.is_empty() && ranked.ranking.iterate.is_empty();
        let begun = !empty || self.store.begun(team, at).await.map_err(|error| Error::history(&error))?;
        if begun {
            withheld::check(question.segment.as_deref(), &question.what_if, &ranked.counted)
                .map_err(Error::Withheld)?;
        }
        Ok(begun)
    }

    /// The ranking that is asked for, at `as_of` whatever instant the question names.
    pub(crate) async fn ranked(&self, team: &TeamId, as_of: Timestamp, question: &Question) -> Result<Ranked, Error> {
        let away = |error| Error::history(&error);
        let segment = question.segment.as_deref();
        let catalog = self.store.catalog(team, as_of).await.map_err(away)?;
        let assumptions =
            question.what_if.apply(&catalog.parameters()).map_err(|problems| contradictions(&problems))?;
        let (tallies, whole, usual) = tokio::try_join!(
            self.store.tallies(team, as_of, segment, &catalog, &assumptions),
            self.whole(team, as_of, question, &catalog, &assumptions),
            self.usual(team, as_of, question, &catalog),
        )
        .map_err(away)?;
        let asked = match whole {
            Whole::Asked => Counts::of_all(&tallies),
            Whole::Sums(team) => Counts::of_segment(&tallies, &team),
            Whole::Accounts(accounts) => Counts::of_segment_among(&tallies, accounts),
        };
        let ranking = rank_tallies(&tallies, &catalog, &assumptions.parameters);
        Ok(Ranked { ranking, assumptions, counted: Counted { asked, usual } })
    }

    /// The team of the segment that is asked for, as far as it has to be known.
    async fn whole(
        &self,
        team: &TeamId,
        as_of: Timestamp,
        question: &Question,
        catalog: &Catalog,
        assumptions: &Assumptions,
    ) -> anyhow::Result<Whole> {
        if question.segment.is_none() {
            return Ok(Whole::Asked);
        }
        if withheld::singles_out_tiers(&question.what_if) {
            let sums = self.store.tallies(team, as_of, None, catalog, assumptions).await?;
            return Ok(Whole::Sums(Box::new(sums)));
        }
        let window_days = assumptions.parameters.activity_window_days;
        Ok(Whole::Accounts(self.store.active(team, as_of, window_days).await?))
    }

    /// Who is active in the team's own activity window, where another is assumed.
    async fn usual(
        &self,
        team: &TeamId,
        as_of: Timestamp,
        question: &Question,
        catalog: &Catalog,
    ) -> anyhow::Result<Option<Counts>> {
        if question.what_if.activity_window_days.is_none() {
            return Ok(None);
        }
        let usual = Assumptions::of(catalog.parameters());
        let all = self.store.tallies(team, as_of, None, catalog, &usual).await?;
        let Some(segment) = question.segment.as_deref() else { return Ok(Some(Counts::of_all(&all))) };
        let of_segment = self.store.tallies(team, as_of, Some(segment), catalog, &usual).await?;
        Ok(Some(Counts::of_segment(&of_segment, &all)))
    }
}

/// What is known of the team of a segment.
enum Whole {
    /// It is what is asked for.
    Asked,
    /// Its sums, as those of the segment.
    Sums(Box<Tallies>),
    /// How many of its accounts are active.
    Accounts(u64),
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
