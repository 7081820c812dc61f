//! The simulator: two or three members, Kafka and ClickHouse in one deterministic world that crashes, delays, doubles,
//! reorders and lies. Every schedule has a seed; one that fails is shrunk to the actions that it needs.
//!
//! - [`schedule`](Schedule): what happens, from a seed, and the shrinking.
//! - `world`: lets it happen, and then lets every fault end.
//! - `process`: a member: the machine, Kafka's client and the shell between them.
//! - `kafka` and `clickhouse`: what the protocol rests on, with the ways in which they fail.
//! - `oracle`: the invariants, checked as things happen.
//!
//! What it does not contain: a token that is forgotten, a row that vanishes, one insert that becomes several blocks, and
//! a server that shows rows before it records their token. The protocol rests on none of these happening.

mod clickhouse;
mod kafka;
mod oracle;
mod process;
mod schedule;
#[cfg(test)]
mod tests;
mod world;

pub use oracle::Violation;
pub use schedule::Schedule;
