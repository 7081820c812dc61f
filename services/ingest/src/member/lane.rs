//! One partition that is ours: where it is read, and the rows that are not durable yet.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use protocol::{Offset, Range};

use crate::repeats::Window;

use super::rows::Rows;

/// A partition that is ours.
pub(crate) struct Lane {
    /// Which hold of the partition this is: what was asked in an earlier one is not answered in this one.
    pub(crate) tenure: u64,
    pub(crate) stage: Stage,
    /// Which topic of its name it belongs to, once that is known.
    pub(crate) topic_id: Option<u32>,
    /// The pairs that the partition has had lately, all of them below `position`.
    pub(crate) window: Window,
    /// The next offset to be drained; none until the protocol says where to begin.
    pub(crate) position: Option<Offset>,
    /// What was drained and belongs to no range yet.
    pub(crate) open: Rows,
    /// When the first record of `open` came.
    pub(crate) opened_at: Option<Instant>,
    /// Whole ranges, in order, until they are durable.
    pub(crate) held: VecDeque<Held>,
    /// What is to be audited next.
    pub(crate) unaudited: Option<Unaudited>,
}

/// A stretch of the partition that is durable, and how many records were read in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unaudited {
    pub(crate) range: Range,
    pub(crate) records: u64,
}

/// The longest stretch that is audited at once, in offsets: where more is written between two audits, the newest are.
const AUDIT_OFFSETS_MAX: u32 = 1_000_000;

/// What is done with a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The protocol has not said yet where to read.
    Waiting,
    /// What the partition has had lately is being read.
    Remembering(Reading),
    /// The client is to be told from where to read, at that time.
    Seeking(Reading, Instant),
    /// Records are drained.
    Reading(Reading),
}

/// What the protocol wants to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) from: Offset,
    /// The end of a declared range that is read again; none for what is new.
    pub(crate) until: Option<Offset>,
}

/// A range whose records are held.
pub(crate) struct Held {
    pub(crate) range: Range,
    pub(crate) rows: Arc<Rows>,
    pub(crate) search: Search,
    pub(crate) since: Instant,
}

/// The search for pairs that a range repeats from below the window. Usage has no longer memory than its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// Begins when everything below the offset is durable: ClickHouse is asked for pairs below it.
    Due(Offset),
    Asked,
    Done,
}

impl Lane {
    pub(crate) fn new(tenure: u64, window: Window) -> Self {
        Self {
            tenure,
            stage: Stage::Waiting,
            topic_id: None,
            window,
            position: None,
            open: Rows::default(),
            opened_at: None,
            held: VecDeque::new(),
            unaudited: None,
        }
    }

    /// The open rows are this range's.
    pub(crate) fn seal(&mut self, range: Range, search: Search, now: Instant) {
        let next = self.open.emptied();
        let rows = Arc::new(std::mem::replace(&mut self.open, next));
        self.opened_at = None;
        self.held.push_back(Held { range, rows, search, since: now });
    }

    /// Frees the room that was made for rows like the last, if none have come.
    pub(crate) fn give_back_room(&mut self) {
        if self.open.records == 0 {
            self.open = Rows::default();
        }
    }

    /// The rows of a range, if they are held.
    pub(crate) fn held(&self, range: Range) -> Option<&Held> {
        self.held.iter().find(|held| held.range == range)
    }

    /// Forgets the ranges below `through` and returns them.
    pub(crate) fn durable(&mut self, through: Offset) -> Vec<Held> {
        let count = self.held.iter().take_while(|held| held.range.end() <= through).count();
        let durable: Vec<Held> = self.held.drain(..count).collect();
        for held in &durable {
            self.audit_later(held.range, held.rows.records);
        }
        durable
    }

    /// Joins the range to the stretch that is audited next, or begins a new one with it.
    fn audit_later(&mut self, range: Range, records: u64) {
        let joined = self.unaudited.filter(|before| before.range.end() == range.first()).and_then(|before| {
            let joined = Range::new(before.range.first(), range.end())?;
            (joined.length() <= AUDIT_OFFSETS_MAX)
                .then_some(Unaudited { range: joined, records: before.records + records })
        });
        self.unaudited = Some(joined.unwrap_or(Unaudited { range, records }));
    }

    /// Memory that its rows take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.open.tables.bytes() + self.held.iter().map(|held| held.rows.tables.bytes()).sum::<usize>()
    }
}
