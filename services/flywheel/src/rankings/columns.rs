//! The columns of a ranking: what stands in each, and which give way first on a narrow screen.

use wire::ranking::{DoorDecision, Item, Reading, Status};

use crate::{
    printable::printable,
    terminal::{
        Ink, percent,
        table::{Column, whisker},
    },
};

/// Cells of the bar of the highest score.
const BAR_CELLS: f64 = 16.0;
/// Cells of the widest whisker.
const WHISKER_CELLS: usize = 16;

/// Every column, from left to right.
pub(super) fn columns(items: &[&Item], ink: Ink) -> Vec<Column> {
    let cells = |cell: &dyn Fn(&Item) -> String| items.iter().map(|item| cell(item)).collect::<Vec<String>>();
    let score_max = items.iter().map(|item| item.score).fold(0.0, f64::max);
    // One scale for both, so that they can be compared.
    let share_max = items.iter().map(|item| item.demand.high.max(item.need.high)).fold(0.0, f64::max);
    let scale = format!("to {:.0}%", share_max * 100.0);
    vec![
        Column::number("#", 0, cells(&rank)),
        Column::text("feature", 0, cells(&|item| ink.bold(&printable(&item.feature)))).cut_to(24),
        Column::text("title", 12, cells(&|item| title(item, ink))).cut_to(16),
        Column::number("score", 0, cells(&|item| format!("{:.2}", item.score))),
        Column::text("", 6, cells(&|item| bar(item, score_max, ink))),
        Column::number("asked", 4, cells(&|item| percent(item.demand.share, item.demand.low, item.demand.high))),
        Column::text(
            format!("asked {scale}"),
            1,
            cells(&|item| {
                let demand = &item.demand;
                ink.demand(&whisker(demand.share, demand.low, demand.high, share_max, WHISKER_CELLS))
            }),
        ),
        Column::number("needed", 5, cells(&needed)),
        Column::text(
            format!("needed {scale}"),
            2,
            cells(&|item| {
                let need = &item.need;
                if need.measured {
                    ink.need(&whisker(need.share, need.low, need.high, share_max, WHISKER_CELLS))
                } else {
                    ink.dim("not measured")
                }
            }),
        ),
        Column::text("reading", 9, cells(&|item| reading(item.reading).to_owned())),
        Column::number("ask/need", 8, cells(&|item| format!("{}/{}", item.demand.accounts, item.need.accounts))),
        Column::number("requests", 11, cells(&|item| item.demand.requests.to_string())),
        Column::text("status", 10, cells(&status)),
        Column::number("7 d", 7, cells(&change)),
    ]
}

fn rank(item: &Item) -> String {
    match (item.rank_low, item.rank_high) {
        (Some(low), Some(high)) if low < high => format!("{} [{low}-{high}]", item.rank),
        _ => item.rank.to_string(),
    }
}

fn title(item: &Item, ink: Ink) -> String {
    if item.title == item.feature { String::new() } else { ink.dim(&printable(&item.title)) }
}

fn bar(item: &Item, score_max: f64, ink: Ink) -> String {
    if score_max <= 0.0 {
        return String::new();
    }
    let cells = |score: f64| (score / score_max * BAR_CELLS).round().clamp(0.0, BAR_CELLS) as usize;
    let whole = cells(item.score);
    let demand = cells(item.contributions.demand).min(whole);
    format!("{}{}", ink.demand(&"█".repeat(demand)), ink.need(&"▒".repeat(whole - demand)))
}

fn needed(item: &Item) -> String {
    if item.need.measured { percent(item.need.share, item.need.low, item.need.high) } else { "not measured".to_owned() }
}

fn reading(reading: Option<Reading>) -> &'static str {
    match reading {
        None => "-",
        Some(Reading::AskedAndNeeded) => "asked and needed",
        Some(Reading::AskedNotNeeded) => "asked, not needed",
        Some(Reading::AskedUnmeasured) => "asked, unmeasured",
        Some(Reading::NeededNotAsked) => "needed, not asked",
        Some(Reading::Quiet) => "quiet",
    }
}

fn status(item: &Item) -> String {
    let status = match item.status {
        None => "-",
        Some(Status::Proposed) => "proposed",
        Some(Status::Planned) => "planned",
        Some(Status::Building) => "building",
        Some(Status::Launched) => "launched",
        Some(Status::Retired) => "retired",
    };
    match item.door_decision {
        Some(DoorDecision::Undecided) => format!("{status}, one-way door undecided"),
        None => status.to_owned(),
    }
}

fn change(item: &Item) -> String {
    match item.rank_change_7d {
        None => "new".to_owned(),
        Some(0) => "=".to_owned(),
        Some(places) if places > 0 => format!("▲{places}"),
        Some(places) => format!("▼{}", places.unsigned_abs()),
    }
}
