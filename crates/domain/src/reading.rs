//! What asked and needed say together: is a feature wanted, painful to miss, both, or neither?

use serde::{Deserialize, Serialize};

use crate::margins::Point;

/// Two ways of adding up the same shares differ by less; a share this near to the mean is not below it.
const ROUNDING_MAX: f64 = 1e-9;

/// How stated demand and revealed need compare with those of the other features of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Asked for and needed at least as much as the average feature.
    AskedAndNeeded,
    /// Asked for; usage shows no such need.
    AskedNotNeeded,
    /// Asked for; no need signal for it was ever received, so that nobody knows.
    AskedUnmeasured,
    /// Needed more than asked for.
    NeededNotAsked,
    /// Neither.
    Quiet,
}

impl Reading {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AskedAndNeeded => "asked_and_needed",
            Self::AskedNotNeeded => "asked_not_needed",
            Self::AskedUnmeasured => "asked_unmeasured",
            Self::NeededNotAsked => "needed_not_asked",
            Self::Quiet => "quiet",
        }
    }
}

/// What the average feature of a list is asked for and needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Means {
    asked: f64,
    needed: f64,
}

impl Means {
    /// The means of the listed features' point values.
    pub(crate) fn of(listed: &[Point]) -> Self {
        let count = listed.len().max(1) as f64;
        Self {
            asked: listed.iter().map(|point| point.asked).sum::<f64>() / count,
            needed: listed.iter().map(|point| point.needed).sum::<f64>() / count,
        }
    }

    /// One listed feature's reading. `measured`: a need signal for it was ever received.
    pub(crate) fn reading(&self, point: &Point, measured: bool) -> Reading {
        let stands_out = |share: f64, mean: f64| share > 0.0 && share >= mean - ROUNDING_MAX;
        match (stands_out(point.asked, self.asked), stands_out(point.needed, self.needed)) {
            (true, true) => Reading::AskedAndNeeded,
            (true, false) if measured => Reading::AskedNotNeeded,
            (true, false) => Reading::AskedUnmeasured,
            (false, true) => Reading::NeededNotAsked,
            (false, false) => Reading::Quiet,
        }
    }
}
