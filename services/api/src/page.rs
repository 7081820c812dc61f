//! A page of a ranking, encoded.

use std::io;

use axum::body::Bytes;
use wire::ranking::Ranking;

use crate::{
    answer::{Answer, etag, format::Format, table},
    cursor::Cursor,
};

/// A page holds so many features when the request does not say.
pub(crate) const ITEMS_DEFAULT: usize = 50;

/// A page holds at most so many features.
pub(crate) const ITEMS_MAX: usize = 200;

/// A page of a published ranking: its features from the `start`th up to the `end`th.
pub(crate) fn published(
    ranking: &Ranking,
    snapshot: &str,
    (start, end): (usize, usize),
    format: Format,
) -> io::Result<Answer> {
    let next = (end < features(ranking)).then(|| Cursor::ranking(snapshot, end).encode(&list(&ranking.team)));
    let page = cut(ranking, (start, end), next.clone());
    let body = if format == Format::Json { serde_json::to_vec(&page)? } else { table::encode(&page, format)? };
    let etag = etag(&[snapshot, &format!("{start}-{end}"), format.name()]);
    Ok(Answer { body: Bytes::from(body), etag, next })
}

/// What a team's published rankings are as a list to page through.
pub(crate) fn list(team: &str) -> String {
    format!("ranking {team}")
}

/// Features in both lists: what the pages go through.
pub(crate) fn features(ranking: &Ranking) -> usize {
    ranking.items.len() + ranking.iterate.len()
}

/// Where a page of up to `limit` features from the `start`th on begins and ends.
pub(crate) fn bounds(features: usize, start: usize, limit: usize) -> (usize, usize) {
    let start = start.min(features);
    (start, start.saturating_add(limit).min(features))
}

/// The features of `ranking` from the `start`th up to the `end`th, counting first through `items` and then through `iterate`.
pub(crate) fn cut(ranking: &Ranking, (start, end): (usize, usize), next: Option<String>) -> Ranking {
    let items = ranking.items.len();
    Ranking {
        items: ranking.items[start.min(items)..end.min(items)].to_vec(),
        iterate: ranking.iterate[start.max(items) - items..end.max(items) - items].to_vec(),
        next_cursor: next,
        ..without_lists(ranking)
    }
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
