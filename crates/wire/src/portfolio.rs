//! All teams side by side.

use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    computed,
    outcome::Foresight,
    ranking::{Confidence, Reading, Status},
    share::Share,
};

/// What each team should build next, and whether what it launched had been asked for or needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Portfolio {
    /// The instant T that the answer is of.
    pub as_of: String,
    /// Every event with a time up to this instant is in the numbers.
    pub data_through: String,
    /// How much of what all teams launched had been wanted.
    pub wanted: Wanted,
    /// The teams, in the order of their ids.
    pub teams: Vec<TeamPortfolio>,
}

/// One team.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TeamPortfolio {
    /// The team's id.
    pub team: String,
    /// The team's name; its id where nobody defined it.
    pub name: String,
    /// Whether its population is large enough to rank.
    pub confidence: Confidence,
    /// How many features its ranking lists.
    pub listed: u64,
    /// The first of them.
    pub first: Vec<First>,
    /// What it launched, in the order of the launches.
    pub launches: Vec<Launch>,
    /// How much of that had been wanted.
    pub wanted: Wanted,
    /// How well its rankings foretold what would be used of it; of more than 500 launches, of the newest.
    pub foresight: Foresight,
}

/// A feature near the top of a team's ranking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct First {
    /// Its place, from 1.
    pub rank: u32,
    /// The best place that the data allow.
    pub rank_low: u32,
    /// The worst place that the data allow.
    pub rank_high: u32,
    /// Which group of features that cannot be told apart it is in.
    pub tie_group: u32,
    /// The feature's id.
    pub feature: String,
    /// The feature's title; its id where the catalog gives none.
    pub title: String,
    /// The feature's status; `null` where the catalog does not know it.
    pub status: Option<Status>,
    /// The score, 0 to 100.
    pub score: f64,
    /// Share of the active accounts that asks for it, weighted and faded.
    pub asked: f64,
    /// Weighted share of the active accounts that shows need of it.
    pub needed: f64,
    /// What the two say together; `null` if the population is too small.
    pub reading: Option<Reading>,
}

/// A launch, and whether it had been wanted before the team set to work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Launch {
    /// The feature's id.
    pub feature: String,
    /// The feature's title; its id where the catalog gives none.
    pub title: String,
    /// When it was launched.
    pub launched_at: String,
    /// The last instant before the team set to work.
    pub decided_on: String,
    /// Whether it is still live.
    pub live: bool,
    /// Whether at least 3 accounts had asked for it.
    pub asked: bool,
    /// Whether at least 3 accounts had shown need of it.
    pub needed: bool,
}

/// How many launches had been wanted before the team set to work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Wanted {
    /// Launches that at least 3 accounts had asked for.
    pub asked: Share,
    /// Launches that at least 3 accounts had shown need of.
    pub needed: Share,
}

impl Portfolio {
    /// The document of a portfolio.
    #[must_use]
    pub fn computed(as_of: Timestamp, data_through: Timestamp, portfolio: &domain::portfolio::Portfolio) -> Self {
        Self {
            as_of: as_of.to_rfc3339(),
            data_through: data_through.to_rfc3339(),
            wanted: Wanted::computed(&portfolio.wanted),
            teams: portfolio.teams.iter().map(TeamPortfolio::computed).collect(),
        }
    }
}

impl TeamPortfolio {
    fn computed(team: &domain::portfolio::TeamPortfolio) -> Self {
        Self {
            team: team.team.to_string(),
            name: team.name.clone(),
            confidence: computed::confidence(team.confidence),
            listed: team.listed,
            first: team.first.iter().map(First::computed).collect(),
            launches: team.launches.iter().map(Launch::computed).collect(),
            wanted: Wanted::computed(&team.wanted),
            foresight: Foresight::computed(&team.foresight),
        }
    }
}

impl First {
    fn computed(ranked: &domain::ranking::Ranked) -> Self {
        Self {
            rank: ranked.rank,
            rank_low: ranked.margin.rank_low,
            rank_high: ranked.margin.rank_high,
            tie_group: ranked.margin.tie_group,
            feature: ranked.feature.to_string(),
            title: ranked.title.clone(),
            status: ranked.status.map(computed::status),
            score: ranked.score,
            asked: ranked.demand.share,
            needed: ranked.need.share,
            reading: ranked.reading.map(computed::reading),
        }
    }
}

impl Launch {
    fn computed(wanted: &domain::portfolio::Wanted) -> Self {
        let launch = &wanted.launch;
        Self {
            feature: launch.feature.to_string(),
            title: launch.title.clone(),
            launched_at: launch.launched_at.to_rfc3339(),
            decided_on: launch.decided_on().to_rfc3339(),
            live: launch.live,
            asked: wanted.asked >= domain::portfolio::ACCOUNTS_MIN,
            needed: wanted.needed >= domain::portfolio::ACCOUNTS_MIN,
        }
    }
}

impl Wanted {
    fn computed(shares: &domain::portfolio::WantedShares) -> Self {
        Self { asked: Share::computed(&shares.asked), needed: Share::computed(&shares.needed) }
    }
}
