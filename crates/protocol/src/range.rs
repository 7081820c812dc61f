//! A half-open range of offsets in one partition.

use std::fmt;

use crate::ids::Offset;

/// The offsets from `first` up to, not including, `end`. Never empty, never longer than `u32::MAX`.
///
/// It counts offsets, not records: compaction and transaction markers leave holes, which belong to the range they lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    first: Offset,
    length: u32,
}

impl Range {
    /// The range from `first` to `end`; `None` if it is empty, negative or longer than `u32::MAX`.
    #[must_use]
    pub fn new(first: Offset, end: Offset) -> Option<Self> {
        Self::of_length(first, u32::try_from(end.0.checked_sub(first.0)?).ok()?)
    }

    /// The `length` offsets from `first`; `None` if that is none, or leaves the offsets that Kafka has.
    #[must_use]
    pub fn of_length(first: Offset, length: u32) -> Option<Self> {
        let fits = first.0 >= 0 && length > 0 && first.0.checked_add(i64::from(length)).is_some();
        fits.then_some(Self { first, length })
    }

    /// The first offset in the range.
    #[must_use]
    pub fn first(self) -> Offset {
        self.first
    }

    /// The first offset after the range.
    #[must_use]
    pub fn end(self) -> Offset {
        Offset(self.first.0 + i64::from(self.length))
    }

    /// How many offsets it spans.
    #[must_use]
    pub fn length(self) -> u32 {
        self.length
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first.0, self.end().0)
    }
}
