//! A shard that is held: its writer, and the rankings that are ready for it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::time::Timestamp;

use crate::{membership::Tenure, ready::Ready, writer::Writer};

/// A stretch in which no other writer was open for the shard, if Kafka takes what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) tenure: Tenure,
    /// Counts the writers of the tenure.
    writer: u32,
}

/// A shard that is held.
pub(crate) struct Led {
    term: Term,
    /// None while it is being opened.
    writer: Option<Arc<Writer>>,
    posting: Posting,
    resting_until: Option<Instant>,
    /// What ClickHouse has and Kafka did not take: it goes first, and until it has gone nothing more is computed.
    unsent: Vec<Ready>,
    /// So many of these, the first ones, go alone.
    apart: usize,
    ready: Vec<Ready>,
}

/// What is being published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Posting {
    Nothing,
    New,
    /// Something that was unsent. Nothing is computed meanwhile: to a schedule that leads the shard anew its teams are due, and there
    /// would be two rankings of one.
    Unsent,
}

/// Rankings on their way, for each team at most one.
pub(crate) struct Post {
    pub(crate) writer: Arc<Writer>,
    pub(crate) rankings: Vec<Ready>,
}

impl Led {
    /// A shard whose writer is being opened.
    pub(crate) fn new(tenure: Tenure) -> Self {
        Self {
            term: Term { tenure, writer: 0 },
            writer: None,
            posting: Posting::Nothing,
            resting_until: None,
            unsent: Vec::new(),
            apart: 0,
            ready: Vec::new(),
        }
    }

    pub(crate) fn term(&self) -> Term {
        self.term
    }

    /// The writer is open. Of what could not be sent before, keeps what `is_current`; how many were dropped.
    pub(crate) fn opened(&mut self, writer: Writer, is_current: impl Fn(&Ready) -> bool) -> usize {
        self.writer = Some(Arc::new(writer));
        let before = self.unsent.len() + self.ready.len();
        self.unsent.retain(is_current);
        self.apart = self.apart.min(self.unsent.len());
        self.ready.clear();
        before - self.unsent.len()
    }

    /// The writer is of no use any more, nor is what was begun with it.
    pub(crate) fn closed(&mut self) {
        self.posted();
        self.term.writer += 1;
        if let Some(writer) = self.writer.take() {
            // Closing a client blocks its thread for a moment.
            tokio::task::spawn_blocking(move || drop(writer));
        }
    }

    /// Whether rankings for it may be computed.
    pub(crate) fn flows(&self) -> bool {
        self.is_open() && self.unsent.is_empty() && self.posting != Posting::Unsent
    }

    /// Whether its writer is open.
    pub(crate) fn is_open(&self) -> bool {
        self.writer.is_some()
    }

    pub(crate) fn is_publishing(&self) -> bool {
        self.posting != Posting::Nothing
    }

    /// How many rankings wait.
    pub(crate) fn ready(&self) -> usize {
        self.unsent.len() + self.ready.len()
    }

    pub(crate) fn oldest_unsent(&self) -> Option<Timestamp> {
        self.unsent.iter().map(|ready| ready.as_of).min()
    }

    pub(crate) fn push(&mut self, ready: Ready) {
        self.ready.push(ready);
    }

    /// What is to be published now, if anything.
    pub(crate) fn post(&mut self) -> Option<Post> {
        if self.is_publishing() || self.ready() == 0 || self.resting_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let writer = self.writer.as_ref()?;
        self.posting = if self.unsent.is_empty() { Posting::New } else { Posting::Unsent };
        let rankings = if self.apart > 0 && !self.unsent.is_empty() {
            self.apart -= 1;
            vec![self.unsent.remove(0)]
        } else {
            let mut rankings = std::mem::take(&mut self.unsent);
            rankings.append(&mut self.ready);
            rankings
        };
        Some(Post { writer: Arc::clone(writer), rankings })
    }

    /// What was being published is published, or will be put back.
    pub(crate) fn posted(&mut self) {
        self.posting = Posting::Nothing;
    }

    /// These could not be sent; they are tried again after `pause`.
    pub(crate) fn put_back(&mut self, rankings: Vec<Ready>, pause: Duration) {
        self.resting_until = Some(Instant::now() + pause);
        if self.apart > 0 {
            self.apart += rankings.len();
        }
        self.unsent.splice(0..0, rankings);
    }

    /// One of these is refused: each is tried again alone, so that it takes no other along.
    pub(crate) fn put_back_apart(&mut self, rankings: Vec<Ready>) {
        self.apart += rankings.len();
        self.unsent.splice(0..0, rankings);
    }
}

impl Drop for Led {
    fn drop(&mut self) {
        self.closed();
    }
}
