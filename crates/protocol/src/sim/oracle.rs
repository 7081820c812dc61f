//! What must hold, checked as it happens. The oracle sees everything; the machines do not see it.

use std::{collections::BTreeMap, fmt};

use crate::{
    effect::{Commit, Insert, StopReason},
    ids::{Millis, Offset, TopicPartition},
    metadata::Metadata,
    range::Range,
    token::{Group, Token},
};

use super::{
    clickhouse::{ClickHouse, Row, table_of},
    process::Process,
};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// I1: an insert of a range that this tenure has not committed.
    Undeclared(TopicPartition, Range),
    /// I1: an insert by a member that has not heard of the group for so many milliseconds.
    Unproven(Option<u64>),
    /// I2: a commit declares a range that overlaps another that was committed before.
    Redefined(TopicPartition, Range),
    /// I3: a committed low-water mark is beyond a row that is not there.
    Lost(TopicPartition, Offset),
    /// I4: an insert under another token than the range's own, or under a number whose turn it is not.
    WrongToken(Token),
    /// I5: a row is there twice.
    Doubled(TopicPartition, Offset),
    /// I5: a row is in a table where its record does not belong.
    Misplaced(TopicPartition, Offset),
    /// I6: with all faults gone, this partition got no further.
    Stuck(TopicPartition, Offset),
    /// The machine ended by itself.
    Stopped(StopReason),
    /// The machine asks for rows that it has let the shell forget, or never had it read.
    NotHeld(TopicPartition, Offset),
}

impl Violation {
    /// The kind alone: what a shrunk schedule must still show.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Undeclared(..) => "I1 undeclared",
            Self::Unproven(_) => "I1 unproven",
            Self::Redefined(..) => "I2 redefined",
            Self::Lost(..) => "I3 lost",
            Self::WrongToken(_) => "I4 wrong token",
            Self::Doubled(..) => "I5 doubled",
            Self::Misplaced(..) => "I5 misplaced",
            Self::Stuck(..) => "I6 stuck",
            Self::Stopped(_) => "stopped by itself",
            Self::NotHeld(..) => "rows not held",
        }
    }
}

impl Violation {
    /// Whether the rows are wrong by now, and not only a rule broken that keeps them right.
    fn is_harm(&self) -> bool {
        matches!(self, Self::Lost(..) | Self::Doubled(..) | Self::Misplaced(..))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind())?;
        match self {
            Self::Undeclared(partition, range) | Self::Redefined(partition, range) => write!(f, "{partition} {range}"),
            Self::Unproven(age) => write!(f, "last proof {age:?} ms ago"),
            Self::WrongToken(token) => write!(f, "{token}"),
            Self::Stopped(reason) => write!(f, "{reason}"),
            Self::Lost(partition, offset)
            | Self::Doubled(partition, offset)
            | Self::Misplaced(partition, offset)
            | Self::Stuck(partition, offset)
            | Self::NotHeld(partition, offset) => write!(f, "{partition} offset {}", offset.0),
        }
    }
}

/// Remembers what was ever declared, and the first thing that went wrong.
#[derive(Default)]
pub(super) struct Oracle {
    /// Lets broken rules pass until a row is lost or doubled.
    pub(super) harm_only: bool,
    pub(super) violation: Option<Violation>,
    pub(super) declared: BTreeMap<TopicPartition, BTreeMap<Range, Group>>,
}

impl Oracle {
    pub(super) fn fail(&mut self, violation: Violation) {
        if !self.harm_only || violation.is_harm() {
            self.violation.get_or_insert(violation);
        }
    }

    /// A machine asks for an insert.
    pub(super) fn inserting(
        &mut self,
        insert: &Insert,
        process: &Process,
        clickhouse: &ClickHouse,
        now: Millis,
        age_max: u64,
    ) {
        for part in &insert.parts {
            if !process.declared.contains(&(part.partition, part.range, insert.token.group)) {
                let known = self.declared.get(&part.partition).and_then(|ranges| ranges.get(&part.range));
                match known {
                    Some(group) if *group != insert.token.group => self.fail(Violation::WrongToken(insert.token)),
                    _ => self.fail(Violation::Undeclared(part.partition, part.range)),
                }
            }
        }
        let age = process.proof_age_ms(now);
        if age.is_none_or(|age| age > age_max) {
            self.fail(Violation::Unproven(age));
        }
        let Token { group, number } = insert.token;
        if number > 0 && !clickhouse.knows(Token { group, number: number - 1 }) {
            self.fail(Violation::WrongToken(insert.token));
        }
    }

    /// The broker has accepted a commit. Returns what it declares.
    pub(super) fn committed(
        &mut self,
        commits: &[Commit],
        clickhouse: &ClickHouse,
    ) -> Vec<(TopicPartition, Range, Group)> {
        let mut all = Vec::new();
        for commit in commits {
            let partition = commit.partition;
            for offset in 0..commit.offset.0 {
                let row = table_of(partition, offset).map(|table| Row { table, partition, offset });
                if row.is_some_and(|row| !clickhouse.has(row)) {
                    self.fail(Violation::Lost(partition, Offset(offset)));
                }
            }
            let Ok(metadata) = Metadata::parse(&commit.metadata) else {
                return all;
            };
            for declared in metadata.declared {
                let group = Group { topic: partition.topic, epoch: metadata.epoch, lead: declared.lead };
                let ranges = self.declared.entry(partition).or_default();
                let overlaps =
                    |range: &Range| range.first() < declared.range.end() && declared.range.first() < range.end();
                let others = ranges.iter().filter(|(range, _)| overlaps(range));
                let redefined = others.into_iter().any(|(range, of)| (*range, *of) != (declared.range, group));
                ranges.insert(declared.range, group);
                if redefined {
                    self.fail(Violation::Redefined(partition, declared.range));
                }
                all.push((partition, declared.range, group));
            }
        }
        all
    }

    /// An insert was applied.
    pub(super) fn applied(&mut self, rows: &[Row], clickhouse: &ClickHouse) {
        for row in rows {
            if clickhouse.rows.get(row).is_some_and(|times| *times > 1) {
                self.fail(Violation::Doubled(row.partition, Offset(row.offset)));
            }
            if table_of(row.partition, row.offset) != Some(row.table) {
                self.fail(Violation::Misplaced(row.partition, Offset(row.offset)));
            }
        }
    }
}
