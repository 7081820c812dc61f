//! Wire types that more than one part of Flywheel must agree on: the topics, the ranking document and the API's answers.
//!
//! Not here: the events (their contract is `schemas/events`, `domain` decodes them) and anything that computes: what `domain`
//! has computed is only put into words here.

mod computed;
pub mod dead_letters;
pub mod diff;
pub mod evidence;
pub mod history;
pub mod outcome;
pub mod portfolio;
pub mod ranking;
pub mod share;
pub mod teams;
pub mod topics;

pub use computed::Scope;
