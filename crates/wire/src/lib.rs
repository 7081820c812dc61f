//! Wire types that more than one part of Flywheel must agree on: the topics and the ranking document.
//!
//! Not here: the events (their contract is `schemas/events`, `domain` decodes them) and anything that computes.

pub mod ranking;
pub mod topics;
