//! The local stack against the real servers.

mod failures;
mod leftovers;
mod program;
mod rights;
mod servers;
mod support;
