//! `flywheel portfolio`: all teams side by side.

use clap::Args as ClapArgs;
use client::Question;
use tokio_util::sync::CancellationToken;
use wire::{
    outcome::Foresight,
    portfolio::{First, Portfolio, TeamPortfolio, Wanted},
    ranking::Confidence,
    share::Share,
};

use crate::{
    printable::printable,
    terminal::{
        Asking, Ink, View, age, percent, show,
        table::{Column, Table, bar, cut, flow},
    },
};

/// Cells of the bar of the highest score.
const BAR_CELLS: usize = 12;

/// Show what each team should build next, and whether what it launched had been wanted.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// The instant to answer for; now if absent.
    #[arg(long)]
    pub as_of: Option<String>,
    /// How to ask and to show.
    #[command(flatten)]
    pub asking: Asking,
}

/// Shows the portfolio once, or until `shutdown` with `--watch`.
///
/// # Errors
/// When the API refuses the question or cannot be reached; when the output cannot be written.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let question = Question::portfolio().with("as_of", args.as_of);
    show(question, &args.asking, render, shutdown).await
}

fn render(portfolio: &Portfolio, view: &View) -> String {
    let ink = Ink::new(view.colour);
    let title = [
        ink.bold(&format!("{} teams", portfolio.teams.len())),
        format!("as of {}", printable(&portfolio.as_of)),
        format!("data through {}", age(&portfolio.data_through, view.now)),
    ];
    let mut lines = flow(&title, view.width);
    lines.extend(flow(&wanted(&portfolio.wanted), view.width));
    lines.push(String::new());
    lines.extend(Table::fit(columns(portfolio, ink), view.width).lines(ink));
    view.text(&cut(lines, view.lines_max, ink))
}

fn wanted(wanted: &Wanted) -> Vec<String> {
    let share = |share: &Share| percent(share.share, share.low, share.high);
    vec![
        format!("of {} launches, at least 3 accounts", wanted.asked.of),
        format!("had asked for {}", share(&wanted.asked)),
        format!("had shown need of {}", share(&wanted.needed)),
    ]
}

/// A row for each of the first features of each team.
fn columns(portfolio: &Portfolio, ink: Ink) -> Vec<Column> {
    let rows: Vec<(&TeamPortfolio, usize, Option<&First>)> = portfolio
        .teams
        .iter()
        .flat_map(|team| {
            let first = team.first.iter().enumerate().map(move |(at, first)| (team, at, Some(first)));
            first.chain(team.first.is_empty().then_some((team, 0, None)))
        })
        .collect();
    let most = rows.iter().filter_map(|(_, _, first)| Some((*first)?.score)).fold(0.0, f64::max);
    let of_team = |cell: &dyn Fn(&TeamPortfolio) -> String| {
        rows.iter().map(|(team, at, _)| if *at == 0 { cell(team) } else { String::new() }).collect::<Vec<_>>()
    };
    let of_first = |cell: &dyn Fn(&First) -> String| {
        rows.iter().map(|(_, _, first)| first.map(cell).unwrap_or_default()).collect::<Vec<_>>()
    };
    vec![
        Column::text("team", 0, of_team(&|team| ink.bold(&printable(&team.team)))).cut_to(16),
        Column::number("#", 0, of_first(&rank)),
        Column::text("next", 0, of_first(&|first| printable(&first.feature))).cut_to(24),
        Column::text("title", 6, of_first(&|first| ink.dim(&printable(&first.title)))).cut_to(16),
        Column::number("score", 0, of_first(&|first| format!("{:.2}", first.score))),
        Column::text("", 5, of_first(&|first| ink.demand(&bar(first.score, most, BAR_CELLS)))),
        Column::number("listed", 3, of_team(&|team| team.listed.to_string())),
        Column::text(
            "sure",
            4,
            of_team(&|team| match team.confidence {
                Confidence::Ok => "yes".to_owned(),
                Confidence::Insufficient => ink.warn("too few accounts"),
            }),
        ),
        Column::number("launched", 2, of_team(&|team| team.launches.len().to_string())),
        Column::number(
            "asked/needed",
            1,
            of_team(&|team| format!("{}/{}", team.wanted.asked.count, team.wanted.needed.count)),
        ),
        Column::number("foretold", 1, of_team(&|team| foretold(&team.foresight))),
    ]
}

/// The share of pairs of launches that the team's rankings had in the right order; a dot where there are too few to say.
fn foretold(foresight: &Foresight) -> String {
    foresight.share.map_or_else(|| "·".to_owned(), |share| format!("{:.0}%", share * 100.0))
}

fn rank(first: &First) -> String {
    match first.rank_low < first.rank_high {
        true => format!("{} [{}-{}]", first.rank, first.rank_low, first.rank_high),
        false => first.rank.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use wire::portfolio::Launch;

    use super::*;
    use crate::terminal::at;

    fn golden() -> Portfolio {
        let share = |count, of| Share { count, of, share: 0.5, low: 0.1, high: 0.9 };
        let first = |rank, feature: &str, score| First {
            rank,
            rank_low: 1,
            rank_high: 2,
            tie_group: 1,
            feature: feature.to_owned(),
            title: "A title".to_owned(),
            status: None,
            score,
            asked: 0.1,
            needed: 0.2,
            reading: None,
        };
        let launch = Launch {
            feature: "backups".to_owned(),
            title: "Backups".to_owned(),
            launched_at: "2026-01-01T00:00:00Z".to_owned(),
            decided_on: "2025-12-01T00:00:00Z".to_owned(),
            live: true,
            asked: true,
            needed: false,
        };
        let team = |team: &str, confidence, first, launches: Vec<Launch>| TeamPortfolio {
            team: team.to_owned(),
            name: team.to_owned(),
            confidence,
            listed: 2,
            first,
            wanted: Wanted { asked: share(1, launches.len() as u64), needed: share(0, launches.len() as u64) },
            foresight: Foresight {
                launches: 7,
                pairs: 21,
                in_order: 17.0,
                share: (confidence == Confidence::Ok).then_some(17.0 / 21.0),
                chance_low: Some(0.12),
                chance_high: Some(0.88),
            },
            launches,
        };
        Portfolio {
            as_of: "2026-01-31T12:00:00Z".to_owned(),
            data_through: "2026-01-31T11:59:58Z".to_owned(),
            wanted: Wanted { asked: share(1, 1), needed: share(0, 1) },
            teams: vec![
                team(
                    "dynamodb",
                    Confidence::Ok,
                    vec![first(1, "secondary-indexes", 10.55), first(2, "multi-region", 9.4)],
                    vec![launch],
                ),
                team("quiet", Confidence::Insufficient, vec![], vec![]),
            ],
        }
    }

    #[test]
    fn at_120_columns_every_team_has_its_next() {
        insta::assert_snapshot!(render(&golden(), &at(120)));
    }

    #[test]
    fn at_80_columns_every_team_has_its_next() {
        insta::assert_snapshot!(render(&golden(), &at(80)));
    }
}
