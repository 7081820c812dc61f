//! All teams side by side: what each should build next, and whether what it launched had been asked for or needed.

use crate::{
    catalog::Parameters,
    foresight::Foresight,
    ids::TeamId,
    launch::Launch,
    ranking::{Confidence, Ranked, Ranking},
    share::Share,
};

/// So many accounts must have asked for a feature, or shown need of it, for it to count as asked for, or as needed.
pub const ACCOUNTS_MIN: u64 = 3;

/// A launch and who wanted it before the team set to work, at [`Launch::decided_on`].
///
/// As for an [`outcome`](crate::outcome): merges and `need_min_count` are the catalog's at the instant asked about; an
/// account had asked if its latest statement up to then stood, and had shown need if its signals up to then added up to
/// `need_min_count`. It need not have been active.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The launch.
    pub launch: Launch,
    /// How many accounts had asked for it.
    pub asked: u64,
    /// How many accounts had shown need of it.
    pub needed: u64,
}

/// One team.
#[derive(Clone, Debug, PartialEq)]
pub struct TeamPortfolio {
    /// The team.
    pub team: TeamId,
    /// Its name; its id where nobody defined it.
    pub name: String,
    /// The parameters of its ranking.
    pub parameters: Parameters,
    /// Whether its population is large enough.
    pub confidence: Confidence,
    /// The first features of its ranking.
    pub first: Vec<Ranked>,
    /// How many features are listed.
    pub listed: u64,
    /// What it launched, in the order of the launches.
    pub launches: Vec<Wanted>,
    /// How much of that was wanted.
    pub wanted: WantedShares,
    /// How well its rankings foretold what would be used of it.
    pub foresight: Foresight,
}

/// How many launches had been wanted before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WantedShares {
    /// Launches that at least [`ACCOUNTS_MIN`] accounts had asked for.
    pub asked: Share,
    /// Launches that at least [`ACCOUNTS_MIN`] accounts had shown need of.
    pub needed: Share,
}

/// All teams.
#[derive(Clone, Debug, PartialEq)]
pub struct Portfolio {
    /// By ascending id.
    pub teams: Vec<TeamPortfolio>,
    /// How much of all teams' launches was wanted.
    pub wanted: WantedShares,
}

impl TeamPortfolio {
    /// A team with at most `first_max` of its ranking's features, and its launches.
    #[must_use]
    pub fn new(
        team: TeamId,
        name: Option<&str>,
        ranking: &Ranking,
        first_max: usize,
        mut launches: Vec<Wanted>,
        foresight: Foresight,
    ) -> Self {
        launches
            .sort_by(|a, b| (a.launch.launched_at, &a.launch.feature).cmp(&(b.launch.launched_at, &b.launch.feature)));
        Self {
            name: name.unwrap_or(team.as_str()).to_owned(),
            team,
            parameters: ranking.parameters.clone(),
            confidence: ranking.confidence,
            first: ranking.items.iter().take(first_max).cloned().collect(),
            listed: ranking.items.len() as u64,
            wanted: WantedShares::of(launches.iter()),
            launches,
            foresight,
        }
    }
}

impl WantedShares {
    fn of<'a>(launches: impl Iterator<Item = &'a Wanted> + Clone) -> Self {
        let share = |accounts: fn(&Wanted) -> u64| {
            let wanted = launches.clone().filter(|launch| accounts(launch) >= ACCOUNTS_MIN).count();
            Share::new(wanted as u64, launches.clone().count() as u64)
        };
        Self { asked: share(|launch| launch.asked), needed: share(|launch| launch.needed) }
    }
}

/// All teams side by side.
#[must_use]
pub fn portfolio(mut teams: Vec<TeamPortfolio>) -> Portfolio {
    teams.sort_by(|a, b| a.team.cmp(&b.team));
    let wanted = WantedShares::of(teams.iter().flat_map(|team| &team.launches));
    Portfolio { teams, wanted }
}
