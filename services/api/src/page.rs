//! A page of a ranking, encoded.

use axum::{body::Bytes, http::HeaderValue};
use wire::ranking::Ranking;

use crate::{cursor::Cursor, published::Published};

/// A page holds so many features when the request does not say.
pub(crate) const ITEMS_DEFAULT: usize = 50;

/// A page holds at most so many features.
pub(crate) const ITEMS_MAX: usize = 200;

/// A page of one snapshot as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) body: Bytes,
    pub(crate) etag: HeaderValue,
}

/// A page of a published ranking.
pub(crate) fn published(
    ranking: &Ranking,
    snapshot: &str,
    start: usize,
    limit: usize,
) -> Result<Page, serde_json::Error> {
    let (page, end) = cut(ranking, start, limit, |next| Cursor::ranking(snapshot, next));
    Ok(Page {
        body: Bytes::from(serde_json::to_vec(&page)?),
        etag: Published::etag(snapshot, &format!("{start}-{end}")),
    })
}

/// Up to `limit` features of `ranking` from the `start`th on, counting first through `items` and then through `iterate`; and
/// where the page ends.
pub(crate) fn cut(
    ranking: &Ranking,
    start: usize,
    limit: usize,
    cursor: impl FnOnce(usize) -> Cursor,
) -> (Ranking, usize) {
    let items = ranking.items.len();
    let features = items + ranking.iterate.len();
    let start = start.min(features);
    let end = start.saturating_add(limit).min(features);
    let next = (end < features).then(|| cursor(end).encode());
    let page = Ranking {
        items: ranking.items[start.min(items)..end.min(items)].to_vec(),
        iterate: ranking.iterate[start.max(items) - items..end.max(items) - items].to_vec(),
        next_cursor: next,
        ..without_lists(ranking)
    };
    (page, end)
}

/// The ranking without its lists: cloning them whole to drop them would cost more than the page.
fn without_lists(ranking: &Ranking) -> Ranking {
    Ranking {
        team: ranking.team.clone(),
        segment: ranking.segment.clone(),
        as_of: ranking.as_of.clone(),
        data_through: ranking.data_through.clone(),
        formula: ranking.formula.clone(),
        snapshot: ranking.snapshot.clone(),
        confidence: ranking.confidence,
        parameters: ranking.parameters.clone(),
        population: ranking.population.clone(),
        items: Vec::new(),
        iterate: Vec::new(),
        sensitivity: ranking.sensitivity.clone(),
        merge_cycles: ranking.merge_cycles.clone(),
        tier_weights: ranking.tier_weights.clone(),
        before_first_event: ranking.before_first_event,
        next_cursor: None,
    }
}
