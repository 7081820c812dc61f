//! `flywheel diff`: why a team's ranking is another than it was.

use anyhow::Context as _;
use clap::Args as ClapArgs;
use client::Question;
use domain::ids::TeamId;
use tokio_util::sync::CancellationToken;
use wire::diff::{Diff, DiffEnd, FeatureDiff};

use crate::{
    printable::printable,
    terminal::{
        Asking, Ink, View, show,
        table::{Column, Table, bar, cut, flow},
    },
};

/// Cells of the bar of the greatest change.
const BAR_CELLS: usize = 10;

/// Show why a team's ranking is another than it was.
#[derive(Clone, Debug, ClapArgs)]
pub struct Args {
    /// Team whose rankings to compare, such as `dynamodb`.
    pub team: String,
    /// The instant to start from, such as 2026-03-31T00:00:00Z.
    pub from: String,
    /// The instant that it leads to; now if absent.
    pub to: Option<String>,
    /// Compare the rankings of the accounts of this segment alone.
    #[arg(long)]
    pub segment: Option<String>,
    /// How to ask and to show.
    #[command(flatten)]
    pub asking: Asking,
}

/// Shows the diff once, or until `shutdown` with `--watch`.
///
/// # Errors
/// When the API refuses the question or cannot be reached; when the output cannot be written.
pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Args { team, from, to, segment, asking } = args;
    let team = TeamId::parse(&team).with_context(|| format!("`{team}` is not a team id"))?;
    let question = Question::diff(&team, &from).with("to", to).with("segment", segment);
    show(question, &asking, render, shutdown).await
}

fn render(diff: &Diff, view: &View) -> String {
    let ink = Ink::new(view.colour);
    let scope = diff.segment.as_deref().map(|segment| format!(", segment {}", printable(segment))).unwrap_or_default();
    let end = |name: &str, end: &DiffEnd| {
        format!("{name} {}: {} accounts, {} features", printable(&end.as_of), end.accounts, end.listed)
    };
    let title = [
        format!("{}{scope}", ink.bold(&printable(&diff.team))),
        end("from", &diff.from),
        end("to", &diff.to),
        format!("score {}", printable(&diff.formula)),
    ];
    let mut lines = flow(&title, view.width);
    lines.push(String::new());
    if diff.features.is_empty() {
        lines.push("nothing is listed at either end".to_owned());
    } else {
        lines.extend(Table::fit(columns(&diff.features, ink), view.width).lines(ink));
    }
    view.text(&cut(lines, view.lines_max, ink))
}

fn columns(features: &[FeatureDiff], ink: Ink) -> Vec<Column> {
    let cells = |cell: &dyn Fn(&FeatureDiff) -> String| features.iter().map(cell).collect::<Vec<String>>();
    let most = features.iter().map(|feature| feature.change.abs()).fold(0.0, f64::max);
    let mut columns = vec![
        Column::number("#", 0, cells(&|feature| format!("{} → {}", place(feature.rank.from), place(feature.rank.to)))),
        Column::text("feature", 0, cells(&|feature| ink.bold(&printable(&feature.feature)))).cut_to(24),
        Column::text(
            "title",
            14,
            cells(&|feature| match feature.title == feature.feature {
                true => String::new(),
                false => ink.dim(&printable(&feature.title)),
            }),
        )
        .cut_to(16),
        Column::number("from", 12, cells(&|feature| format!("{:.2}", feature.score.from))),
        Column::number("to", 0, cells(&|feature| format!("{:.2}", feature.score.to))),
        Column::number("change", 0, cells(&|feature| signed(feature.change))),
        Column::text(
            "",
            13,
            cells(&|feature| {
                let bar = bar(feature.change.abs(), most, BAR_CELLS);
                if feature.change < 0.0 { ink.need(&bar) } else { ink.demand(&bar) }
            }),
        ),
    ];
    // A part that is nothing everywhere needs no column; the one that moves least gives way first.
    let mut parts: Vec<(usize, &str, f64)> = Vec::new();
    for feature in features {
        for (at, (name, part)) in feature.parts.named().into_iter().enumerate() {
            match parts.get_mut(at) {
                Some(known) => known.2 += part.abs(),
                None => parts.push((at, name, part.abs())),
            }
        }
    }
    let moved: Vec<f64> = parts.iter().map(|(_, _, moved)| *moved).collect();
    for (at, name, sum) in parts.into_iter().filter(|(_, _, sum)| *sum > 0.0) {
        let moved_more = moved.iter().filter(|other| **other > sum).count();
        let gives_way = u8::try_from(1 + moved_more).unwrap_or(u8::MAX);
        let head = name.replace('_', " ");
        columns.push(Column::number(head, gives_way, cells(&|feature| signed(feature.parts.named()[at].1))));
    }
    columns
}

fn place(rank: Option<u32>) -> String {
    rank.map_or_else(|| "-".to_owned(), |rank| rank.to_string())
}

/// With its sign; nothing where there is nothing.
fn signed(points: f64) -> String {
    if points == 0.0 { "·".to_owned() } else { format!("{points:+.2}") }
}

#[cfg(test)]
mod tests {
    use wire::diff::{Parts, Ranks, Scores};

    use super::*;
    use crate::terminal::at;

    fn golden() -> Diff {
        let end = |as_of: &str, accounts, listed| DiffEnd {
            as_of: as_of.to_owned(),
            data_through: as_of.to_owned(),
            accounts,
            listed,
        };
        let feature = |id: &str, title: &str, rank: (Option<u32>, Option<u32>), score: (f64, f64), parts: [f64; 8]| {
            let [parameters, status, merges, population, requests_new, requests_withdrawn, fading, need] = parts;
            FeatureDiff {
                feature: id.to_owned(),
                title: title.to_owned(),
                rank: Ranks { from: rank.0, to: rank.1 },
                score: Scores { from: score.0, to: score.1 },
                change: score.1 - score.0,
                parts: Parts { parameters, status, merges, population, requests_new, requests_withdrawn, fading, need },
            }
        };
        Diff {
            team: "dynamodb".to_owned(),
            segment: Some("retail".to_owned()),
            from: end("2026-01-24T12:00:00Z", 98, 3),
            to: end("2026-01-31T12:00:00Z", 100, 2),
            formula: "v1".to_owned(),
            features: vec![
                feature(
                    "secondary-indexes",
                    "Secondary indexes",
                    (Some(2), Some(1)),
                    (8.0, 10.5),
                    [0.0, 0.0, 0.0, -0.25, 0.75, 0.0, -0.125, 2.125],
                ),
                feature(
                    "multi-region",
                    "Multi-region \u{1b}[31mtables",
                    (Some(1), Some(2)),
                    (9.75, 9.5),
                    [0.0, 0.0, 0.0, -0.25, 0.0, 0.0, 0.0, 0.0],
                ),
                feature("ttl", "ttl", (Some(3), None), (1.0, 0.0), [0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
            ],
        }
    }

    #[test]
    fn at_120_columns_the_parts_stand() {
        insta::assert_snapshot!(render(&golden(), &at(120)));
    }

    #[test]
    fn at_80_columns_what_moved_most_stands() {
        insta::assert_snapshot!(render(&golden(), &at(80)));
    }

    #[test]
    fn no_colour_where_it_is_not_allowed() {
        assert!(!render(&golden(), &at(120)).contains('\u{1b}'));
        assert!(render(&golden(), &View { colour: true, ..at(120) }).contains("\u{1b}["));
    }
}
