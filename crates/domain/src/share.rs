//! A share of a number of accounts or launches, each counting once, and how sure it is.

use crate::score::{CONFIDENCE, two_sided_z, wilson};

/// So many of so many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// How many do.
    pub count: u64,
    /// Out of how many.
    pub of: u64,
    /// The one divided by the other; 0 out of none.
    pub share: f64,
    /// Wilson's lower bound of it.
    pub low: f64,
    /// Wilson's upper bound of it.
    pub high: f64,
}

impl Share {
    /// `count` out of `of`.
    #[must_use]
    pub fn new(count: u64, of: u64) -> Self {
        let share = if of > 0 { count as f64 / of as f64 } else { 0.0 };
        let (low, high) = wilson(share, of as f64, two_sided_z(CONFIDENCE));
        Self { count, of, share, low, high }
    }
}
