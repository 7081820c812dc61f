//! A ranking that is computed as for publishing, and not published: for measurements.

use domain::{ids::TeamId, time::Timestamp};
use store::Store;

use crate::compute::{Order, WeekAgo, compute};

/// What would have been published.
pub struct Rehearsal {
    /// The document, as it would be sent.
    pub json: String,
    week_ago: WeekAgo,
}

/// Computes the team's ranking of that second. The ranking of a week before is taken from `earlier`, or computed too.
///
/// # Errors
/// When ClickHouse does not answer in time, or the document is too large to be sent.
pub async fn rehearse(
    store: &Store,
    team: TeamId,
    as_of_s: i64,
    earlier: Option<&Rehearsal>,
) -> anyhow::Result<Rehearsal> {
    let week_ago = earlier.map(|earlier| earlier.week_ago.clone());
    let order = Order { team, as_of_s, watermark: Timestamp(i64::MAX), week_ago, links: Vec::new() };
    let (ready, week_ago) = compute(store, order).await?;
    Ok(Rehearsal { json: ready.json, week_ago })
}
