//! What a replay did with every dead letter that it found.

use serde::Serialize;

use super::place::Place;
use crate::printable::printable;

/// So many failures are printed; `--json` gives all.
const FAILURES_SHOWN_MAX: usize = 20;

/// The account of a replay. Every dead letter found is in exactly one of the counts below `found`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    /// Nothing was produced: `replayed` counts what would be.
    pub(super) dry_run: bool,
    /// Dead letters selected.
    pub(super) found: u64,
    /// Replayed before, or by somebody else meanwhile.
    pub(super) already_replayed: u64,
    /// Begun before and never confirmed; they are not replayed again.
    pub(super) unconfirmed: u64,
    /// Replayed now.
    pub(super) replayed: u64,
    /// Not replayed, or not known to be.
    pub(super) failed: Vec<Failure>,
    /// Not reached: over the limit, or the replay was stopped. Another replay takes them.
    pub(super) left: u64,
}

/// One that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Failure {
    pub(super) place: Place,
    pub(super) reason: String,
    /// Whether another replay will try it again; otherwise it may have been produced, and is listed as unconfirmed.
    pub(super) may_be_replayed: bool,
}

impl Report {
    /// For a reader.
    pub(super) fn text(&self) -> String {
        let replayed = if self.dry_run { "would be replayed" } else { "replayed" };
        let mut text = format!(
            "{} found: {} {replayed}, {} already replayed, {} unconfirmed from before, {} failed, {} left for another replay\n",
            self.found,
            self.replayed,
            self.already_replayed,
            self.unconfirmed,
            self.failed.len(),
            self.left
        );
        for failure in self.failed.iter().take(FAILURES_SHOWN_MAX) {
            let fate = if failure.may_be_replayed { "it may be replayed again" } else { "it is now unconfirmed" };
            text.push_str(&format!(
                "  {}: {}; {fate}\n",
                printable(&failure.place.to_string()),
                printable(&failure.reason)
            ));
        }
        if self.failed.len() > FAILURES_SHOWN_MAX {
            text.push_str(&format!("  ... and {} more; --json lists all\n", self.failed.len() - FAILURES_SHOWN_MAX));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_accounts_for_everything_and_says_what_can_be_done() {
        let failure = |offset, may_be_replayed| Failure {
            place: Place { topic: "t".to_owned(), partition: 0, offset },
            reason: "why".to_owned(),
            may_be_replayed,
        };
        let report = Report {
            found: 10,
            already_replayed: 1,
            unconfirmed: 2,
            replayed: 3,
            failed: vec![failure(1, true), failure(2, false)],
            left: 2,
            ..Report::default()
        };
        insta::assert_snapshot!(report.text());
    }

    #[test]
    fn a_long_list_of_failures_is_cut() {
        let failure = Failure {
            place: Place { topic: "t".to_owned(), partition: 0, offset: 0 },
            reason: "why".to_owned(),
            may_be_replayed: true,
        };
        let text = Report { failed: vec![failure; 25], ..Report::default() }.text();
        assert_eq!(text.lines().count(), 1 + FAILURES_SHOWN_MAX + 1);
        assert!(text.ends_with("... and 5 more; --json lists all\n"), "{text}");
    }
}
