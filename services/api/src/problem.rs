//! The body of every error: RFC 9457 problem details.

pub(crate) mod responses;

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, as `application/problem+json` (RFC 9457).
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Which kind of problem it is: a stable URN to branch on.
    pub(crate) r#type: String,
    /// The kind in words; the same for all problems of the type.
    pub(crate) title: &'static str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What went wrong this time and what to do about it.
    pub(crate) detail: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) instance: Option<String>,
    /// The request's id, which our logs carry too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) request_id: Option<String>,
    /// Each wrong parameter, where parameters are what is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<ParameterError>,
    /// Each part of the process that is not ready, and why, where that is what is wrong.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) unready: BTreeMap<String, String>,
}

/// One wrong parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ParameterError {
    /// The parameter's name.
    pub parameter: String,
    /// What it takes.
    pub detail: String,
}
