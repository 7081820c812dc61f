//! Placeholder.

pub mod otlp;
