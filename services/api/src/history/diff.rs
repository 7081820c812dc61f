//! Why a ranking is another than it was.

use domain::{
    diff::{Ends, diff},
    ids::TeamId,
    ranking::Ranking,
};
use wire::{Scope, diff::Diff};

use super::{Enquiry, Moment, Turn};
use crate::{error::Error, parameters::ranking::Question, withheld::Told};

/// The diff between a team's rankings at two moments, of all its accounts or those of one segment.
#[derive(Debug)]
pub(crate) struct DiffBetween {
    pub(crate) team: TeamId,
    pub(crate) moments: Ends<Moment>,
    pub(crate) segment: Option<String>,
    pub(crate) told: Told,
}

impl Enquiry for DiffBetween {
    type Answer = Diff;
    const NAME: &'static str = "diff";

    async fn answer(self, turn: &Turn) -> Result<Self::Answer, Error> {
        let Self { team, moments, segment, told } = self;
        let question = Question { segment, ..Question::default() };
        let segment = question.segment.as_deref();
        let ends = Ends { from: moments.from.computed(), to: moments.to.computed() };
        let compared =
            async { turn.store.comparison(&team, segment, ends).await.map_err(|error| Error::history(&error)) };
        let (from, to, comparison) = tokio::try_join!(
            ranking(turn, &team, moments.from, &question, told),
            ranking(turn, &team, moments.to, &question, told),
            compared,
        )?;
        let rankings = Ends { from, to };
        let scopes = Ends::of(|end| {
            let Moment { as_of, data_through } = *moments.at(end);
            Scope { team: &team, segment, as_of, data_through }
        });
        // A second or so for the largest teams, which must not hold up other requests.
        let turn = turn.hold();
        let (comparison, found) = tokio::task::spawn_blocking(move || {
            let found = diff(&comparison);
            drop(turn);
            (comparison, found)
        })
        .await
        .map_err(Error::internal)?;
        Ok(Diff::computed(&scopes, &rankings, &comparison, &found))
    }
}

async fn ranking(
    turn: &Turn,
    team: &TeamId,
    moment: Moment,
    question: &Question,
    told: Told,
) -> Result<Ranking, Error> {
    let at = moment.computed();
    let ranked = turn.ranked(team, at, question).await?;
    turn.check_shown(team, at, question, &ranked, told).await?;
    Ok(ranked.ranking)
}
