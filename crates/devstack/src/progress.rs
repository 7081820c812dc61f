//! What the user sees while the stack comes up: one line a step, with the seconds since the start.

use std::{fmt, io::Write, time::Instant};

/// Prints steps to standard error, which keeps standard output for what was asked for.
#[derive(Clone, Debug)]
pub struct Progress {
    since: Option<Instant>,
}

impl Progress {
    /// Prints, counting seconds from now.
    pub fn printing() -> Self {
        Self { since: Some(Instant::now()) }
    }

    /// Prints nothing.
    pub fn silent() -> Self {
        Self { since: None }
    }

    /// One step, now.
    pub fn step(&self, step: impl fmt::Display) {
        if let Some(since) = self.since {
            // A closed terminal is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{:>6.1} s  {step}", since.elapsed().as_secs_f64());
        }
    }
}
