//! What a member knows of a partition that it holds.

use std::collections::VecDeque;

use crate::{
    ids::{Epoch, Millis, Offset, Topic},
    metadata::{Declared, Metadata},
    range::Range,
    token::Group,
};

/// One member's unbroken hold of a partition, from its assignment to its release.
#[derive(Debug)]
pub(super) struct Tenure {
    pub(super) phase: Phase,
    /// Of the ranges that this tenure makes.
    pub(super) epoch: Epoch,
    /// Everything below is durable.
    pub(super) low: Offset,
    /// The ranges from the low-water mark on, without a gap.
    pub(super) pending: VecDeque<Pending>,
    /// What the group has committed; `None` until it was fetched and looked at.
    pub(super) known: Option<Mark>,
    /// How far this tenure's own commits have declared.
    pub(super) confirmed: Option<Offset>,
    /// A row that nobody declared was seen there, if what we had fetched was still true: the next commit tells.
    pub(super) suspect: Option<Offset>,
    /// The next offset to be drained.
    pub(super) position: Offset,
    /// What was drained and is not declared.
    pub(super) open: Option<Open>,
}

/// How far a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its commit is being fetched, its rows are being looked at.
    Arriving,
    /// This declared range is being read again.
    Replaying(Range),
    /// New records are drained.
    Consuming,
    /// To be released once nothing of it is under way, and until then to finish what is in flight.
    Leaving { give_up_at: Millis },
}

/// A range in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) range: Range,
    pub(super) group: Group,
    pub(super) durable: bool,
}

/// Drained records from `first` to the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) first: Offset,
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// To be declared even if it is small.
    pub(super) due: bool,
}

/// What a commit says, in short: where the partition is durable, and to where it is declared. Ranges are never redefined, so
/// two commits of a tenure that agree in both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) low: Offset,
    pub(super) declared: Offset,
}

impl Tenure {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Arriving,
            epoch: Epoch::default(),
            low: Offset(0),
            pending: VecDeque::new(),
            known: None,
            confirmed: None,
            suspect: None,
            position: Offset(0),
            open: None,
        }
    }

    /// What a commit would say now.
    pub(super) fn mark(&self) -> Mark {
        Mark { low: self.low, declared: self.pending.back().map_or(self.low, |last| last.range.end()) }
    }

    /// Whether a commit would say something new.
    pub(super) fn is_dirty(&self) -> bool {
        self.known.is_some_and(|known| known != self.mark())
    }

    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Leaving { .. })
    }

    /// Whether new ranges may be made: not before what an older epoch declared is durable, for a commit names one epoch.
    pub(super) fn may_seal(&self) -> bool {
        self.pending.iter().all(|pending| pending.group.epoch == self.epoch)
    }

    /// What the commit's metadata says.
    pub(super) fn metadata(&self) -> Metadata {
        let epoch = self.pending.front().map_or(self.epoch, |pending| pending.group.epoch);
        let declared = self.pending.iter().map(|pending| Declared { range: pending.range, lead: pending.group.lead });
        Metadata { epoch, low: self.low, declared: declared.collect() }
    }

    /// Records that the range is durable; returns whether the low-water mark moved. It moves over whole ranges, in order.
    pub(super) fn durable(&mut self, range: Range, skips: bool) -> bool {
        let before = self.low;
        for pending in
            self.pending.iter_mut().filter(|pending| pending.range == range || skips && pending.range < range)
        {
            pending.durable = true;
        }
        while let Some(first) = self.pending.front().filter(|first| first.durable) {
            self.low = first.range.end();
            self.pending.pop_front();
        }
        self.low != before
    }
}

impl Pending {
    /// The group that this partition's metadata declared the range in.
    pub(super) fn of(declared: Declared, topic: Topic, epoch: Epoch) -> Self {
        let group = Group { topic, epoch, lead: declared.lead };
        Self { range: declared.range, group, durable: false }
    }
}
