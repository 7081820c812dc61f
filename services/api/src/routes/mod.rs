//! The handlers, a file for each noun.

pub(crate) mod dead_letters;
pub(crate) mod diff;
pub(crate) mod features;
pub(crate) mod outcome;
pub(crate) mod portfolio;
pub(crate) mod probes;
pub(crate) mod rankings;
pub(crate) mod stream;
pub(crate) mod teams;

use axum::http::HeaderValue;

/// The media type of what operators and tools ask.
const JSON: HeaderValue = HeaderValue::from_static("application/json");
