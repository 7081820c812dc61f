//! A team's ranking of any instant, of a segment, under other assumptions.

use domain::{
    assumptions::Assumptions,
    catalog::Catalog,
    ids::TeamId,
    limits::TIME_MIN,
    ranking::{Ranking, rank_tallies},
    tally::Tallies,
    time::Timestamp,
};
use wire::Scope;

use super::{Enquiry, Moment, Turn};
use crate::{
    error::Error,
    parameters::ranking::{Question, contradictions},
    withheld::{self, Counted, Counts, Told},
};

/// `rank_change_7d` compares with the ranking of so many days earlier.
const CHANGE_DAYS: f64 = 7.0;

/// The ranking that is asked for, as of a moment.
#[derive(Debug)]
pub(crate) struct RankingAt {
    pub(crate) team: TeamId,
    pub(crate) moment: Moment,
    /// Whatever instant it names, the moment's is meant.
    pub(crate) question: Question,
    pub(crate) told: Told,
}

/// A ranking that was computed for a question, and whose it is.
pub(super) struct Ranked {
    pub(super) ranking: Ranking,
    assumptions: Assumptions,
    counted: Counted,
}

impl Enquiry for RankingAt {
    type Answer = wire::ranking::Ranking;
    const NAME: &'static str = "ranking";

    async fn answer(self, turn: &Turn) -> Result<Self::Answer, Error> {
        turn.ranking(&self.team, self.moment, &self.question, self.told).await
    }
}

impl Turn {
    /// The ranking that is asked for, as of `moment`.
    pub(super) async fn ranking(
        &self,
        team: &TeamId,
        moment: Moment,
        question: &Question,
        told: Told,
    ) -> Result<wire::ranking::Ranking, Error> {
        let at = moment.computed();
        let (now, mut before) = tokio::try_join!(
            self.ranked(team, at, question),
            self.ranked(team, at.minus_days(CHANGE_DAYS).max(TIME_MIN.plus_micros(-1)), question),
        )?;
        let begun = self.check_shown(team, at, question, &now, told).await?;
        // What cannot be shown of then is not shown as a change either.
        if withheld::check(told, question.segment.as_deref(), &question.what_if, &before.counted).is_err() {
            before.ranking.items.clear();
            before.ranking.iterate.clear();
        }
        let segment = question.segment.as_deref();
        let scope = Scope { team, segment, as_of: moment.as_of, data_through: moment.data_through };
        let mut document = wire::ranking::Ranking::computed(&scope, &now.assumptions, &now.ranking, &before.ranking);
        document.before_first_event = !begun;
        Ok(document)
    }

    /// Whether the team had any event up to then. What would tell the numbers of a few accounts is not shown; where there was
    /// nothing at all, there is nobody to tell of.
    pub(super) async fn check_shown(
        &self,
        team: &TeamId,
        at: Timestamp,
        question: &Question,
        ranked: &Ranked,
        told: Told,
    ) -> Result<bool, Error> {
        let empty = ranked.ranking.items.is_empty() && ranked.ranking.iterate.is_empty();
        let begun = !empty || self.store.begun(team, at).await.map_err(|error| Error::history(&error))?;
        if begun {
            withheld::check(told, question.segment.as_deref(), &question.what_if, &ranked.counted)
                .map_err(Error::Withheld)?;
        }
        Ok(begun)
    }

    /// The ranking that is asked for, at `as_of` whatever instant the question names.
    pub(super) async fn ranked(&self, team: &TeamId, as_of: Timestamp, question: &Question) -> Result<Ranked, Error> {
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
