//! Where published rankings had a feature, over time.

use ::store::Span;
use domain::ids::{FeatureId, TeamId};
use wire::history::{Place, Point, Shown};

use super::{Enquiry, Turn};
use crate::error::Error;

/// A feature's places in a team's snapshots.
#[derive(Debug)]
pub(crate) struct PlacesOf {
    pub(crate) team: TeamId,
    pub(crate) feature: FeatureId,
    pub(crate) span: Span,
    /// The newest snapshot that readers know of: with the next one the places are others.
    #[expect(dead_code, reason = "it tells this enquiry from later ones")]
    pub(crate) newest: String,
}

impl Enquiry for PlacesOf {
    type Answer = Vec<Point>;
    const NAME: &'static str = "history";

    async fn answer(self, turn: &Turn) -> Result<Self::Answer, Error> {
        let points = turn.store.history(&self.team, &self.feature, self.span).await;
        Ok(points.map_err(|error| Error::history(&error))?.into_iter().map(point).collect())
    }
}

fn point(point: ::store::Point) -> Point {
    let shown = |shown: ::store::Shown| Shown {
        share: shown.share,
        low: shown.low,
        high: shown.high,
        accounts: shown.accounts,
    };
    Point {
        as_of: point.as_of.to_rfc3339(),
        snapshot: point.snapshot,
        accounts: point.accounts,
        place: point.place.map(|place| Place {
            launched: place.launched,
            rank: place.rank,
            rank_low: place.rank_low,
            rank_high: place.rank_high,
            score: place.score,
            demand: shown(place.demand),
            need: shown(place.need),
            measured: place.measured,
        }),
    }
}
