//! The tools of the `flywheel` binary.

pub mod import;
pub mod rankings;
