//! What became of every record of the file.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::printable::printable;

/// So many refused records are shown in the table; `--json` gives all.
const REFUSED_SHOWN_MAX: usize = 20;

/// The account of an import. Every record read is imported, left out or refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Lines that hold something.
    pub read: u64,
    /// Records whose events are sent.
    pub imported: u64,
    /// Records of teams that were not selected, by team.
    pub left_out: BTreeMap<String, u64>,
    /// Records that cannot be imported.
    pub refused: Vec<Refused>,
    /// What is imported, by team.
    pub teams: BTreeMap<String, TeamReport>,
    /// Teams that were named and that the file does not have.
    pub teams_not_in_file: Vec<String>,
    /// Accounts that state a request.
    pub accounts: u64,
    /// Imported records without an opener or an opening date; their comments count.
    pub without_opening: u64,
    /// Comments of imported records that do not say who wrote them or when; they do not count.
    pub comments_without_author_or_date: u64,
    /// Catalog events are dated so: the day before the file's earliest event.
    pub catalog_from: String,
    /// Events by kind.
    pub events: Events,
    /// Whether the events were delivered, or only planned.
    pub sent: bool,
}

/// A record that cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Its line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// One team's part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TeamReport {
    /// Records imported.
    pub records: u64,
    /// Request events of their openers and commenters.
    pub requests: u64,
    /// Features defined: the records and the targets of duplicates.
    pub features: u64,
    /// Of those, targets that are no record of this team in the file.
    pub targets: u64,
    /// Duplicates merged into their targets.
    pub merges: u64,
    /// Features launched, each dated by its last recorded activity: an estimate.
    pub launches: u64,
}

/// Counts of events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Events {
    /// `request.stated`.
    pub requests: u64,
    /// `team.defined`.
    pub teams: u64,
    /// `feature.defined`.
    pub features: u64,
    /// `account.defined`.
    pub accounts: u64,
    /// All of them.
    pub total: u64,
}

impl Report {
    /// The report for a reader.
    pub(super) fn table(&self) -> String {
        let mut text = format!("{}\n{}\n", self.team_table(), self.summary());
        for refused in self.refused.iter().take(REFUSED_SHOWN_MAX) {
            text.push_str(&format!("  line {}: {}\n", refused.line, printable(&refused.reason)));
        }
        if self.refused.len() > REFUSED_SHOWN_MAX {
            text.push_str(&format!("  ... and {} more; --json lists all\n", self.refused.len() - REFUSED_SHOWN_MAX));
        }
        for team in &self.teams_not_in_file {
            text.push_str(&format!("  team {team} was named, but the file has no record of it\n"));
        }
        text
    }

    fn team_table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["team", "records", "requests", "features", "targets", "merges", "launches"]);
        for (team, part) in &self.teams {
            let numbers = [part.records, part.requests, part.features, part.targets, part.merges, part.launches];
            table.add_row([team.clone()].into_iter().chain(numbers.map(|n| n.to_string())));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn summary(&self) -> String {
        let left_out: u64 = self.left_out.values().sum();
        let teams: Vec<String> = self.left_out.iter().map(|(team, records)| format!("{team} {records}")).collect();
        let verb = if self.sent { "sent" } else { "planned, not sent:" };
        let e = &self.events;
        [
            format!(
                "{} records read: {} imported, {left_out} of teams not selected{}, {} refused",
                self.read,
                self.imported,
                if teams.is_empty() { String::new() } else { format!(" ({})", teams.join(", ")) },
                self.refused.len()
            ),
            format!(
                "{verb} {} events: {} requests of {} accounts; {} teams, {} features, {} accounts, from {}",
                e.total, e.requests, self.accounts, e.teams, e.features, e.accounts, self.catalog_from
            ),
            format!(
                "{} records without opener or opening date (their comments count); {} comments without author or date (not counted)",
                self.without_opening, self.comments_without_author_or_date
            ),
            "launches are dated by the last recorded activity: an estimate".to_owned(),
        ]
        .join("\n")
    }
}
