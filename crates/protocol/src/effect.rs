//! What the machine asks of the shell.

use thiserror::Error;

use crate::{
    ids::{FlightId, Offset, RequestId, TopicPartition},
    metadata::MetadataError,
    range::Range,
    token::{Group, Token},
};

/// Something to do. The shell carries effects out in the order given, and answers those that carry a [`RequestId`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Read what the group has committed for these partitions, and where their logs begin and end.
    FetchCommitted(RequestId, Vec<TopicPartition>),
    /// Drain the partition from `from` on, and no further than `until`; `None`: as far as it goes. Reports must not skip.
    Consume {
        /// The partition.
        partition: TopicPartition,
        /// The first offset to drain: seek there.
        from: Offset,
        /// The first offset not to drain.
        until: Option<Offset>,
    },
    /// These ranges are a group now: what was drained of them is complete, and what is drained next belongs to another.
    Sealed(Vec<Part>),
    /// Commit these, in one request that the client does not repeat by itself. At most one is unanswered.
    Commit(RequestId, Vec<Commit>),
    /// Insert the rows of these ranges, in every table with the token and the table's name.
    Insert(Insert),
    /// Ask ClickHouse which rows are there. Asked after this effect, not before.
    Look(Look),
    /// Find out whether any insert of this group, under whatever number and from whichever member, is still running.
    CheckDead(RequestId, Group),
    /// Everything of the partition below the offset is durable: its rows can be forgotten, its watermark moved.
    Durable(TopicPartition, Offset),
    /// Complete the unassign of these: nothing of theirs is under way to Kafka. Forget their rows.
    Release(Vec<TopicPartition>),
    /// A commit may still be on its way, and only a new member id stops it for sure. Drop the client with all it has
    /// queued, make a new one and join again. No partition is held any more.
    Rejoin,
    /// The machine has ended and takes no more inputs. Close the client without committing.
    Stop(StopReason),
}

/// What a commit says about one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The partition.
    pub partition: TopicPartition,
    /// The low-water mark: everything below is durable.
    pub offset: Offset,
    /// Declares the ranges in flight.
    pub metadata: String,
}

/// A range of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The partition.
    pub partition: TopicPartition,
    /// The range.
    pub range: Range,
}

/// Rows to insert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insert {
    /// Names the answer.
    pub id: RequestId,
    /// The flight, the same for each try.
    pub flight: FlightId,
    /// What the server deduplicates by.
    pub token: Token,
    /// Which ranges.
    pub parts: Vec<Part>,
    /// Leave out the rows that this flight's last look found. Nothing left to send is an `Ok`.
    pub only_missing: bool,
}

/// A question to ClickHouse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Names the answer.
    pub id: RequestId,
    /// Whose ranges these are; `None` before any flight is made of them.
    pub flight: Option<FlightId>,
    /// Which ranges.
    pub parts: Vec<Part>,
    /// And whether there are rows at or beyond these offsets.
    pub beyond: Vec<(TopicPartition, Offset)>,
}

/// Why the machine ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StopReason {
    /// As asked: all that could be finished in time is committed.
    #[error("stopped as asked")]
    Shutdown,
    /// The commit's metadata cannot be read.
    #[error("the committed metadata of {0} is not ours: {1}; it is not guessed at")]
    Metadata(TopicPartition, MetadataError),
    /// The metadata says another low-water mark than the committed offset: somebody moved the offset.
    #[error("the committed offset of {0} is {at} but its metadata says {said}: it was moved by hand", at = .1.0, said = .2.0)]
    OffsetMoved(TopicPartition, Offset, Offset),
    /// The metadata is of a greater epoch than the configured one.
    #[error("the commit of {0} is of epoch {1}, and epoch {2} is configured")]
    Epoch(TopicPartition, u32, u32),
    /// The metadata is of another topic of the same name. Its offsets say nothing about this one.
    #[error("the topic of {0} was deleted and made anew: what is committed and written is of the one before")]
    Anew(TopicPartition),
    /// The log does not have the committed offset: the records expired, or the topic was recreated.
    #[error("the log of {0} does not have the committed offset {at}: records expired, or the topic was made anew", at = .1.0)]
    OutOfLog(TopicPartition, Offset),
    /// There are rows of offsets that nobody declared: the committed offset went back, or has expired.
    #[error("{0} has rows up to offset {seen}, but none from {end} on was declared: its commit was lost or moved back, or the topic was made anew",
        seen = .2.0, end = .1.0)]
    RowsBeyond(TopicPartition, Offset, Offset),
    /// The shell reported records that do not follow those before.
    #[error("records of {0} from {first} were drained where {expected} was expected", first = .1.0, expected = .2.0)]
    OutOfOrder(TopicPartition, Offset, Offset),
    /// The rows are missing under every token that was allowed.
    #[error("rows of {0} are still missing after {1} tokens")]
    RowsMissing(Group, u32),
}
