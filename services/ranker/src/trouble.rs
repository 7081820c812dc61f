//! Whether the role can do its work, and how long it rests before it tries again what failed.

use std::time::Duration;

use kit::health::Part;

const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What was said of the last failure.
pub(crate) struct Trouble {
    part: Part,
    poll: Duration,
    pause: Duration,
    failing: bool,
    waiting: Option<&'static str>,
}

impl Trouble {
    /// None yet. What failed is tried again after `poll` first.
    pub(crate) fn new(part: Part, poll: Duration) -> Self {
        Self { part, poll, pause: poll, failing: false, waiting: None }
    }

    /// Says so once; every time, the next try comes a little later.
    pub(crate) fn failed(&mut self, error: &anyhow::Error) {
        self.part.unready("cannot read or publish");
        if !self.failing {
            tracing::warn!(error = format!("{error:#}"), "rankings are not current, trying on");
        }
        self.failing = true;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    /// Nothing failed, but it cannot go on yet. Says so once.
    pub(crate) fn waiting(&mut self, why: &'static str) {
        self.part.unready(why);
        if self.waiting != Some(why) {
            tracing::info!(why, "rankings wait");
        }
        self.waiting = Some(why);
    }

    /// All is well.
    pub(crate) fn over(&mut self) {
        self.part.ready();
        if self.failing {
            tracing::info!("rankings are current again");
        }
        self.failing = false;
        self.waiting = None;
        self.pause = self.poll;
    }

    /// We are asked to stop.
    pub(crate) fn stopping(&self) {
        self.part.unready("stopping");
    }

    /// How long to rest while something fails.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.failing.then_some(self.pause)
    }

    /// After how long to try again what failed.
    pub(crate) fn retry(&self) -> Duration {
        self.pause
    }
}
