//! The part's readiness, logged when it changes.

use kit::health::Part;

/// What was last reported.
pub(super) struct Readiness {
    part: Part,
    reported: Option<Result<(), String>>,
}

impl Readiness {
    pub(super) fn new(part: Part) -> Self {
        Self { part, reported: None }
    }

    /// The end, which is no news.
    pub(super) fn stopping(&self) {
        self.part.unready("stopping");
    }

    pub(super) fn ready(&mut self) {
        if self.reported != Some(Ok(())) {
            tracing::info!("the api is ready");
            self.part.ready();
            self.reported = Some(Ok(()));
        }
    }

    pub(super) fn unready(&mut self, why: &str) {
        let unready = Some(Err(why.to_owned()));
        if self.reported != unready {
            tracing::warn!(reason = why, "the api is not ready");
            self.part.unready(why);
            self.reported = unready;
        }
    }
}
