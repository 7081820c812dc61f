//! The local stack against the real servers.

mod failures;
mod rights;
mod servers;
mod support;
