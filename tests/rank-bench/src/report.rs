//! The figures, as lines and as a file.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde::Serialize;

/// All sizes.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) sizes: Vec<SizeReport>,
}

/// One size.
#[derive(Debug, Serialize)]
pub(crate) struct SizeReport {
    pub(crate) teams: u64,
    pub(crate) accounts_each: u64,
    /// All teams, with the rankings of a week before: what a ranker that has just started does.
    pub(crate) everything_with_week_ago: Cost,
    /// All teams, the rankings of a week before being at hand.
    pub(crate) everything: Cost,
    /// One team, the ranking of a week before being at hand: what follows a change.
    pub(crate) one_changed_team: Cost,
    /// The most that ClickHouse had resident.
    pub(crate) clickhouse_peak_mib: f64,
    /// The most that this process had, in which the ranker's code runs.
    pub(crate) ranker_peak_mib: f64,
}

/// What a measurement took.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Cost {
    pub(crate) ms: f64,
    pub(crate) clickhouse_cpu_ms: f64,
    pub(crate) rows_read: u64,
    pub(crate) bytes_read: u64,
}

impl Cost {
    /// The measurement whose time is in the middle; of an even number, the later one.
    ///
    /// # Panics
    /// When there are none.
    pub(crate) fn median(costs: &[Self]) -> Self {
        let mut costs = costs.to_vec();
        costs.sort_by(|a, b| a.ms.total_cmp(&b.ms));
        costs[costs.len() / 2]
    }
}

impl Report {
    /// The last size in a line.
    pub(crate) fn line(&self) -> String {
        let Some(size) = self.sizes.last() else { return String::new() };
        let cost = |cost: &Cost| {
            format!(
                "{:.0} ms ({:.0} ms of ClickHouse's processors, {} rows, {:.1} MB)",
                cost.ms,
                cost.clickhouse_cpu_ms,
                cost.rows_read,
                cost.bytes_read as f64 / 1e6
            )
        };
        format!(
            "{} teams of {} accounts: one changed {}; all {}; all and a week before {}; peaks {:.0} MiB and {:.0} MiB",
            size.teams,
            size.accounts_each,
            cost(&size.one_changed_team),
            cost(&size.everything),
            cost(&size.everything_with_week_ago),
            size.clickhouse_peak_mib,
            size.ranker_peak_mib
        )
    }

    /// Writes the file, and its folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_measurement_that_was_made() {
        let cost = |ms: f64| Cost { ms, clickhouse_cpu_ms: 2.0 * ms, rows_read: 1, bytes_read: 1 };
        let median = Cost::median(&[cost(3.0), cost(1.0), cost(2.0)]);
        assert_eq!((median.ms, median.clickhouse_cpu_ms), (2.0, 4.0));
    }
}
