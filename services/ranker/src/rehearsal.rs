//! Rankings that are computed as for publishing, and not published: for measurements.

use std::collections::VecDeque;

use anyhow::bail;
use domain::{ids::TeamId, time::Timestamp};
use futures::{StreamExt as _, stream};
use store::Store;

use crate::{
    batch::{self, Limits},
    compute::{Batch, Computed, Failure, Order, Outcome, WeekAgo, compute},
    config::RankerConfig,
    leader::share,
};

/// What would have been published of a team.
pub struct Rehearsal {
    /// The document, as it would be sent.
    pub json: String,
    week_ago: WeekAgo,
    rows: u64,
}

/// Computes the rankings of that second, in batches as a ranker would: they are those of `teams`, in their order. With `earlier`,
/// of the same teams, the rankings of a week before are at hand, and how large the teams are. Without, it is a ranker that has just
/// started; [`store::SIZED_MAX`] teams at most.
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
    let sizes = match earlier {
        Some(earlier) => earlier.iter().map(|earlier| earlier.rows).collect::<Vec<u64>>(),
        None => store.sizes(teams).await?,
    };
    let mut queue: VecDeque<Planned> = (teams.iter().zip(sizes).enumerate())
        .map(|(place, (team, rows))| {
            let week_ago = earlier.and_then(|earlier| earlier.get(place)).map(|earlier| earlier.week_ago.clone());
            let order = Order { team: team.clone(), week_ago, links: Vec::new() };
            Planned { place, rows, order }
        })
        .collect();
    let mut batches = Vec::new();
    while !queue.is_empty() {
        batches.push(batch::take(&mut queue, Limits::of(config), |planned| Some(planned.rows)));
    }
    let watermark = Timestamp(i64::MAX);
    let several = if batches.len() > 1 { Some(config.ranker_batches_at_once_max) } else { None };
    let store = &match several {
        Some(at_once) => store.on_threads(share(store.threads().await?, at_once)),
        None => store.clone(),
    };
    let computed = batches.into_iter().map(|batch| async move {
        let (places, orders): (Vec<usize>, Vec<Order>) =
            batch.into_iter().map(|planned| (planned.place, planned.order)).unzip();
        places.into_iter().zip(compute(store, Batch { as_of_s, watermark, orders }).await).collect::<Vec<_>>()
    });
    let at_once = usize::try_from(config.ranker_batches_at_once_max).unwrap_or(usize::MAX);
    let mut computed: Vec<_> = stream::iter(computed).buffered(at_once).concat().await;
    computed.sort_by_key(|(place, _)| *place);
    let rehearsal =
        |outcome: Outcome| Rehearsal { json: outcome.ready.json, week_ago: outcome.week_ago, rows: outcome.rows };
    let outcome = |computed: Computed| match computed.outcome {
        Ok(outcome) => Ok(rehearsal(outcome)),
        Err(Failure::Alone(error)) => Err(error),
        Err(Failure::Together) => bail!("ClickHouse has no answer for several teams"),
    };
    computed.into_iter().map(|(_, computed)| outcome(computed)).collect()
}

/// A team that is to be ranked.
struct Planned {
    place: usize,
    rows: u64,
    order: Order,
}
