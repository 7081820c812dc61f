//! A ranking as text: a pure function of the document and of the screen.

use wire::ranking::{Confidence, Item, Ranking};

use super::columns::columns;
use crate::{
    printable::printable,
    terminal::{
        Ink, View, age,
        table::{Table, flow},
    },
};

/// Draws `ranking` for `view`: a header, the features to choose from, and apart from them the launched ones. A rule stands between
/// groups of features that can be told apart.
pub(super) fn render(ranking: &Ranking, view: &View) -> String {
    let ink = Ink::new(view.colour);
    let mut lines = header(ranking, view, ink);
    let room = view.lines_max.map(|max| max.saturating_sub(lines.len()));
    lines.extend(body(ranking, view, ink, room));
    view.text(&lines)
}

fn header(ranking: &Ranking, view: &View, ink: Ink) -> Vec<String> {
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
    lines.extend(sureness(ranking).into_iter().flat_map(|line| flow(&line, view.width)));
    lines.extend(warnings(ranking).into_iter().map(|warning| ink.warn(&warning)));
    lines.push(String::new());
    lines
}

/// How far the order can be trusted.
fn sureness(ranking: &Ranking) -> Vec<Vec<String>> {
    if ranking.confidence == Confidence::Insufficient || ranking.items.len() < 2 {
        return Vec::new();
    }
    let groups = ranking.items.iter().filter_map(|item| item.tie_group).max().unwrap_or(0);
    let mut sureness = vec![vec![match groups {
        0 => return Vec::new(),
        1 => "one group: none of these is surely above another".to_owned(),
        groups => format!("{groups} groups, a rule between them: within one, none is surely below the first"),
    }]];
    if let Some(found) = &ranking.sensitivity {
        let end = |successor: &Option<String>, side: &str| {
            successor.as_ref().map(|feature| format!("{side} it {} is", printable(feature)))
        };
        let mut clauses = vec![format!(
            "{} is first while asking weighs {:.2} to {:.2}",
            printable(&found.first),
            found.demand_weight_low,
            found.demand_weight_high
        )];
        clauses.extend([end(&found.first_below, "below"), end(&found.first_above, "above")].into_iter().flatten());
        sureness.push(clauses);
    }
    sureness
}

fn warnings(ranking: &Ranking) -> Vec<String> {
    let mut warnings = Vec::new();
    if ranking.before_first_event {
        warnings.push("before the team's first event: there was nothing to rank".to_owned());
    } else if ranking.confidence == Confidence::Insufficient {
        warnings.push("fewer than 30 effective accounts: the order means little".to_owned());
    }
    for cycle in &ranking.merge_cycles {
        let names: Vec<String> = cycle.iter().map(|feature| printable(feature)).collect();
        warnings.push(format!("merged in a circle, so not at all: {}", names.join(", ")));
    }
    warnings
}

fn body(ranking: &Ranking, view: &View, ink: Ink, room: Option<usize>) -> Vec<String> {
    if ranking.items.is_empty() && ranking.iterate.is_empty() {
        return match ranking.before_first_event {
            true => Vec::new(),
            false => vec!["no feature has been defined, asked for or needed yet".to_owned()],
        };
    }
    let all: Vec<&Item> = ranking.items.iter().chain(&ranking.iterate).collect();
    let table = Table::fit(columns(&all, ink), view.width);
    // The table's head, and a heading with a blank line before the launched ones.
    let room = room.map(|lines| lines.saturating_sub(if ranking.iterate.is_empty() { 1 } else { 3 }));
    let (items, iterate) = share(room, &ranking.items, &ranking.iterate);
    let mut lines = vec![table.head(ink)];
    lines.extend(rows(&ranking.items, 0, items, &table, ink));
    if !ranking.iterate.is_empty() {
        lines.push(String::new());
        lines.push(ink.bold("launched: what is still asked for and needed since"));
        lines.extend(rows(&ranking.iterate, ranking.items.len(), iterate, &table, ink));
    }
    lines
}

/// How many lines each list may have in `room`; where a list is cut, its last line says so.
fn share(room: Option<usize>, items: &[Item], iterate: &[Item]) -> (usize, usize) {
    let Some(room) = room else { return (usize::MAX, usize::MAX) };
    let wanted = |list: &[Item]| list.len() + list.windows(2).filter(|pair| apart(&pair[0], &pair[1])).count();
    let iterate = wanted(iterate).min((room / 3).max(1));
    (wanted(items).min(room.saturating_sub(iterate).max(1)), iterate)
}

/// Whether a rule stands between the two.
fn apart(item: &Item, next: &Item) -> bool {
    item.tie_group != next.tie_group
}

/// A list in at most so many lines; its first row is the table's `from`th.
fn rows(items: &[Item], from: usize, lines_max: usize, table: &Table, ink: Ink) -> Vec<String> {
    let mut lines = Vec::new();
    // How many features stand in so many lines.
    let mut shown = Vec::new();
    for (at, item) in items.iter().enumerate() {
        if at > 0 && apart(&items[at - 1], item) {
            lines.push(table.rule(ink));
            shown.push(at);
        }
        lines.push(table.row(from + at));
        shown.push(at + 1);
    }
    if lines.len() > lines_max {
        let kept = lines_max.saturating_sub(1);
        lines.truncate(kept);
        let shown = kept.checked_sub(1).map_or(0, |last| shown[last]);
        lines.push(ink.dim(&format!("… and {} more", items.len() - shown)));
    }
    lines
}

fn round_percent(share: f64) -> f64 {
    (share * 1e5).round() / 1e3
}

#[cfg(test)]
mod tests {
    use console::measure_text_width;

    use super::*;
    use crate::terminal::at as view;
    use wire::ranking::{Contributions, Demand, Need, Outside, Parameters, Population, Status};

    fn item(rank: u32, feature: &str, title: &str, demand: [f64; 3], need: [f64; 3], change: Option<i64>) -> Item {
        let contributions = Contributions { demand: 60.0 * demand[1], need: 40.0 * need[1] };
        Item {
            rank,
            rank_low: Some(1),
            rank_high: Some(rank.max(2)),
            tie_group: Some(if rank < 3 { 1 } else { 2 }),
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
            reading: Some(wire::ranking::Reading::NeededNotAsked),
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
            sensitivity: Some(wire::ranking::Sensitivity {
                first: "secondary-indexes".to_owned(),
                demand_weight_low: 0.0,
                first_below: None,
                demand_weight_high: 0.684,
                first_above: Some("multi-region".to_owned()),
            }),
            next_cursor: None,
        }
    }

    #[test]
    fn a_wide_screen_shows_every_column() {
        insta::assert_snapshot!(render(&golden(), &view(240)));
    }

    #[test]
    fn at_120_columns_bars_and_intervals_stand() {
        insta::assert_snapshot!(render(&golden(), &view(120)));
    }

    #[test]
    fn at_80_columns_intervals_stand() {
        insta::assert_snapshot!(render(&golden(), &view(80)));
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
        assert!(text.contains("… and 51 more"), "{text}");
        assert!(text.contains("backups"), "{text}");
    }

    #[test]
    fn too_few_accounts_are_said_aloud() {
        let ranking = Ranking { confidence: Confidence::Insufficient, ..golden() };
        assert!(render(&ranking, &view(120)).contains("fewer than 30 effective accounts"));
    }

    #[test]
    fn what_is_before_the_first_event_and_what_is_merged_in_a_circle_is_said_aloud() {
        let ranking = Ranking {
            items: vec![],
            iterate: vec![],
            before_first_event: true,
            merge_cycles: vec![vec!["a".to_owned(), "b".to_owned()]],
            ..golden()
        };
        let text = render(&ranking, &view(120));
        assert!(text.contains("before the team's first event"), "{text}");
        assert!(text.contains("merged in a circle, so not at all: a, b"), "{text}");
        assert!(!text.contains("has been defined"), "{text}");
    }

    #[test]
    fn a_team_without_features_says_so() {
        let ranking = Ranking { items: vec![], iterate: vec![], ..golden() };
        assert!(render(&ranking, &view(120)).contains("no feature has been defined, asked for or needed yet"));
    }
}
