//! What is measured of the audit.

use opentelemetry::{KeyValue, global, metrics::Counter};

/// Entries of the audit log, by what became of them.
const ENTRIES: &str = "flywheel.api.audit.entries";

/// What became of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Came {
    Done,
    Failed,
    /// A refusal too many at once.
    LeftOut,
}

pub(super) struct AuditMetrics {
    entries: Counter<u64>,
}

impl AuditMetrics {
    pub(super) fn new() -> Self {
        let entries = global::meter("flywheel.api")
            .u64_counter(ENTRIES)
            .with_unit("{entry}")
            .with_description("Entries of the audit log, by what became of them.")
            .build();
        Self { entries }
    }

    pub(super) fn entry(&self, came: Came) {
        let outcome = match came {
            Came::Done => "written",
            Came::Failed => "failed",
            Came::LeftOut => "left_out",
        };
        self.entries.add(1, &[KeyValue::new("flywheel.outcome", outcome)]);
    }
}
