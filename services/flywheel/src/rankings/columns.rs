//! The columns of the table: what stands in each, and which give way first on a narrow screen.

use console::Style;
use wire::ranking::{Item, Ranking, Status};

use crate::printable::printable;

/// Cells of the bar of the highest score.
const BAR_CELLS: f64 = 16.0;

/// One column.
pub(super) struct Column {
    /// Its heading.
    pub(super) head: &'static str,
    /// Whether the cells end, rather than begin, at one line.
    pub(super) right: bool,
    /// On a narrow screen longer text is cut to this width before a column gives way.
    pub(super) cut_to: Option<usize>,
    /// The greatest gives way first; 0 never does.
    pub(super) gives_way: u8,
    /// What stands in it.
    pub(super) cell: fn(&Item, &Ink) -> String,
}

/// Every column, from left to right.
pub(super) fn all() -> Vec<Column> {
    let text = |head, cut_to, gives_way, cell| Column { head, right: false, cut_to, gives_way, cell };
    let number = |head, gives_way, cell| Column { head, right: true, cut_to: None, gives_way, cell };
    vec![
        number("#", 0, rank),
        text("feature", Some(24), 0, |item, ink| ink.bold(&printable(&item.feature))),
        text("title", Some(16), 9, |item, ink| {
            if item.title == item.feature { String::new() } else { ink.dim(&printable(&item.title)) }
        }),
        number("score", 0, |item, _| format!("{:.2}", item.score)),
        text("", None, 3, bar),
        number("asked", 1, |item, _| share(item.demand.share, item.demand.low, item.demand.high)),
        number("needed", 2, |item, _| {
            if item.need.measured {
                share(item.need.share, item.need.low, item.need.high)
            } else {
                "not measured".to_owned()
            }
        }),
        number("ask/need", 6, |item, _| format!("{}/{}", item.demand.accounts, item.need.accounts)),
        number("requests", 8, |item, _| item.demand.requests.to_string()),
        text("status", None, 7, |item, _| status(item.status).to_owned()),
        number("7 d", 5, change),
    ]
}

/// The pens: colour where it is allowed, and the scale of the bars.
pub(super) struct Ink {
    colour: bool,
    score_max: f64,
}

impl Ink {
    /// Pens for `ranking`; the highest score gets the longest bar.
    pub(super) fn new(ranking: &Ranking, colour: bool) -> Self {
        let scores = ranking.items.iter().chain(&ranking.iterate).map(|item| item.score);
        Self { colour, score_max: scores.fold(0.0, f64::max) }
    }

    /// For what matters most.
    pub(super) fn bold(&self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// For what matters least.
    pub(super) fn dim(&self, text: &str) -> String {
        self.paint(Style::new().dim(), text)
    }

    /// For what was asked.
    pub(super) fn demand(&self, text: &str) -> String {
        self.paint(Style::new().blue(), text)
    }

    /// For what is needed.
    pub(super) fn need(&self, text: &str) -> String {
        self.paint(Style::new().yellow(), text)
    }

    /// For what the reader must know before believing the rest.
    pub(super) fn warn(&self, text: &str) -> String {
        self.paint(Style::new().red(), text)
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour && !text.is_empty() {
            style.force_styling(true).apply_to(text).to_string()
        } else {
            text.to_owned()
        }
    }
}

fn rank(item: &Item, _: &Ink) -> String {
    match (item.rank_low, item.rank_high) {
        (Some(low), Some(high)) if low < high => format!("{} [{low}-{high}]", item.rank),
        _ => item.rank.to_string(),
    }
}

fn bar(item: &Item, ink: &Ink) -> String {
    if ink.score_max <= 0.0 {
        return String::new();
    }
    let cells = |score: f64| (score / ink.score_max * BAR_CELLS).round().clamp(0.0, BAR_CELLS) as usize;
    let whole = cells(item.score);
    let demand = cells(item.contributions.demand).min(whole);
    format!("{}{}", ink.demand(&"█".repeat(demand)), ink.need(&"▒".repeat(whole - demand)))
}

fn share(share: f64, low: f64, high: f64) -> String {
    format!("{:.1}% [{:4.1}-{:4.1}]", share * 100.0, low * 100.0, high * 100.0)
}

fn status(status: Option<Status>) -> &'static str {
    match status {
        None => "-",
        Some(Status::Proposed) => "proposed",
        Some(Status::Planned) => "planned",
        Some(Status::Building) => "building",
        Some(Status::Launched) => "launched",
        Some(Status::Retired) => "retired",
    }
}

fn change(item: &Item, _: &Ink) -> String {
    match item.rank_change_7d {
        None => "new".to_owned(),
        Some(0) => "=".to_owned(),
        Some(places) if places > 0 => format!("▲{places}"),
        Some(places) => format!("▼{}", places.unsigned_abs()),
    }
}
