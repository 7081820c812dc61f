//! The crate from outside: examples, schemas, the golden case, and properties over generated events.

mod agreement;
mod asyncapi;
mod examples;
mod golden;
mod history;
mod merges;
mod robustness;
mod support;
