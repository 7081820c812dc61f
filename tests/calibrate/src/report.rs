//! What came out: a table, and `target/calibration.json`.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    family::{Family, Shape},
    study::{ACCOUNTS, Mean, Outcome},
};

/// What `target/calibration.json` holds: one entry for each family at each number of accounts.
#[derive(Debug, Serialize)]
pub struct Calibration {
    families: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    family: String,
    accounts: usize,
    /// Share of intervals that hold the true rank.
    coverage: f64,
    /// Share of intervals of a true first that hold it.
    coverage_first: f64,
    /// Ranks in an interval, from `rank_low` to `rank_high`, both included.
    mean_width: f64,
}

impl Calibration {
    /// The figures of the outcomes.
    #[must_use]
    pub fn of(outcomes: &[Outcome]) -> Self {
        let families = outcomes.iter().map(|outcome| Entry {
            family: outcome.cell.family.to_string(),
            accounts: outcome.cell.accounts,
            coverage: outcome.coverage.value(),
            coverage_first: outcome.coverage_first.value(),
            mean_width: outcome.width.value(),
        });
        Self { families: families.collect() }
    }
}

/// A shape at a number of accounts: the least over its families, and its usual family.
pub(crate) struct Group<'a> {
    pub(crate) shape: Shape,
    pub(crate) accounts: usize,
    families: Vec<&'a Outcome>,
    pub(crate) usual: &'a Outcome,
}

impl<'a> Group<'a> {
    /// Every group there is, by shape and number of accounts.
    pub(crate) fn all(outcomes: &'a [Outcome]) -> Vec<Self> {
        let mut groups = Vec::new();
        for shape in Shape::ALL {
            for accounts in ACCOUNTS {
                let families: Vec<&Outcome> = outcomes
                    .iter()
                    .filter(|outcome| outcome.cell.family.shape == shape && outcome.cell.accounts == accounts)
                    .collect();
                let usual = families.iter().find(|outcome| outcome.cell.family == Family::usual(shape)).copied();
                if let Some(usual) = usual {
                    groups.push(Self { shape, accounts, families, usual });
                }
            }
        }
        groups
    }

    /// The family with the least of a figure.
    pub(crate) fn least(&self, figure: impl Fn(&Outcome) -> Mean) -> &'a Outcome {
        self.families
            .iter()
            .copied()
            .min_by(|a, b| figure(a).value().total_cmp(&figure(b).value()))
            .unwrap_or(self.usual)
    }
}

/// A table in Markdown of the groups.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "| shares | accounts | intervals hold the true rank, all / first | width | votes: at the true rank / first | score: at the true rank / first |\n\
         |---|--:|--:|--:|--:|--:|\n",
    );
    for group in Group::all(outcomes) {
        let (all, first) =
            (group.least(|outcome| outcome.coverage).coverage, group.least(|outcome| outcome.coverage_first));
        let usual = group.usual;
        let _ = writeln!(
            text,
            "| {} | {} | {} / {} | {:.1} | {} / {} | {} / {} |",
            group.shape.name(),
            group.accounts,
            percent(&all),
            percent(&first.coverage_first),
            usual.width.value(),
            percent(&usual.votes_right),
            percent(&usual.votes_first),
            percent(&usual.scores_right),
            percent(&usual.scores_first),
        );
    }
    text
}

/// A table in Markdown of the families that are not covered.
#[must_use]
pub fn uncovered_table(outcomes: &[Outcome]) -> String {
    let mut text = String::from("| family | accounts | all | first | width |\n|---|--:|--:|--:|--:|\n");
    for outcome in outcomes {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.1} |",
            outcome.cell.family,
            outcome.cell.accounts,
            percent(&outcome.coverage),
            percent(&outcome.coverage_first),
            outcome.width.value(),
        );
    }
    text
}

/// The lowest figures of all, each with its family and its standard error, and how much was left out.
#[must_use]
pub fn lowest(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for (name, figure) in
        [("all", (|outcome| outcome.coverage) as fn(&Outcome) -> Mean), ("first", |outcome| outcome.coverage_first)]
    {
        let lowest = outcomes.iter().min_by(|a, b| figure(a).value().total_cmp(&figure(b).value()));
        if let Some(outcome) = lowest {
            let (family, accounts, mean) = (outcome.cell.family, outcome.cell.accounts, figure(outcome));
            let (value, error) = (mean.value() * 100.0, mean.error() * 100.0);
            let _ = writeln!(text, "- {name}: {value:.2} % ± {error:.2} in `{family}` at {accounts} accounts");
        }
    }
    let ranked: u64 = outcomes.iter().map(|outcome| outcome.samples).sum();
    let insufficient: u64 = outcomes.iter().map(|outcome| outcome.insufficient).sum();
    let _ =
        writeln!(text, "- {ranked} samples in {} cells; {insufficient} more were too small to rank", outcomes.len());
    text
}

fn percent(mean: &Mean) -> String {
    format!("{:.1} %", mean.value() * 100.0)
}
