//! Names: where a record stands in Kafka, and which answer belongs to which effect.

use std::fmt;

pub use domain::ids::{Offset, Partition};

/// A Kafka topic. The topics we read are fixed, hence the lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(pub &'static str);

/// A partition of a topic: what Kafka assigns, and what offsets are committed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Topic,
    /// Its partition.
    pub partition: Partition,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic.0, self.partition.0)
    }
}

/// The incarnation of a topic: a hash of what Kafka calls it by, which is another once the topic is deleted and made again,
/// and a number that an operator raises. Offsets of two incarnations have nothing to do with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The incarnation of the topic with that hash, raised so often.
    #[must_use]
    pub fn new(topic: u32, raised: u32) -> Self {
        Self(u64::from(topic) << 32 | u64::from(raised))
    }

    /// The hash of the topic's id.
    #[must_use]
    pub fn topic(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// How often it was raised by hand.
    #[must_use]
    pub fn raised(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A reading of a monotonic clock, in milliseconds. Only differences count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// This instant and `ms` milliseconds.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant; 0 if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Pairs an answer with the effect that asked. Never used twice by one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// One group of ranges on its way to ClickHouse. The shell keeps a flight's rows under this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlightId(pub u64);
