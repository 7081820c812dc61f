//! Which records say again what one before them said.
//!
//! The rule: a record repeats if its partition holds, at a lower offset, a valid record with the same source and id. Requests
//! and the catalog count once for ever; usage and need signals once within a day of receipt. The verdict depends on the
//! partition's log alone, so whoever replays it reaches it again.
//!
//! - [`Fingerprint`]: source and id in ten bytes.
//! - [`Window`]: what a partition's newest records were, in memory; the verdict.
//! - [`history`]: what ClickHouse remembers: it fills the window of a partition that was just taken over, and knows the
//!   requests and definitions that lie below the window.

pub(crate) mod history;

mod filter;
mod fingerprint;
mod window;

use filter::Filter;
pub(crate) use fingerprint::{Fingerprint, FingerprintMap};
pub(crate) use window::{Limits, Rule, Valid, Window};
