//! When things happened first and last, gathered while a part's rows are pushed.
//!
//! A row says no more than the rows that it was gathered from, so writing it twice changes nothing, and it can be derived again from any
//! replay. Ingest writes it before them: a row that is there has its span there too.

use smallvec::SmallVec;

use crate::{
    member::BATCH_RECORDS_MAX,
    repeats::{Fingerprint, FingerprintMap},
    schema::{ActiveMonths, Span, Table, UsageDays},
};

/// A table with one row for each key.
pub(crate) trait Spans: Table {
    /// When: of each row.
    fn span(&mut self) -> &mut Span;
}

impl Spans for UsageDays {
    fn span(&mut self) -> &mut Span {
        &mut self.span
    }
}

impl Spans for ActiveMonths {
    fn span(&mut self) -> &mut Span {
        &mut self.span
    }
}

/// The rows of one part.
#[derive(Debug, Default)]
pub(crate) struct Gathered<T> {
    table: T,
    /// Which row of the table has the key.
    row_of: FingerprintMap<u32>,
}

/// Something that happened.
pub(crate) struct Event<Of> {
    /// Of all but the time.
    pub(crate) key: Fingerprint,
    /// Unix time in microseconds.
    pub(crate) time: i64,
    /// What its row says of it beside the time.
    pub(crate) of: Of,
}

impl<T: Spans> Gathered<T> {
    /// Counts in what happened. `name` appends a row, but for its time.
    ///
    /// A few dozen at a time cost half of what they cost one by one: hardly any row is in a cache, and the processor waits for
    /// many at once.
    pub(crate) fn gather<Of>(&mut self, events: impl Iterator<Item = Event<Of>>, name: impl Fn(&mut T, &Of)) {
        let events: SmallVec<[Event<Of>; BATCH_RECORDS_MAX]> = events.collect();
        let rows: SmallVec<[Option<u32>; BATCH_RECORDS_MAX]> =
            events.iter().map(|event| self.row_of.get(&event.key).copied()).collect();
        for (event, row) in events.iter().zip(rows) {
            let Self { table, row_of } = self;
            let row = row.unwrap_or_else(|| {
                *row_of.entry(event.key).or_insert_with(|| {
                    // There are fewer rows than records, and a part's records are bounded.
                    let row = table.rows() as u32;
                    name(table, &event.of);
                    table.span().push(event.time);
                    row
                })
            });
            table.span().reach(row as usize, event.time);
        }
    }

    /// The rows.
    pub(crate) fn table(&self) -> &T {
        &self.table
    }

    /// Memory taken, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        // A byte for each slot of the map beside its entry, and a slot in eight is free, or more.
        self.table.bytes() + self.row_of.len() * (size_of::<(Fingerprint, u32)>() + 1) * 3 / 2
    }

    /// No rows, and room for about as many: growing the map would mean to place each entry anew, time and again.
    pub(crate) fn emptied(&self) -> Self {
        let row_of = FingerprintMap::with_capacity_and_hasher(self.row_of.len(), Default::default());
        Self { table: self.table.emptied(), row_of }
    }
}
