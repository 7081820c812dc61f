//! How far a replay is: a bar on a terminal, a line now and then elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where there is no terminal, a line after so many.
const LINE_LETTERS: u64 = 1_000;

pub(super) struct Progress {
    bar: ProgressBar,
    total: u64,
}

impl Progress {
    pub(super) fn new(total: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("replaying {bar:40} {pos}/{len} dead letters, {per_sec}") {
            bar.set_style(style);
        }
        Self { bar, total }
    }

    /// One more is decided.
    pub(super) fn step(&self) {
        self.bar.inc(1);
        let done = self.bar.position();
        if self.bar.is_hidden() && (done.is_multiple_of(LINE_LETTERS) || done == self.total) {
            tracing::info!(letters.done = done, letters.total = self.total, "replaying");
        }
    }

    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
    }
}
