//! What a run found, for people and for programs.

use std::{collections::BTreeMap, fmt, path::Path};

use anyhow::Context as _;
use serde::Serialize;

use crate::oracle::Findings;

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Where plan and load came from.
    pub seed: u64,
    /// Rounds of faults.
    pub rounds: usize,
    /// Records in Kafka's log.
    pub produced: u64,
    /// Rows of events in ClickHouse, over all their tables.
    pub rows: u64,
    /// Rows, dead letters and repeats that the log demands and that are not there.
    pub lost: u64,
    /// Rows, dead letters and repeats that are there too often, or where the log demands none.
    pub duplicated: u64,
    /// Rows that are there with other contents.
    pub different: u64,
    /// Dead letters that the log demands.
    pub dead_letters_expected: u64,
    /// Dead letters found.
    pub dead_letters_found: u64,
    /// Repeats that the log demands.
    pub repeats_expected: u64,
    /// Repeats found.
    pub repeats_found: u64,
    /// Groups of an aggregate with another value than the log's.
    pub aggregates_wrong: u64,
    /// The longest time, in seconds, from the end of a round's last fault until everything that was in the log then was
    /// durable.
    pub max_recovery_s: f64,
    /// How instances ended that nobody had ended; they were started again.
    pub ended_alone: Vec<String>,
    /// How many faults of each kind there were.
    pub faults: BTreeMap<&'static str, u32>,
    /// The first differences.
    pub differences: Vec<String>,
}

impl Report {
    /// Puts the oracle's findings beside what was done.
    #[must_use]
    pub fn new(seed: u64, produced: u64, done: Done, findings: Findings) -> Self {
        Self {
            seed,
            rounds: done.rounds,
            produced,
            rows: findings.rows,
            lost: findings.lost,
            duplicated: findings.duplicated,
            different: findings.different,
            dead_letters_expected: findings.dead_letters_expected,
            dead_letters_found: findings.dead_letters_found,
            repeats_expected: findings.repeats_expected,
            repeats_found: findings.repeats_found,
            aggregates_wrong: findings.aggregates_wrong,
            max_recovery_s: done.max_recovery_s,
            ended_alone: done.ended_alone,
            faults: done.faults,
            differences: findings.told,
        }
    }

    /// Whether everything is as the log demands.
    #[must_use]
    pub fn exact(&self) -> bool {
        self.lost == 0
            && self.duplicated == 0
            && self.different == 0
            && self.dead_letters_expected == self.dead_letters_found
            && self.repeats_expected == self.repeats_found
            && self.aggregates_wrong == 0
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// What was done so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// Rounds of faults.
    pub rounds: usize,
    /// As in [`Report::max_recovery_s`].
    pub max_recovery_s: f64,
    /// As in [`Report::ended_alone`].
    pub ended_alone: Vec<String>,
    /// As in [`Report::faults`].
    pub faults: BTreeMap<&'static str, u32>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} records, {} rows after {} rounds of faults (seed {})",
            self.produced, self.rows, self.rounds, self.seed
        )?;
        writeln!(f, "lost {}, duplicated {}, different {}", self.lost, self.duplicated, self.different)?;
        writeln!(f, "dead letters {} of {}", self.dead_letters_found, self.dead_letters_expected)?;
        writeln!(f, "repeats {} of {}", self.repeats_found, self.repeats_expected)?;
        writeln!(f, "groups of aggregates wrong {}", self.aggregates_wrong)?;
        writeln!(f, "longest recovery {:.1} s", self.max_recovery_s)?;
        for end in &self.ended_alone {
            writeln!(f, "ended alone: {end}")?;
        }
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        write!(f, "{}", if self.exact() { "exact" } else { "NOT EXACT" })
    }
}
