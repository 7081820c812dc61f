//! What every role needs and none owns: configuration, telemetry, life cycle, the admin port. It knows nothing of features or rankings.

pub mod admin;
pub mod clickhouse;
pub mod config;
pub mod dependency;
pub mod files;
pub mod headers;
pub mod health;
pub mod kafka;
pub mod lifecycle;
pub mod metrics;
pub mod propagation;
pub mod telemetry;
