//! What a drawing depends on besides the answer, and how instants and shares are written.

use domain::time::Timestamp;

use crate::printable::printable;

/// What the drawing depends on besides the answer.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Columns of the screen.
    pub(crate) width: usize,
    /// Rows of the screen; `None` where the text may be of any length.
    pub(crate) lines_max: Option<usize>,
    /// Whether ANSI colours may be used.
    pub(crate) colour: bool,
    /// The present, which the age of the data is measured against.
    pub(crate) now: Timestamp,
}

impl View {
    /// The lines as a text, none of them wider than the screen.
    pub(crate) fn text(&self, lines: &[String]) -> String {
        lines.iter().fold(String::new(), |mut text, line| {
            text.push_str(&console::truncate_str(line, self.width, "…"));
            text.push('\n');
            text
        })
    }
}

/// How long ago `instant` was.
pub(crate) fn age(instant: &str, now: Timestamp) -> String {
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

/// A share with its bounds, such as `10.4% [ 5.4-19.0]`.
pub(crate) fn percent(share: f64, low: f64, high: f64) -> String {
    format!("{:.1}% [{:4.1}-{:4.1}]", share * 100.0, low * 100.0, high * 100.0)
}

/// A screen of this width without colours, at noon of 2026-01-31.
#[cfg(test)]
pub(crate) fn at(width: usize) -> View {
    let now = Timestamp::parse_rfc3339("2026-01-31T12:00:00Z").unwrap();
    View { width, lines_max: None, colour: false, now }
}
