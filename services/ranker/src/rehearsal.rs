//! Rankings that are computed as for publishing, and not published: for measurements.

use domain::{ids::TeamId, time::Timestamp};
use futures::{StreamExt as _, stream};
use store::Store;

use crate::{
    batch::{Extent, Limits},
    compute::{Batch, Order, Outcome, WeekAgo, compute},
    config::RankerConfig,
};

/// What would have been published of a team.
pub struct Rehearsal {
    /// The document, as it would be sent.
    pub json: String,
    week_ago: WeekAgo,
    rows: u64,
}

/// Computes the rankings of that second, in batches as a ranker would: they are those of `teams`, in their order. With `earlier`,
/// of the same teams, the rankings of a week before are at hand, and how large the teams are.
///
/// # Errors
/// When ClickHouse does not answer in time, or a document is too large to be sent.
pub async fn rehearse(
    store: &Store,
    config: &RankerConfig,
    teams: &[TeamId],
    as_of_s: i64,
    earlier: Option<&[Rehearsal]>,
) -> anyhow::Result<Vec<Rehearsal>> {
    let orders = teams.iter().enumerate().map(|(place, team)| {
        let earlier = earlier.and_then(|earlier| earlier.get(place));
        let week_ago = earlier.map(|earlier| earlier.week_ago.clone());
        (earlier.map(|earlier| earlier.rows), Order { team: team.clone(), week_ago, links: Vec::new() })
    });
    let (limits, mut extent, mut batches) = (Limits::of(config), Extent::default(), Vec::<Vec<Order>>::new());
    for (rows, order) in orders {
        match batches.last_mut() {
            Some(batch) if extent.admit(rows, limits) => batch.push(order),
            _ => {
                extent = Extent::default();
                extent.admit(rows, limits);
                batches.push(vec![order]);
            }
        }
    }
    let watermark = Timestamp(i64::MAX);
    let store = if batches.len() > 1 { &store.on_one_thread() } else { store };
    let computed = batches.into_iter().map(|orders| compute(store, Batch { as_of_s, watermark, orders }));
    let at_once = usize::try_from(config.ranker_batches_at_once_max).unwrap_or(usize::MAX);
    let computed: Vec<_> = stream::iter(computed).buffered(at_once).collect().await;
    let rehearsal =
        |outcome: Outcome| Rehearsal { json: outcome.ready.json, week_ago: outcome.week_ago, rows: outcome.rows };
    computed.into_iter().flatten().map(|computed| computed.outcome.map(rehearsal)).collect()
}
