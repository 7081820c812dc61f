//! What passes between a process and ClickHouse.

use std::collections::BTreeMap;

use crate::{
    effect::{Insert, Look},
    ids::{Offset, TopicPartition},
    input::{Input, InsertAnswer, Looked, Presence},
};

use super::{
    super::{
        clickhouse::{ClickHouse, Outcome, Request, Row, Stage, table_of},
        process::{Outstanding, Process},
    },
    ProcessId, World,
};

impl World {
    pub(super) fn send_insert(&mut self, id: ProcessId, pick: usize) -> bool {
        let Some(process) = self.processes.get_mut(&id).filter(|process| !process.unsent_inserts.is_empty()) else {
            return false;
        };
        let at = pick % process.unsent_inserts.len();
        let (insert, requests) = process.unsent_inserts.remove(at);
        if requests.is_empty() {
            process.answers.push(Input::Inserted(insert, InsertAnswer::Ok));
        } else {
            process.inserting.insert(insert, Outstanding { left: requests.len(), ..Outstanding::default() });
        }
        self.clickhouse.requests.extend(requests);
        true
    }

    pub(super) fn advance_request_of(&mut self, id: ProcessId) -> bool {
        let goes_on = |request: &Request| request.process == id && (self.healed || !request.slow);
        let at = self.clickhouse.requests.iter().position(goes_on);
        at.is_some_and(|at| self.advance_request(at, false))
    }

    /// A request goes on; with `lies`, an acknowledgement comes back as an error.
    pub(super) fn advance_request(&mut self, pick: usize, lies: bool) -> bool {
        let requests = self.clickhouse.requests.len();
        if requests == 0 {
            return false;
        }
        if let Some(request) = self.clickhouse.advance(pick % requests) {
            if self.story.is_some() {
                self.tell(format!(
                    "  clickhouse: {} in {:?} is done ({:?})",
                    request.token, request.table, request.stage
                ));
            }
            if request.stage == Stage::Recorded {
                self.oracle.applied(&request.rows, &self.clickhouse);
            }
            self.request_answered(&request, if lies { Outcome::Unclear } else { Outcome::Acknowledged });
        }
        true
    }

    pub(super) fn break_request(&mut self, pick: usize) {
        let requests = self.clickhouse.requests.len();
        if requests == 0 {
            return;
        }
        let request = self.clickhouse.requests.remove(pick % requests);
        // Once a token is recorded nobody can say that nothing happened.
        let refused = request.stage != Stage::Recorded && pick.is_multiple_of(2);
        self.request_answered(&request, if refused { Outcome::Refused } else { Outcome::Unclear });
    }

    pub(super) fn restart_clickhouse(&mut self) {
        for request in self.clickhouse.restart() {
            self.request_answered(&request, Outcome::Unclear);
        }
    }

    pub(super) fn request_answered(&mut self, request: &Request, outcome: Outcome) {
        if let Some(process) = self.processes.get_mut(&request.process) {
            process.table_answered(request.insert, outcome);
        }
    }

    pub(super) fn abandon_insert(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if let Some((insert, _)) = process.inserting.pop_first() {
            process.answers.push(Input::Inserted(insert, InsertAnswer::Ambiguous));
        }
    }

    pub(super) fn look(&mut self, id: ProcessId) -> bool {
        let Some(process) = self.processes.get_mut(&id) else { return false };
        let Some(look) = process.looks.pop() else { return false };
        let looked = looked(&look, process, &self.clickhouse);
        process.answers.push(Input::Looked(look.id, looked));
        true
    }

    pub(super) fn fail_look(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if let Some(look) = process.looks.pop() {
            process.answers.push(Input::LookFailed(look.id));
        }
    }

    pub(super) fn check(&mut self, id: ProcessId) -> bool {
        let Some(process) = self.processes.get_mut(&id) else { return false };
        let Some((request, group)) = process.checks.pop() else { return false };
        process.answers.push(Input::Checked(request, self.clickhouse.is_dead(group)));
        true
    }
}

/// The shell's part of an insert: a request for each table that has rows to send. The error is a record that it should hold.
pub(super) fn requests(
    id: ProcessId,
    insert: &Insert,
    process: &Process,
) -> Result<Vec<Request>, (TopicPartition, Offset)> {
    let mut tables: BTreeMap<_, Vec<Row>> = BTreeMap::new();
    for part in &insert.parts {
        for offset in part.range.first().0..part.range.end().0 {
            let partition = part.partition;
            if !process.held.contains(&(partition, offset)) {
                return Err((partition, Offset(offset)));
            }
            let Some(table) = table_of(partition, offset) else { continue };
            let row = Row { table, partition, offset };
            if !(insert.only_missing && process.seen.contains(&row)) {
                tables.entry(table).or_default().push(row);
            }
        }
    }
    let request = |(table, rows)| {
        let slow = (id as u64 + insert.id.0).is_multiple_of(3);
        Request { process: id, insert: insert.id, table, token: insert.token, rows, stage: Stage::OnItsWay, slow }
    };
    Ok(tables.into_iter().map(request).collect())
}

/// The shell's part of a look.
fn looked(look: &Look, process: &mut Process, clickhouse: &ClickHouse) -> Looked {
    let mut presence = Vec::new();
    for part in &look.parts {
        let (mut found, mut missing) = (0, 0);
        for offset in part.range.first().0..part.range.end().0 {
            let row = table_of(part.partition, offset).map(|table| Row { table, partition: part.partition, offset });
            match row {
                Some(row) if clickhouse.has(row) => {
                    process.seen.insert(row);
                    found += 1;
                }
                Some(_) => missing += 1,
                // Who has not read the records cannot tell an offset without a row from a missing row.
                None => missing += i32::from(!process.held.contains(&(part.partition, offset))),
            }
        }
        presence.push(match (found, missing) {
            (_, 0) => Presence::Present,
            (0, _) => Presence::Absent,
            _ => Presence::Partial,
        });
    }
    let beyond = look.beyond.iter().filter_map(|(partition, from)| {
        let last = clickhouse.last(*partition)?;
        (last >= from.0).then_some((*partition, Offset(last)))
    });
    Looked { presence, beyond: beyond.collect() }
}
