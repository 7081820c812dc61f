//! A ranking that is computed and ready to be published.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use domain::{ids::TeamId, time::Timestamp};
use opentelemetry::trace::SpanContext;
use wire::ranking::Ranking;

use crate::snapshot::SnapshotRow;

/// The topic takes records of 8 MiB, headers included.
const DOCUMENT_BYTES_MAX: usize = 8_000_000;

/// A ranking that the topic cannot take: a team with very many features.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the ranking has {bytes} bytes, more than the {DOCUMENT_BYTES_MAX} that the topic takes")]
pub(crate) struct TooLarge {
    bytes: usize,
}

/// A ranking, as it is stored and sent.
pub(crate) struct Ready {
    pub(crate) team: TeamId,
    pub(crate) as_of: Timestamp,
    /// When the first event happens that was dated ahead.
    pub(crate) upcoming: Option<Timestamp>,
    /// Of the record: team and snapshot, as snapshots of two teams may carry the same id.
    pub(crate) id: String,
    pub(crate) time: String,
    pub(crate) json: String,
    pub(crate) snapshot: String,
    /// Features that the catalog merges in a circle.
    pub(crate) merge_cycles: Vec<Vec<String>>,
    /// Until it is stored.
    pub(crate) row: Option<Box<SnapshotRow>>,
    /// The spans of the changes in it.
    pub(crate) links: Vec<SpanContext>,
    pub(crate) span: tracing::Span,
    pub(crate) begun: Instant,
    pub(crate) computed: Instant,
}

impl Ready {
    /// # Errors
    /// When it cannot be serialized, or is [`TooLarge`].
    pub(crate) fn new(
        team: TeamId,
        as_of: Timestamp,
        data_through: Timestamp,
        upcoming: Option<Timestamp>,
        ranking: &Ranking,
        origin: Origin,
    ) -> anyhow::Result<Self> {
        let json = serde_json::to_string(ranking).context("cannot serialize the ranking")?;
        ensure!(json.len() <= DOCUMENT_BYTES_MAX, TooLarge { bytes: json.len() });
        let snapshot = ranking.snapshot.clone().context("the ranking has no snapshot's id")?;
        let row = SnapshotRow::new(as_of, data_through, &snapshot, ranking, json.clone());
        Ok(Self {
            id: format!("{team}/{snapshot}"),
            time: as_of.to_rfc3339(),
            json,
            snapshot,
            merge_cycles: ranking.merge_cycles.clone(),
            row: Some(Box::new(row)),
            team,
            as_of,
            upcoming,
            links: origin.links,
            span: origin.span,
            begun: origin.begun,
            computed: Instant::now(),
        })
    }
}

/// What a ranking was begun for, and when.
pub(crate) struct Origin {
    pub(crate) links: Vec<SpanContext>,
    pub(crate) span: tracing::Span,
    pub(crate) begun: Instant,
}
