//! Follows what ingest says it wrote.

use std::collections::{HashSet, VecDeque};

use domain::ids::TeamId;
use opentelemetry::trace::SpanContext;
use store::{Change, Store};

/// A change may become visible a little after others with a later moment, so this much is read again every time.
const OVERLAP_US: i64 = 10_000_000;
/// Changes read at once. There is one for each team in each batch.
const CHANGES_MAX: u32 = 10_000;
/// Sorts before the id of every change.
const NO_ID: &str = "00000000-0000-0000-0000-000000000000";
/// Changes remembered, so that one read twice counts once. Counting one twice would only cost a ranking.
const SEEN_MAX: usize = 100_000;

/// The place that was reached in the changes.
pub(crate) struct Changes {
    store: Store,
    newest: i64,
    seen: HashSet<String>,
    seen_order: VecDeque<String>,
}

/// What changed, and the span that wrote it.
pub(crate) struct Changed {
    /// The team; none where every team is touched.
    pub(crate) team: Option<TeamId>,
    pub(crate) link: Option<SpanContext>,
}

impl Changes {
    /// Starts at the newest change. What was written before is in every ranking that is computed from now on.
    pub(crate) async fn from_now(store: Store) -> anyhow::Result<Self> {
        let newest = store.newest_change().await?;
        Ok(Self { store, newest, seen: HashSet::new(), seen_order: VecDeque::new() })
    }

    /// What was written since the last call.
    pub(crate) async fn poll(&mut self) -> anyhow::Result<Vec<Changed>> {
        let mut changed = Vec::new();
        let mut after = (self.newest.saturating_sub(OVERLAP_US), NO_ID.to_owned());
        loop {
            let changes = self.store.changes(after.0, &after.1, CHANGES_MAX).await?;
            let full = changes.len() == CHANGES_MAX as usize;
            // There may be more than one answer holds: go on from its end.
            let end = changes.last().filter(|_| full).map(|last| (last.changed_at, last.id.clone()));
            changed.extend(changes.into_iter().filter_map(|change| self.take(change)));
            match end {
                Some(end) => after = end,
                None => return Ok(changed),
            }
        }
    }

    fn take(&mut self, change: Change) -> Option<Changed> {
        self.newest = self.newest.max(change.changed_at);
        if !self.seen.insert(change.id.clone()) {
            return None;
        }
        self.seen_order.push_back(change.id);
        while self.seen_order.len() > SEEN_MAX
            && let Some(oldest) = self.seen_order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        let team = match change.team.as_str() {
            "" => None,
            // Ingest writes only teams that it has validated.
            team => Some(TeamId::parse(team).ok()?),
        };
        Some(Changed { team, link: kit::propagation::parse_traceparent(&change.traceparent) })
    }
}
