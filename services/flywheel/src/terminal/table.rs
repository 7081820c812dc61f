//! Tables that fit the screen: long texts are cut, then the least important column gives way.

use std::fmt::Write;

use console::{Alignment, measure_text_width, pad_str};

use super::Ink;

pub(crate) use super::ink::{bar, whisker};

/// Between two columns.
const GAP: &str = "  ";

/// One column.
pub(crate) struct Column {
    head: String,
    right: bool,
    /// On a narrow screen longer text is cut to this width before a column gives way.
    cut_to: Option<usize>,
    /// The greatest gives way first; 0 never does.
    gives_way: u8,
    cells: Vec<String>,
}

impl Column {
    /// A column of texts, which begin at one line.
    pub(crate) fn text(head: impl Into<String>, gives_way: u8, cells: Vec<String>) -> Self {
        Self { head: head.into(), right: false, cut_to: None, gives_way, cells }
    }

    /// A column of numbers, which end at one line.
    pub(crate) fn number(head: impl Into<String>, gives_way: u8, cells: Vec<String>) -> Self {
        Self { right: true, ..Self::text(head, gives_way, cells) }
    }

    /// On a narrow screen cut to this width.
    pub(crate) fn cut_to(self, width: usize) -> Self {
        Self { cut_to: Some(width), ..self }
    }

    fn natural(&self) -> usize {
        let cells = self.cells.iter().map(|cell| measure_text_width(cell));
        cells.chain([measure_text_width(&self.head)]).max().unwrap_or(0)
    }
}

/// The columns that fit, each with its own width.
pub(crate) struct Table {
    columns: Vec<(Column, usize)>,
}

impl Table {
    /// The columns that fit into `width`.
    pub(crate) fn fit(columns: Vec<Column>, width: usize) -> Self {
        let mut columns: Vec<(Column, usize)> = columns
            .into_iter()
            .map(|column| {
                let natural = column.natural();
                (column, natural)
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
                    return Self { columns };
                }
            }
        }
    }

    /// The line of the headings.
    pub(crate) fn head(&self, ink: Ink) -> String {
        ink.dim(&self.line(|column| &column.head))
    }

    /// The line of a row.
    pub(crate) fn row(&self, row: usize) -> String {
        self.line(|column| column.cells.get(row).map_or("", String::as_str))
    }

    /// A rule across the table.
    pub(crate) fn rule(&self, ink: Ink) -> String {
        let gaps = GAP.len() * self.columns.len().saturating_sub(1);
        ink.dim(&"─".repeat(self.columns.iter().map(|(_, width)| width).sum::<usize>() + gaps))
    }

    /// The headings and every row.
    pub(crate) fn lines(&self, ink: Ink) -> Vec<String> {
        let rows = self.columns.iter().map(|(column, _)| column.cells.len()).max().unwrap_or(0);
        std::iter::once(self.head(ink)).chain((0..rows).map(|row| self.row(row))).collect()
    }

    fn line<'a>(&'a self, cell: impl Fn(&'a Column) -> &'a str) -> String {
        let mut line = String::new();
        for (index, (column, width)) in self.columns.iter().enumerate() {
            if index > 0 {
                line.push_str(GAP);
            }
            let alignment = if column.right { Alignment::Right } else { Alignment::Left };
            let _ = write!(line, "{}", pad_str(cell(column), *width, alignment, Some("…")));
        }
        line.trim_end().to_owned()
    }
}

/// The clauses on as few lines as `width` allows.
pub(crate) fn flow(clauses: &[String], width: usize) -> Vec<String> {
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

/// At most `lines_max` of the lines; where some are left out, the last says how many.
pub(crate) fn cut(mut lines: Vec<String>, lines_max: Option<usize>, ink: Ink) -> Vec<String> {
    if let Some(max) = lines_max.filter(|max| lines.len() > *max) {
        let left_out = lines.len() - max.saturating_sub(1);
        lines.truncate(max.saturating_sub(1));
        lines.push(ink.dim(&format!("… and {left_out} lines more")));
    }
    lines
}
