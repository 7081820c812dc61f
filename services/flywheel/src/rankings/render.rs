//! A ranking as text: a pure function of the document and of the screen.

use std::fmt::Write;

use console::{Alignment, measure_text_width, pad_str, truncate_str};
use domain::time::Timestamp;
use wire::ranking::{Confidence, Item, Ranking};

use super::columns::{self, Column, Ink};
use crate::printable::printable;

/// Between two columns.
const GAP: &str = "  ";

/// What the drawing depends on besides the ranking.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// Columns of the screen.
    pub(super) width: usize,
    /// Rows of the screen; `None` where the text may be of any length.
    pub(super) lines_max: Option<usize>,
    /// Whether ANSI colours may be used.
    pub(super) colour: bool,
    /// The present, which the age of the data is measured against.
    pub(super) now: Timestamp,
}

/// Draws `ranking` for `view`: a header, the features to choose from, and apart from them the launched ones.
pub(super) fn render(ranking: &Ranking, view: &View) -> String {
    let ink = Ink::new(ranking, view.colour);
    let header = header(ranking, view, &ink);
    let room = view.lines_max.map(|lines| lines.saturating_sub(header.len()));
    let mut lines = header;
    lines.extend(body(ranking, view, &ink, room));
    lines.iter().fold(String::new(), |mut text, line| {
        text.push_str(&truncate_str(line, view.width, "…"));
        text.push('\n');
        text
    })
}

fn header(ranking: &Ranking, view: &View, ink: &Ink) -> Vec<String> {
    let p = &ranking.parameters;
    let population = &ranking.population;
    let scope =
        ranking.segment.as_deref().map(|segment| format!(", segment {}", printable(segment))).unwrap_or_default();
    let title = [
        format!("{}{scope}", ink.bold(&printable(&ranking.team))),
        format!("as of {}", printable(&ranking.as_of)),
        format!("data through {}", age(&ranking.data_through, view.now)),
        match &ranking.snapshot {
            Some(snapshot) => format!("snapshot {}", printable(snapshot)),
            None => "computed for the question".to_owned(),
        },
    ];
    let accounts = [
        format!("{} accounts active within {} d", population.accounts, p.activity_window_days),
        format!("{} with usage", population.used),
        format!("weight {:.0}, effective {:.1}", population.weight, population.effective),
    ];
    let formula = [
        format!("score {}:", printable(&ranking.formula)),
        format!("{} {} asked, half-life {} d", ink.demand("█"), p.demand_weight, p.half_life_days),
        format!(
            "{} {} needed, at least {} in {} d",
            ink.need("▒"),
            p.need_weight,
            p.need_min_count,
            p.need_window_days
        ),
        format!("[{} % bounds]", round_percent(p.confidence)),
    ];
    let mut lines: Vec<String> =
        [&title[..], &accounts, &formula].into_iter().flat_map(|line| flow(line, view.width)).collect();
    if ranking.confidence == Confidence::Insufficient {
        lines.push(ink.warn("fewer than 30 effective accounts: too few for the order to mean much"));
    }
    lines.push(String::new());
    lines
}

/// The clauses on as few lines as `width` allows.
fn flow(clauses: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for clause in clauses {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + GAP.len() + measure_text_width(clause) <= width => {
                line.push_str(GAP);
                line.push_str(clause);
            }
            _ => lines.push(clause.clone()),
        }
    }
    lines
}

fn body(ranking: &Ranking, view: &View, ink: &Ink, room: Option<usize>) -> Vec<String> {
    if ranking.items.is_empty() && ranking.iterate.is_empty() {
        return vec!["no feature has been defined, asked for or needed yet".to_owned()];
    }
    let all: Vec<&Item> = ranking.items.iter().chain(&ranking.iterate).collect();
    let columns = fit(&all, view.width, ink);
    // The table's head, and a heading with a blank line before the launched ones.
    let room = room.map(|lines| lines.saturating_sub(if ranking.iterate.is_empty() { 1 } else { 3 }));
    let (items, iterate) = share(room, ranking.items.len(), ranking.iterate.len());
    let mut lines = vec![ink.dim(&row(&columns, |column| column.head.to_owned()))];
    lines.extend(rows(&ranking.items, items, &columns, ink));
    if !ranking.iterate.is_empty() {
        lines.push(String::new());
        lines.push(ink.bold("launched: what is still asked for and needed since"));
        lines.extend(rows(&ranking.iterate, iterate, &columns, ink));
    }
    lines
}

/// How many rows of each list are drawn in `room` lines; where a list is cut, its last line says so.
fn share(room: Option<usize>, items: usize, iterate: usize) -> (usize, usize) {
    let Some(room) = room else { return (items, iterate) };
    let iterate = iterate.min((room / 3).max(1));
    (items.min(room.saturating_sub(iterate).max(1)), iterate)
}

fn rows(items: &[Item], lines: usize, columns: &[(Column, usize)], ink: &Ink) -> Vec<String> {
    let shown = if items.len() > lines { lines.saturating_sub(1) } else { items.len() };
    let mut rows: Vec<String> =
        items.iter().take(shown).map(|item| row(columns, |column| (column.cell)(item, ink))).collect();
    if shown < items.len() {
        rows.push(ink.dim(&format!("… and {} more", items.len() - shown)));
    }
    rows
}

fn row(columns: &[(Column, usize)], cell: impl Fn(&Column) -> String) -> String {
    let mut line = String::new();
    for (index, (column, width)) in columns.iter().enumerate() {
        if index > 0 {
            line.push_str(GAP);
        }
        let alignment = if column.right { Alignment::Right } else { Alignment::Left };
        let _ = write!(line, "{}", pad_str(&cell(column), *width, alignment, Some("…")));
    }
    line.trim_end().to_owned()
}

/// The columns that fit into `width`, each with its own width: long texts are cut, then the least important column
/// gives way, until the rest fits.
fn fit(items: &[&Item], width: usize, ink: &Ink) -> Vec<(Column, usize)> {
    let natural = |column: &Column| {
        let cells = items.iter().map(|item| measure_text_width(&(column.cell)(item, ink)));
        cells.chain([measure_text_width(column.head)]).max().unwrap_or(0)
    };
    let mut columns: Vec<(Column, usize)> = columns::all()
        .into_iter()
        .map(|column| {
            let width = natural(&column);
            (column, width)
        })
        .collect();
    loop {
        let gaps = GAP.len() * columns.len().saturating_sub(1);
        let mut excess = (columns.iter().map(|(_, width)| width).sum::<usize>() + gaps).saturating_sub(width);
        let cuts: Vec<usize> = columns
            .iter()
            .rev()
            .map(|(column, width)| {
                let cut = column.cut_to.map_or(0, |least| width.saturating_sub(least)).min(excess);
                excess -= cut;
                cut
            })
            .collect();
        let least = (0..columns.len()).max_by_key(|&index| columns[index].0.gives_way);
        match least.filter(|&index| excess > 0 && columns[index].0.gives_way > 0) {
            Some(index) => drop(columns.remove(index)),
            None => {
                columns.iter_mut().rev().zip(cuts).for_each(|((_, width), cut)| *width -= cut);
                return columns;
            }
        }
    }
}

/// How long ago `instant` was.
fn age(instant: &str, now: Timestamp) -> String {
    let Ok(then) = Timestamp::parse_rfc3339(instant) else { return printable(instant) };
    let seconds = now.0.saturating_sub(then.0).max(0) / 1_000_000;
    match seconds {
        0 => "now".to_owned(),
        1..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

fn round_percent(share: f64) -> f64 {
    (share * 1e5).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ranking::{Contributions, Demand, Need, Outside, Parameters, Population, Status};

    fn item(rank: u32, feature: &str, title: &str, demand: [f64; 3], need: [f64; 3], change: Option<i64>) -> Item {
        let contributions = Contributions { demand: 60.0 * demand[1], need: 40.0 * need[1] };
        Item {
            rank,
            rank_low: None,
            rank_high: None,
            tie_group: None,
            surely_above_next: None,
            feature: feature.to_owned(),
            title: title.to_owned(),
            status: Some(Status::Proposed),
            door: None,
            door_decision: None,
            effort_months: None,
            score_per_effort: None,
            score: contributions.demand + contributions.need,
            contributions,
            demand: Demand {
                share: demand[0],
                low: demand[1],
                high: demand[2],
                accounts: 15,
                requests: 17,
                outside: Outside { lapsed: 0, never_used: 2 },
            },
            need: Need { share: need[0], low: need[1], high: need[2], accounts: 24, measured: need[0] > 0.0 },
            reading: None,
            top_account_share: None,
            rank_change_7d: change,
        }
    }

    fn golden() -> Ranking {
        Ranking {
            team: "dynamodb".to_owned(),
            segment: None,
            as_of: "2026-01-31T12:00:00Z".to_owned(),
            data_through: "2026-01-31T11:59:58Z".to_owned(),
            formula: "v1".to_owned(),
            snapshot: Some("s1".to_owned()),
            before_first_event: false,
            tier_weights: wire::ranking::TierWeights::default(),
            merge_cycles: Vec::new(),
            confidence: Confidence::Ok,
            parameters: Parameters {
                activity_window_days: 90.0,
                half_life_days: 90.0,
                need_window_days: 30.0,
                need_min_count: 1,
                demand_weight: 0.6,
                need_weight: 0.4,
                confidence: 0.95,
            },
            population: Population { accounts: 100, used: 98, weight: 120.0, effective: 80.0 },
            items: vec![
                item(
                    1,
                    "secondary-indexes",
                    "Secondary indexes",
                    [0.1042, 0.0544, 0.1902],
                    [0.2667, 0.1821, 0.3726],
                    Some(1),
                ),
                item(
                    2,
                    "multi-region",
                    "Multi-region tables",
                    [0.1631, 0.0980, 0.2592],
                    [0.15, 0.0879, 0.2441],
                    Some(-1),
                ),
                item(3, "ttl", "Expire \u{1b}[31mitems", [0.02, 0.006, 0.07], [0.0, 0.0, 0.046], None),
            ],
            iterate: vec![item(1, "backups", "Point-in-time restore", [0.03, 0.01, 0.08], [0.0, 0.0, 0.046], Some(0))],
            sensitivity: None,
            next_cursor: None,
        }
    }

    fn view(width: usize) -> View {
        let now = Timestamp::parse_rfc3339("2026-01-31T12:00:00Z").unwrap();
        View { width, lines_max: None, colour: false, now }
    }

    #[test]
    fn a_wide_screen_shows_every_column() {
        insta::assert_snapshot!(render(&golden(), &view(160)));
    }

    #[test]
    fn a_narrow_screen_keeps_rank_feature_and_score() {
        insta::assert_snapshot!(render(&golden(), &view(60)));
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        for width in [20, 40, 79, 80, 100, 132, 200] {
            for colour in [false, true] {
                let text = render(&golden(), &View { colour, ..view(width) });
                assert!(text.lines().all(|line| measure_text_width(line) <= width), "width {width}:\n{text}");
            }
        }
    }

    #[test]
    fn colour_is_only_used_where_it_is_allowed() {
        assert!(!render(&golden(), &view(160)).contains('\u{1b}'));
        assert!(render(&golden(), &View { colour: true, ..view(160) }).contains("\u{1b}["));
    }

    #[test]
    fn a_low_screen_cuts_the_list_and_says_so() {
        let mut ranking = golden();
        for rank in 4..60 {
            ranking.items.push(item(
                rank,
                &format!("feature-{rank}"),
                "More",
                [0.01, 0.001, 0.02],
                [0.0, 0.0, 0.04],
                None,
            ));
        }
        let text = render(&ranking, &View { lines_max: Some(20), ..view(120) });
        assert!(text.lines().count() <= 20, "{text}");
        assert!(text.contains("… and 48 more"), "{text}");
        assert!(text.contains("backups"), "{text}");
    }

    #[test]
    fn too_few_accounts_are_said_aloud() {
        let ranking = Ranking { confidence: Confidence::Insufficient, ..golden() };
        assert!(render(&ranking, &view(120)).contains("fewer than 30 effective accounts"));
    }

    #[test]
    fn a_team_without_features_says_so() {
        let ranking = Ranking { items: vec![], iterate: vec![], ..golden() };
        assert!(render(&ranking, &view(120)).contains("no feature has been defined, asked for or needed yet"));
    }
}
