//! Exactly once, in effect: the protocol between Kafka's committed offsets and ClickHouse's rows, as a state machine.
//!
//! Pure: no async, no client, no clock, no environment. A shell turns what happens into [`Input`]s, calls
//! [`Machine::step`] with the time, and carries out the [`Effect`]s. One machine stands for one member of the consumer group.
//!
//! # How it works
//! 1. Records are drained into an open range of each partition. When it is due, the open ranges of a topic become a
//!    [`Group`]: one commit *declares* its ranges in the metadata of their offsets, and only then is it inserted, under a
//!    [`Token`] that names it. The next group's commit also acknowledges this one; when nothing follows, a plain one does.
//! 2. Whoever is assigned a partition replays exactly what is declared: it *looks* first, reads only what is missing again,
//!    commits the same declaration under its own membership, inserts what is missing under the group's own token, and looks
//!    again.
//! 3. An insert without a clear answer is treated the same way, without reading again.
//!
//! # Invariants
//! - **I1** No insert without a committed declaration of its ranges in the same tenure (one member's unbroken hold of a
//!   partition), nor when the last successful commit was sent longer ago than [`Config::fence_age_ms_max`].
//! - **I2** A partition's ranges are contiguous, and one that was ever committed is never redefined.
//! - **I3** The low-water mark (the committed offset) never passes a row that is not durable.
//! - **I4** Every insert of a range carries the token of the group that it was declared in; number n+1 is used only once
//!   number n was acknowledged.
//! - **I5** Every offset ends in exactly one place, once: rows, dead letters, or nothing for control records and holes.
//! - **I6** When faults end, every record becomes durable and the low-water mark reaches the end of the log.
//!
//! # Rules that are easy to get wrong
//! Each has a planted bug in `planted`, and the simulator shows the schedule that needs it.
//! - *An acknowledgement means "the token is taken", not "these rows are there".* It is trusted only for the first try of a
//!   group that this member declared and that has lost no partition since. If a part went to another owner, that owner may
//!   have used the token for its part alone, and our late insert is then dropped and acknowledged.
//! - *A number needs three things, in this order*: an insert under the token before it was acknowledged (so that token is
//!   taken, and any copy that wakes up later is dropped); every earlier insert is dead; and a look that was **asked after
//!   that** still misses rows. Otherwise a copy not yet sent, or one that finished between look and check, doubles rows.
//! - *A commit without an answer ends the membership.* A late copy of it carries a valid generation and may land on top of a
//!   later commit, which takes a declaration back that rows stand behind. Committing again does not settle it; a new member
//!   id does.
//! - *A partition is released only when no commit of it is unanswered*: Kafka fences by member and generation, not by
//!   ownership, and the client stamps a queued commit with the generation it has when it sends it.
//!
//! # What it rests on
//! One insert into one table is one block and is there wholly or not at all; a row that was seen stays; a token is remembered
//! for longer than an insert can be delayed; and it is recorded no later than its rows. `docs/adr/0007-exactly-once-protocol.md`
//! says what remains possible where this does not hold.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used)]

mod effect;
mod ids;
mod input;
mod machine;
pub mod metadata;
mod planted;
mod range;
#[cfg(any(test, feature = "simulator"))]
pub mod sim;
mod token;

pub use effect::{Commit, Effect, Insert, Look, Part, StopReason};
pub use ids::{Epoch, FlightId, Millis, Offset, Partition, RequestId, Topic, TopicPartition};
pub use input::{CommitAnswer, Drained, Fetched, Input, InsertAnswer, Looked, Presence};
pub use machine::{Config, Machine};
pub use range::Range;
pub use token::{Group, Lead, Token};
