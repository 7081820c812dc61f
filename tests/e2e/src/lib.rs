//! End-to-end tests.

pub mod dashboard;
