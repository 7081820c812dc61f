//! The deduplication token of an insert.

use std::fmt;

use crate::{
    ids::{Epoch, Partition, Topic},
    range::Range,
};

/// The range that stands for its group: that of the group's lowest partition.
///
/// A committed range is never redefined, so it names one group for ever; and it is short enough that every partition's
/// commit metadata can carry it, which a list of all the group's ranges is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lead {
    /// The lowest partition of the group.
    pub partition: Partition,
    /// That partition's range in the group.
    pub range: Range,
}

/// Ranges of one topic that were declared by one commit and go into one insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// The topic.
    pub topic: Topic,
    /// The topic's incarnation: a recreated topic starts at offset zero again, and must not meet old tokens.
    pub epoch: Epoch,
    /// Which group.
    pub lead: Lead,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.topic.0, self.epoch, self.lead.partition.0, self.lead.range)
    }
}

/// What an insert is deduplicated by. The shell adds the table's name: each table deduplicates for itself.
///
/// Every owner uses the same sequence for a group, `G`, `G#1`, `G#2`, ..., whichever of the group's ranges it still has to
/// insert: so an insert that wakes up late meets a token that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// The group's own token ...
    pub group: Group,
    /// ... and its number: 0 is the group's own, and is not written.
    pub number: u32,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => self.group.fmt(f),
            number => write!(f, "{}#{number}", self.group),
        }
    }
}
