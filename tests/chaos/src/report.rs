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
    /// Records in Kafka's log.
    pub produced: u64,
    /// Of these, records that the producer sent again after a crash although Kafka had them.
    pub produced_twice: u64,
    /// What was done.
    #[serde(flatten)]
    pub done: Done,
    /// What is there.
    #[serde(flatten)]
    pub findings: Findings,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Done {
    /// Rounds of faults.
    pub rounds: usize,
    /// The longest time, in seconds, from the end of a round's last fault until everything was durable that was in the log
    /// then.
    pub max_recovery_s: f64,
    /// How instances ended that nobody had ended; they were started again.
    pub ended_alone: Vec<String>,
    /// How many faults of each kind there were.
    pub faults: BTreeMap<&'static str, u32>,
}

impl Done {
    /// Those ends that the faults do not explain. A static member is fenced for good, and ends, when a request of its killed
    /// predecessor arrives late: Kafka takes that for a newer process of the same id.
    #[must_use]
    pub fn unexplained_ends(&self) -> Vec<&str> {
        let explained = |end: &str| end.contains("another process has joined the group under our instance id");
        self.ended_alone.iter().map(String::as_str).filter(|end| !explained(end)).collect()
    }
}

impl Report {
    /// Writes it as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, produced, produced_twice, done, findings } = self;
        writeln!(f, "{produced} records, {} rows after {} rounds of faults (seed {seed})", findings.rows, done.rounds)?;
        writeln!(f, "of the records, {produced_twice} stand in the log twice although sent once")?;
        writeln!(f, "lost {}, duplicated {}, different {}", findings.lost, findings.duplicated, findings.different)?;
        writeln!(f, "dead letters {} of {}", findings.dead_letters_found, findings.dead_letters_expected)?;
        writeln!(f, "repeats {} of {}", findings.repeats_found, findings.repeats_expected)?;
        writeln!(f, "groups of aggregates wrong {}", findings.aggregates_wrong)?;
        writeln!(f, "longest recovery {:.1} s", done.max_recovery_s)?;
        for end in &done.ended_alone {
            writeln!(f, "ended alone: {end}")?;
        }
        for difference in &findings.differences {
            writeln!(f, "{difference}")?;
        }
        write!(f, "{}", if findings.exact() { "exact" } else { "NOT EXACT" })
    }
}
