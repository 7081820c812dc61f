//! The founding story as behaviour: how likely which accounts are to ask for what, and to show what need.
//!
//! This is the only place that knows the answer. Everything downstream sees events and nothing else.

use flywheel_sdk::{Importance, Status};

/// A probability, or a rate, for each tier: standard, growth, enterprise.
pub(super) type ByTier = [f64; 3];

/// A team, its customers and what it could build.
pub(super) struct Team {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) segments: &'static [&'static str],
    /// Its customers, by number: the two teams share some.
    pub(super) customers: std::ops::Range<u32>,
    /// What the product does already.
    pub(super) operations: &'static [Operation],
    pub(super) candidates: &'static [Candidate],
}

/// Something that accounts do with the product.
pub(super) struct Operation {
    /// The feature that they use.
    pub(super) feature: &'static str,
    pub(super) name: &'static str,
    /// How long it usually takes, in microseconds.
    pub(super) duration_us: u64,
}

/// Something that the team could build.
pub(super) struct Candidate {
    pub(super) feature: &'static str,
    pub(super) title: &'static str,
    /// How likely an account is to ask for it.
    pub(super) asks: ByTier,
    /// What it then says of the importance.
    pub(super) importance: [Importance; 3],
    /// How often those who ask say so in 90 days.
    pub(super) voice: u32,
    /// What they say.
    pub(super) text: &'static str,
    /// How likely an account is to show the need.
    pub(super) needs: ByTier,
    /// What is seen then.
    pub(super) signal: &'static str,
    /// What happens to it in the 90 days of the history.
    pub(super) life: &'static [Change],
}

/// A change in a feature's life.
pub(super) struct Change {
    /// Day of the history, 0 to 89.
    pub(super) day: u32,
    pub(super) status: Status,
    pub(super) merged_into: Option<&'static str>,
}

use Importance::{Critical, Important, NiceToHave};

const USUAL: [Importance; 3] = [NiceToHave, Important, Important];
const MILD: [Importance; 3] = [NiceToHave, NiceToHave, Important];
const LOUD: [Importance; 3] = [NiceToHave, Important, Critical];

const fn proposed(
    feature: &'static str,
    title: &'static str,
    text: &'static str,
    asks: ByTier,
    needs: ByTier,
    signal: &'static str,
) -> Candidate {
    Candidate { feature, title, asks, importance: USUAL, voice: 1, text, needs, signal, life: &[] }
}

const fn change(day: u32, status: Status, merged_into: Option<&'static str>) -> Change {
    Change { day, status, merged_into }
}

/// Both teams.
pub(super) static TEAMS: [Team; 2] = [DYNAMODB, LAMBDA];

/// Large accounts ask for multi-region often and call it critical. Most accounts of every tier scan whole tables for
/// want of a secondary index, and few say so.
const DYNAMODB: Team = Team {
    id: "dynamodb",
    name: "DynamoDB",
    segments: SEGMENTS,
    customers: 0..420,
    operations: &[
        Operation { feature: "items", name: "get", duration_us: 3_000 },
        Operation { feature: "items", name: "put", duration_us: 5_000 },
        Operation { feature: "queries", name: "query", duration_us: 12_000 },
        Operation { feature: "batches", name: "batch_write", duration_us: 25_000 },
    ],
    candidates: &[
        Candidate {
            importance: [Important, Important, Important],
            ..proposed(
                "secondary-indexes",
                "Secondary indexes",
                "We look items up by a second attribute and have to scan for it.",
                [0.20, 0.22, 0.18],
                [0.66, 0.64, 0.56],
                "full-scan-on-non-key",
            )
        },
        Candidate {
            importance: LOUD,
            voice: 7,
            ..proposed(
                "multi-region",
                "Multi-region tables",
                "Our board wants the data in a second region this year.",
                [0.04, 0.15, 0.68],
                [0.03, 0.08, 0.22],
                "cross-region-read",
            )
        },
        proposed(
            "ttl",
            "Expire items by time",
            "A nightly job deletes old sessions.",
            [0.10, 0.08, 0.05],
            [0.16, 0.14, 0.10],
            "bulk-delete-by-age",
        ),
        proposed(
            "streams",
            "Change streams",
            "We poll the table for changes.",
            [0.08, 0.10, 0.12],
            [0.12, 0.15, 0.18],
            "poll-for-changes",
        ),
        proposed(
            "transactions",
            "Transactions over several items",
            "Two writes must happen together or not at all.",
            [0.06, 0.09, 0.14],
            [0.08, 0.10, 0.16],
            "write-then-compensate",
        ),
        Candidate {
            importance: MILD,
            ..proposed(
                "fine-grained-access",
                "Fine-grained access control",
                "Each tenant should see its own items only.",
                [0.03, 0.07, 0.16],
                [0.02, 0.05, 0.10],
                "access-denied-retry",
            )
        },
        proposed(
            "larger-items",
            "Items above 64 KB",
            "We split documents over several items.",
            [0.05, 0.05, 0.04],
            [0.09, 0.08, 0.08],
            "item-too-large",
        ),
        proposed(
            "auto-scaling",
            "Capacity that follows the load",
            "We raise the capacity by hand before a sale.",
            [0.09, 0.09, 0.07],
            [0.20, 0.18, 0.12],
            "throttled-write",
        ),
        Candidate {
            // Taken for the same wish as secondary indexes for a while, then told apart again.
            life: &[change(35, Status::Proposed, Some("secondary-indexes")), change(48, Status::Proposed, None)],
            ..proposed(
                "sql-queries",
                "Queries in SQL",
                "Our analysts know SQL.",
                [0.05, 0.05, 0.06],
                [0.03, 0.03, 0.04],
                "export-then-query",
            )
        },
        Candidate {
            life: &[change(30, Status::Proposed, Some("multi-region"))],
            ..proposed(
                "global-tables",
                "Global tables",
                "One table in every region, please.",
                [0.01, 0.02, 0.08],
                [0.0, 0.0, 0.0],
                "",
            )
        },
        Candidate {
            // Live since the middle of the history; what is asked since then is what to improve.
            life: &[
                change(10, Status::Planned, None),
                change(20, Status::Building, None),
                change(50, Status::Launched, None),
            ],
            ..proposed(
                "point-in-time-restore",
                "Point-in-time restore",
                "A wrong deployment overwrote our table.",
                [0.12, 0.14, 0.16],
                [0.06, 0.08, 0.10],
                "restore-longer-than-an-hour",
            )
        },
        Candidate {
            importance: MILD,
            life: &[change(60, Status::Retired, None)],
            ..proposed(
                "xml-import",
                "Import from XML",
                "Our archive is in XML.",
                [0.01, 0.01, 0.02],
                [0.0, 0.0, 0.0],
                "",
            )
        },
    ],
};

/// Debugging traces are asked for aloud; functions that call each other and wait show that step workflows are needed more.
const LAMBDA: Team = Team {
    id: "lambda",
    name: "Lambda",
    segments: SEGMENTS,
    customers: 260..560,
    operations: &[
        Operation { feature: "functions", name: "invoke", duration_us: 120_000 },
        Operation { feature: "functions", name: "deploy", duration_us: 4_000_000 },
        Operation { feature: "event-sources", name: "poll", duration_us: 40_000 },
    ],
    candidates: &[
        Candidate {
            importance: [Important, Important, Important],
            ..proposed(
                "step-workflows",
                "Step workflows",
                "One function waits for the next, and both are billed.",
                [0.17, 0.18, 0.20],
                [0.64, 0.64, 0.60],
                "function-waits-for-function",
            )
        },
        Candidate {
            importance: LOUD,
            voice: 6,
            ..proposed(
                "debugging-traces",
                "Traces for debugging",
                "We cannot see where the time goes.",
                [0.08, 0.18, 0.60],
                [0.06, 0.08, 0.12],
                "log-search-after-error",
            )
        },
        proposed(
            "longer-timeouts",
            "Runs above 5 minutes",
            "Our exports take 8 minutes.",
            [0.09, 0.09, 0.10],
            [0.14, 0.13, 0.12],
            "stopped-at-time-limit",
        ),
        proposed(
            "vpc-cold-starts",
            "Faster cold starts in a VPC",
            "The first call takes 10 seconds.",
            [0.08, 0.10, 0.14],
            [0.12, 0.18, 0.24],
            "cold-start",
        ),
        proposed(
            "container-images",
            "Container images",
            "Our build makes images already.",
            [0.07, 0.08, 0.08],
            [0.06, 0.07, 0.08],
            "package-near-size-limit",
        ),
        proposed(
            "more-memory",
            "More memory",
            "Our models need 4 GB.",
            [0.05, 0.05, 0.06],
            [0.10, 0.09, 0.10],
            "memory-at-limit",
        ),
        Candidate {
            importance: MILD,
            ..proposed(
                "local-testing",
                "Run functions locally",
                "We deploy to try a one-line change.",
                [0.10, 0.08, 0.04],
                [0.0, 0.0, 0.0],
                "",
            )
        },
        Candidate {
            life: &[change(15, Status::Building, None), change(40, Status::Launched, None)],
            ..proposed(
                "environment-variables",
                "Environment variables",
                "We build one package for each stage.",
                [0.10, 0.09, 0.08],
                [0.05, 0.05, 0.06],
                "secret-in-package",
            )
        },
    ],
};

/// What customers do for a living.
pub(super) const SEGMENTS: &[&str] = &["gaming", "retail", "fintech", "media"];
