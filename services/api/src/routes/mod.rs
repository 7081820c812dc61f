//! The handlers, a file for each noun, and what they share.

pub(crate) mod dead_letters;
pub(crate) mod diff;
pub(crate) mod features;
pub(crate) mod outcome;
pub(crate) mod portfolio;
pub(crate) mod probes;
pub(crate) mod rankings;
pub(crate) mod stream;
pub(crate) mod teams;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// The media type of every answer that is not an error.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Answers may be kept by the reader, who asks each time whether they still stand.
const REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// A JSON answer, or a 304 when the reader has this very one.
fn tagged(request: &HeaderMap, etag: HeaderValue, body: impl FnOnce() -> Bytes) -> Response {
    let kept = [(header::ETAG, etag.clone()), (header::CACHE_CONTROL, REVALIDATE)];
    if has(request, &etag) {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    (kept, [(header::CONTENT_TYPE, JSON)], body()).into_response()
}

/// Whether `If-None-Match` names the tag; tags are compared weakly.
fn has(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let etag = etag.to_str().map(opaque).unwrap_or_default();
    let mut named = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    named.any(|tags| tags.trim() == "*" || tags.split(',').any(|tag| opaque(tag) == etag))
}
