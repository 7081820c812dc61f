//! Pens: colour where it is allowed, bars and whiskers.

use console::Style;

/// Colour where it is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ink {
    colour: bool,
}

impl Ink {
    /// Pens for a screen.
    pub(crate) fn new(colour: bool) -> Self {
        Self { colour }
    }

    /// For what matters most.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// For what matters least.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint(Style::new().dim(), text)
    }

    /// For what was asked.
    pub(crate) fn demand(self, text: &str) -> String {
        self.paint(Style::new().blue(), text)
    }

    /// For what is needed.
    pub(crate) fn need(self, text: &str) -> String {
        self.paint(Style::new().yellow(), text)
    }

    /// For what the reader must know before believing the rest.
    pub(crate) fn warn(self, text: &str) -> String {
        self.paint(Style::new().red(), text)
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.colour && !text.is_empty() {
            style.force_styling(true).apply_to(text).to_string()
        } else {
            text.to_owned()
        }
    }
}

/// A bar for `value`, so many cells long at `most`.
pub(crate) fn bar(value: f64, most: f64, cells: usize) -> String {
    "█".repeat(place(value, most, cells))
}

/// A share as a bar with whiskers, `██[--|----]`: the bar goes as far as the share surely does, the interval from `low` to
/// `high` follows with the share itself in it. So many cells wide at `most`.
pub(crate) fn whisker(share: f64, low: f64, high: f64, most: f64, cells: usize) -> String {
    let last = cells.saturating_sub(1);
    let at = |value: f64| place(value, most, last);
    let (low, share, high) = (at(low), at(share), at(high));
    (0..=high)
        .map(|cell| match cell {
            cell if cell == share => '|',
            cell if cell == low => '[',
            cell if cell == high => ']',
            cell if cell < low => '█',
            _ => '-',
        })
        .collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the cells there are")]
fn place(value: f64, most: f64, cells: usize) -> usize {
    if most > 0.0 { (value / most * cells as f64).round().clamp(0.0, cells as f64) as usize } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whisker_has_its_ends_where_the_bounds_are() {
        assert_eq!(whisker(0.5, 0.3, 0.9, 1.0, 11), "███[-|---]");
        assert_eq!(whisker(0.0, 0.0, 0.2, 1.0, 11), "|-]");
        assert_eq!(whisker(0.0, 0.0, 0.0, 0.0, 11), "|");
        assert_eq!(whisker(1.0, 0.8, 1.0, 1.0, 11), "████████[-|");
    }

    #[test]
    fn a_bar_never_leaves_its_cells() {
        assert_eq!([0.0, 0.5, 1.0, 7.0, -1.0].map(|value| bar(value, 1.0, 4)), ["", "██", "████", "████", ""]);
    }
}
