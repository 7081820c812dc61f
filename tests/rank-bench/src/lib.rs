//! Large teams in a ClickHouse of their own, for whoever measures what is asked about them.
//!
//! - [`site`]: a Kafka and a ClickHouse, migrated.
//! - [`world`]: the teams, made in ClickHouse itself.
//! - [`process`]: what a process takes.

pub mod process;
pub mod site;
pub mod world;
