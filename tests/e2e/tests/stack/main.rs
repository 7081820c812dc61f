//! End to end, from the outside: events into a real Kafka, rows in a real ClickHouse, answers from the real binary. Every
//! test has a stack of its own.

mod answers;
mod any_instant;
mod audit;
mod board;
mod cold;
mod comparison;
mod dashboard;
mod dead_letters;
mod evidence;
mod hardship;
mod import;
mod injection;
mod keys;
mod lifecycle;
mod many_features;
mod metrics;
mod migrate;
mod months;
mod outage;
mod personal;
mod rankers;
mod ranking;
mod refused;
mod repeats;
mod replay;
mod tokens;
mod topic;
mod trace;
mod two_apis;
mod world;
