//! A share of a number of accounts or launches.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// So many of so many, each counting once, and how sure that share is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Share {
    /// How many do.
    pub count: u64,
    /// Out of how many.
    pub of: u64,
    /// The one divided by the other, 0 to 1; 0 out of none.
    pub share: f64,
    /// Lower Wilson bound of the share.
    pub low: f64,
    /// Upper Wilson bound of the share.
    pub high: f64,
}

impl Share {
    /// As it was computed.
    #[must_use]
    pub fn computed(share: &domain::share::Share) -> Self {
        Self { count: share.count, of: share.of, share: share.share, low: share.low, high: share.high }
    }
}
