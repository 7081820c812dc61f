//! The local stack: a real Apache Kafka and a real ClickHouse on this machine, for `make run`, the tests and fault runs.
//!
//! [`Stack::start`] obtains both (once, pinned by version and checksum), starts them on ports and data of their own and
//! waits until they answer. Each can be stopped, killed, paused and restarted; nothing outlives the process that started
//! it, however that ends. Where the user already has either, that one is used and nothing is started for it.
//!
//! Loopback only, one node each: this is not how Flywheel is deployed.

mod clickhouse;
mod folders;
mod kafka;
mod kafka_probe;
mod obtain;
mod ports;
mod progress;
mod role;
mod server;
mod stack;
mod supervised;
mod template;
mod variable;

pub use folders::Folders;
pub use obtain::fetch;
pub use ports::{Ports, check_free};
pub use progress::Progress;
pub use role::Role;
pub use server::Server;
pub use stack::{Stack, StackConfig};
pub use supervised::{Output, Supervised};
