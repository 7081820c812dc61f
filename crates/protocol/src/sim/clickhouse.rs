//! ClickHouse: rows by table, partition and offset, and the tokens that it has seen.
//!
//! A request is the rows of one insert in one table. It goes through three stages, and can be killed after each: on its way
//! (nobody sees it, it may arrive at any time), running (the list of queries shows it), token recorded (a copy of it is
//! dropped and acknowledged, but its rows are not there yet).

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ids::{RequestId, TopicPartition},
    token::{Group, Token},
};

use super::{schedule::Breach, world::ProcessId};

/// One record's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) table: Table,
    pub(super) partition: TopicPartition,
    pub(super) offset: i64,
}

/// Where rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Rows,
    DeadLetters,
}

/// Where a record ends; control records have no row. A pure function of the record.
pub(super) fn table_of(partition: TopicPartition, offset: i64) -> Option<Table> {
    match (offset * 5 + i64::from(partition.partition.0) * 3) % 8 {
        0 => None,
        1..=3 => Some(Table::DeadLetters),
        _ => Some(Table::Rows),
    }
}

/// The server.
#[derive(Default)]
pub(super) struct ClickHouse {
    /// Each row and how often it is there.
    pub(super) rows: BTreeMap<Row, u32>,
    pub(super) requests: Vec<Request>,
    tokens: BTreeSet<(Table, Token)>,
    /// What it does that the protocol does not bear.
    breach: Option<Breach>,
}

/// An insert into one table.
pub(super) struct Request {
    pub(super) process: ProcessId,
    pub(super) insert: RequestId,
    pub(super) table: Table,
    pub(super) token: Token,
    pub(super) rows: Vec<Row>,
    pub(super) stage: Stage,
    /// Goes on only when the schedule says so, while whatever else its process asks is answered.
    pub(super) slow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    OnItsWay,
    Running,
    Recorded,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Acknowledged,
    Refused,
    Unclear,
}

impl ClickHouse {
    pub(super) fn new(breach: Option<Breach>) -> Self {
        Self { breach, ..Self::default() }
    }

    /// Takes a request one stage further; returns it when that was the last.
    pub(super) fn advance(&mut self, at: usize) -> Option<Request> {
        let request = self.requests.get_mut(at)?;
        match request.stage {
            Stage::OnItsWay => {
                request.stage = Stage::Running;
                return None;
            }
            // The token is taken: dropped, and acknowledged all the same.
            Stage::Running if self.tokens.contains(&(request.table, request.token)) => {}
            Stage::Running => {
                if self.breach == Some(Breach::RowsBeforeToken) {
                    show(&mut self.rows, &request.rows);
                } else {
                    self.tokens.insert((request.table, request.token));
                }
                request.stage = Stage::Recorded;
                return None;
            }
            Stage::Recorded => {
                if self.breach == Some(Breach::RowsBeforeToken) {
                    self.tokens.insert((request.table, request.token));
                } else {
                    show(&mut self.rows, &request.rows);
                }
            }
        }
        Some(self.requests.remove(at))
    }

    /// The server is killed and starts again: what had arrived is gone, in whatever stage.
    pub(super) fn restart(&mut self) -> Vec<Request> {
        let (on_their_way, killed) =
            std::mem::take(&mut self.requests).into_iter().partition(|request| request.stage == Stage::OnItsWay);
        self.requests = on_their_way;
        if self.breach == Some(Breach::TokensForgotten) {
            self.tokens.clear();
        }
        killed
    }

    /// Whether no insert of the group is in the list of running queries.
    pub(super) fn is_dead(&self, group: Group) -> bool {
        !self.requests.iter().any(|request| request.stage != Stage::OnItsWay && request.token.group == group)
    }

    pub(super) fn has(&self, row: Row) -> bool {
        self.rows.contains_key(&row)
    }

    /// Whether any table has seen the token.
    pub(super) fn knows(&self, token: Token) -> bool {
        [Table::Rows, Table::DeadLetters].iter().any(|table| self.tokens.contains(&(*table, token)))
    }

    pub(super) fn last(&self, partition: TopicPartition) -> Option<i64> {
        self.rows.keys().filter(|row| row.partition == partition).map(|row| row.offset).max()
    }
}

fn show(rows: &mut BTreeMap<Row, u32>, new: &[Row]) {
    for row in new {
        *rows.entry(*row).or_default() += 1;
    }
}
