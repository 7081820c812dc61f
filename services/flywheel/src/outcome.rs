//! `flywheel outcome`: what became of a launch.

use anyhow::Context as _;
use clap::Args as ClapArgs;
use client::Question;
use domain::ids::{FeatureId, TeamId};
use tokio_util::sync::CancellationToken;
use wire::outcome::{Before, BeforeState, Cohort, Foresight, Outcome};

use crate::{
    printable::printable,
    terminal::{
        Asking, Ink, View, age, percent, show,
        table::{Column, Table, cut, flow, whisker},
    },
};

/// Cells of a whisker of 100 %.
const WHISKER_CELLS: usize = 21;

/// Show what became of a launch.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// Team that launched, such as `dynamodb`.
    pub team: String,
    /// The launched feature.
    pub feature: String,
    /// The instant to look back from; now if absent.
    #[arg(long)]
    pub as_of: Option<String>,
    /// How to ask and to show.
    #[command(flatten)]
    pub asking: Asking,
}

/// Shows the outcome once, or until `shutdown` with `--watch`.
///
/// # Errors
/// When the API refuses the question, cannot be reached or knows no such launch; when the output cannot be written.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Args { team, feature, as_of, asking } = args;
    let team = TeamId::parse(&team).with_context(|| format!("`{team}` is not a team id"))?;
    let feature = FeatureId::parse(&feature).with_context(|| format!("`{feature}` is not a feature id"))?;
    let question = Question::outcome(&team, &feature).with("as_of", as_of);
    show(question, &asking, render, shutdown).await
}

fn render(outcome: &Outcome, view: &View) -> String {
    let ink = Ink::new(view.colour);
    let title = [
        ink.bold(&format!("{} {}", printable(&outcome.team), printable(&outcome.feature))),
        printable(&outcome.title),
        format!("launched {}", printable(&outcome.launched_at)),
        format!("as of {}", printable(&outcome.as_of)),
        format!("data through {}", age(&outcome.data_through, view.now)),
    ];
    let before = [format!("before the work began, at {}:", printable(&outcome.decided_on)), before(&outcome.before)];
    let mut lines = flow(&title, view.width);
    lines.extend(flow(&before, view.width));
    for horizon in outcome.horizons.iter().filter(|horizon| !horizon.over) {
        let ends = printable(&horizon.ends_at);
        lines.push(ink.warn(&format!("the {} days are not over until {ends}: numbers can grow", horizon.days)));
    }
    lines.push(String::new());
    lines.extend(Table::fit(columns(outcome, ink), view.width).lines(ink));
    lines.push(String::new());
    lines.extend(flow(&foresight(&outcome.foresight), view.width));
    view.text(&cut(lines, view.lines_max, ink))
}

fn columns(outcome: &Outcome, ink: Ink) -> Vec<Column> {
    let cohorts = [
        ("asked", &outcome.asked),
        ("needed", &outcome.needed),
        ("asked or needed", &outcome.asked_or_needed),
        ("  and active", &outcome.asked_or_needed_active),
        ("neither, active", &outcome.neither),
        ("all active", &outcome.active),
    ];
    let cells = |cell: &dyn Fn(&Cohort) -> String| cohorts.iter().map(|(_, cohort)| cell(cohort)).collect::<Vec<_>>();
    let mut columns = vec![
        Column::text("accounts that", 0, cohorts.iter().map(|(name, _)| (*name).to_owned()).collect()),
        Column::number(
            "accounts",
            0,
            cells(&|cohort| cohort.accounts.map_or_else(|| "too few".to_owned(), |accounts| accounts.to_string())),
        ),
    ];
    for (at, horizon) in outcome.horizons.iter().enumerate() {
        let of = |cohort: &Cohort| cohort.used.as_ref().and_then(|used| used.get(at).cloned());
        columns.push(Column::number(
            format!("used in {} d", horizon.days),
            0,
            cells(&|cohort| of(cohort).map_or_else(String::new, |used| percent(used.share, used.low, used.high))),
        ));
        columns.push(Column::text(
            "to 100%",
            if at == 0 { 2 } else { 1 },
            cells(&|cohort| {
                of(cohort).map_or_else(String::new, |used| {
                    ink.demand(&whisker(used.share, used.low, used.high, 1.0, WHISKER_CELLS))
                })
            }),
        ));
    }
    columns
}

fn before(before: &Before) -> String {
    match (before.state, before.rank, before.listed) {
        (BeforeState::Listed, Some(rank), Some(listed)) => {
            let interval = match (before.rank_low, before.rank_high) {
                (Some(low), Some(high)) => format!(" [{low}-{high}]"),
                _ => String::new(),
            };
            let score = before.score.map(|score| format!(", score {score:.2}")).unwrap_or_default();
            format!("rank {rank}{interval} of {listed}{score}")
        }
        (BeforeState::UnheardOf, ..) => "nobody had asked for it or shown need of it".to_owned(),
        _ => "the ranking did not list it".to_owned(),
    }
}

fn foresight(foresight: &Foresight) -> Vec<String> {
    match (foresight.share, foresight.chance_low, foresight.chance_high) {
        (Some(share), Some(low), Some(high)) => vec![
            format!(
                "the team's rankings had {:.0} % of {} pairs of launches in the right order",
                share * 100.0,
                foresight.pairs
            ),
            format!("chance alone: {:.0} to {:.0} %", low * 100.0, high * 100.0),
        ],
        _ if foresight.launches > 1 && foresight.pairs == 0 => vec![format!(
            "all {} of the team's launches that can be judged were used by the same share: there was nothing to foretell",
            foresight.launches
        )],
        _ => vec![format!(
            "{} of the team's launches can be judged: too few to say how well its rankings foretold",
            foresight.launches
        )],
    }
}

#[cfg(test)]
mod tests {
    use wire::{outcome::Horizon, share::Share};

    use super::*;
    use crate::terminal::at;

    fn golden() -> Outcome {
        let cohort = |of, counts: [u64; 2]| Cohort {
            accounts: Some(of),
            used: Some(
                counts
                    .map(|count| {
                        let share = count as f64 / of as f64;
                        Share { count, of, share, low: share * 0.7, high: (share * 1.3).min(1.0) }
                    })
                    .into(),
            ),
        };
        Outcome {
            team: "dynamodb".to_owned(),
            feature: "secondary-indexes".to_owned(),
            title: "Secondary indexes".to_owned(),
            as_of: "2026-01-31T12:00:00Z".to_owned(),
            data_through: "2026-01-31T11:59:58Z".to_owned(),
            launched_at: "2026-01-10T00:00:00Z".to_owned(),
            decided_on: "2025-11-30T23:59:59.999999Z".to_owned(),
            before: Before {
                state: BeforeState::Listed,
                rank: Some(1),
                rank_low: Some(1),
                rank_high: Some(2),
                listed: Some(7),
                score: Some(10.55),
            },
            horizons: vec![
                Horizon { days: 14, ends_at: "2026-01-24T00:00:00Z".to_owned(), over: true },
                Horizon { days: 28, ends_at: "2026-02-07T00:00:00Z".to_owned(), over: false },
            ],
            asked: Cohort { accounts: None, used: None },
            needed: cohort(40, [20, 30]),
            asked_or_needed: cohort(50, [22, 35]),
            asked_or_needed_active: cohort(48, [22, 35]),
            neither: cohort(52, [1, 5]),
            active: cohort(100, [23, 40]),
            foresight: Foresight {
                launches: 7,
                pairs: 21,
                in_order: 17.0,
                share: Some(17.0 / 21.0),
                chance_low: Some(0.12),
                chance_high: Some(0.88),
            },
        }
    }

    #[test]
    fn at_120_columns_whiskers_stand() {
        insta::assert_snapshot!(render(&golden(), &at(120)));
    }

    #[test]
    fn at_80_columns_the_numbers_stand() {
        insta::assert_snapshot!(render(&golden(), &at(80)));
    }

    #[test]
    fn too_few_launches_are_not_judged() {
        let few = Foresight { launches: 2, share: None, ..golden().foresight };
        assert!(foresight(&few)[0].contains("2 of the team's launches"));
        let alike = Foresight { launches: 33, pairs: 0, share: None, ..golden().foresight };
        assert!(foresight(&alike)[0].contains("nothing to foretell"));
    }
}
