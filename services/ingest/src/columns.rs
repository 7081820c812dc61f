//! Making columns of events and blocks of columns without the rest, to be measured.

use domain::{
    ids::{Offset, Partition},
    record::Decoded,
    time::Timestamp,
};

use crate::{
    inserts::{Insert, Part, inserts},
    tables::{Place, Tables},
};

/// One partition's events as columns.
#[derive(Debug, Default)]
pub struct Columns {
    tables: Tables,
    next: i64,
}

impl Columns {
    /// Adds an event, as if it came next in the partition.
    pub fn push(&mut self, event: &Decoded<'_>, received_at: Timestamp) {
        let place = Place { partition: Partition(0), offset: Offset(self.next), received_at };
        self.next += 1;
        self.tables.push_events(std::iter::once((place, event)));
    }

    /// Each table's block in Native format.
    #[must_use]
    pub fn blocks(&self) -> Vec<Vec<u8>> {
        let part = Part { partition: Partition(0), tables: &self.tables, there: None };
        let parts = [part];
        let block = |insert: Insert| {
            let mut block = Vec::new();
            insert.block(&parts, &mut |piece| block.extend(piece));
            block
        };
        inserts(&parts).into_iter().map(block).collect()
    }
}
