//! Whether a ranking's intervals hold what they promise: worlds with a known truth are drawn, their accounts ask and need,
//! `domain` ranks what they said, and the intervals are compared with the truth.
//!
//! `docs/calibration.md` says what was found and what is not covered.
//!
//! - [`family`]: which worlds there are, [`world`]: one of them and its truth.
//! - [`sample`]: what the accounts of a world say and show, as sums that `domain` ranks.
//! - [`verdict`]: what a ranking got right.
//! - [`study`]: many samples of many worlds of every family.
//! - [`report`], [`picture`]: table, JSON, drawing.

pub mod family;
pub mod picture;
pub mod report;
pub mod sample;
pub mod study;
pub mod verdict;
pub mod world;
