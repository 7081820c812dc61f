//! Faults against the real stack under load, and an oracle that knows what must be in ClickHouse afterwards.
//!
//! - [`plan`]: which faults happen when, from a seed.
//! - [`event`], [`load`]: records of every kind, produced without pause; with repeats, near and far, and malformed ones.
//! - [`fleet`], [`fault`]: the real binary several times over, each behind proxies of its own, and what is done to it.
//! - [`log`]: Kafka's log as it is in the end. It is the truth, whatever the producer meant.
//! - [`verdict`]: what the log demands, by the rules' own words and a plain map; no code of ingest's.
//! - [`rows`], [`oracle`], [`aggregates`]: what ClickHouse has, compared place by place and sum by sum.
//! - [`run`], [`report`]: the whole, and what it found.

pub mod aggregates;
pub mod event;
pub mod fault;
pub mod fleet;
mod judge;
pub mod load;
pub mod log;
mod malformed;
pub mod oracle;
pub mod plan;
pub mod report;
pub mod rows;
pub mod run;
pub mod verdict;
pub mod world;
