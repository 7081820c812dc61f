//! What the shell tells the machine. Every answer names the request it answers; an answer that nobody waits for is ignored,
//! so late and doubled answers do no harm.

use crate::ids::{Offset, RequestId, TopicPartition};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The group gave us these partitions: a new tenure of each begins.
    Assigned(Vec<TopicPartition>),
    /// The group wants these back; another may have them once they are released.
    Revoke(Vec<TopicPartition>),
    /// The group took these away already; another may have them now.
    Lost(Vec<TopicPartition>),
    /// Answers [`Effect::FetchCommitted`](crate::Effect::FetchCommitted), with one entry for each partition asked for.
    Fetched(RequestId, Vec<Fetched>),
    /// The fetch failed; it is asked again after a pause.
    FetchFailed(RequestId),
    /// Records were drained: every offset from `first` up to `end` is now held by the shell, or has no record.
    Drained(Drained),
    /// Declare what was drained, full or not.
    FlushDue,
    /// Answers [`Effect::Commit`](crate::Effect::Commit).
    Committed(RequestId, CommitAnswer),
    /// Answers [`Effect::Insert`](crate::Effect::Insert).
    Inserted(RequestId, InsertAnswer),
    /// Answers [`Effect::Look`](crate::Effect::Look).
    Looked(RequestId, Looked),
    /// The look failed; it is asked again after a pause.
    LookFailed(RequestId),
    /// Answers [`Effect::CheckDead`](crate::Effect::CheckDead): whether no earlier insert of the group is running any more.
    /// `true` needs a reason: the server was restarted since, or its list of running queries lacks them.
    Checked(RequestId, bool),
    /// Finish what is in flight, within [`Config::release_wait_ms_max`](crate::Config), then stop.
    Shutdown,
    /// Only time has passed: [`Machine::wake_at`](crate::Machine::wake_at) is here.
    Tick,
}

/// What the group has committed for a partition, and what its log holds, both read after the partition was assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The partition.
    pub partition: TopicPartition,
    /// A hash of the topic's id: another for another topic of the same name.
    pub topic_id: u32,
    /// The committed offset and its metadata; `None` if the group never committed one, or it has expired.
    pub committed: Option<(Offset, String)>,
    /// The first offset that the log still has.
    pub log_first: Offset,
    /// The offset that the next record will get.
    pub log_end: Offset,
}

/// Records that the shell holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Their partition.
    pub partition: TopicPartition,
    /// Where draining stood; not beyond the first record.
    pub first: Offset,
    /// Where it stands now: after the last record.
    pub end: Offset,
    /// How many records.
    pub records: u64,
    /// How many bytes they hold in memory.
    pub bytes: u64,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitAnswer {
    /// Every partition of it is committed.
    Ok,
    /// Refused: the member or its generation is not the group's. Nothing of it is committed.
    Fenced,
    /// Nothing of it is committed, nor ever will be.
    Failed,
    /// No answer, or a mixed one: it may be committed, or be still on its way.
    Unknown,
}

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertAnswer {
    /// Every table acknowledged it: it has the rows, or has met the token before. The server does not say which.
    Ok,
    /// Surely no table has, or will get, anything of it: it never left, or was refused before it was read.
    Failed,
    /// Anything else.
    Ambiguous,
}

/// What ClickHouse has, over all tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// One for each part asked for, in that order.
    pub presence: Vec<Presence>,
    /// For each partition with rows at or after the offset asked about: the greatest such offset.
    pub beyond: Vec<(TopicPartition, Offset)>,
}

/// How much of a range is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Every row that its records make, in every table. Only who holds the records can say that; who only looked at
    /// ClickHouse says `Partial` instead.
    Present,
    /// Some rows.
    Partial,
    /// No row.
    Absent,
}
