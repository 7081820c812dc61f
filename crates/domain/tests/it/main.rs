//! The crate from outside: examples, schemas, the golden case, and properties over generated events.

mod agreement;
mod allocations;
mod asyncapi;
#[path = "../../../../fuzz/src/check.rs"]
mod check;
mod diff;
mod examples;
mod golden;
mod history;
#[path = "../../../../fuzz/src/input.rs"]
mod input;
mod launches;
mod margins;
mod merges;
mod robustness;
mod sensitivity;
mod support;
mod ways;
mod what_if;
