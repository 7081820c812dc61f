//! How much of a range a look has found.

use std::collections::BTreeSet;

use protocol::{Offset, Part, Presence};

use wire::topics::REQUESTS;

use crate::{
    clickhouse::primary_tables,
    tables::{Tables, There},
};

/// For who holds the range's records: every row of theirs, in every table.
pub(super) fn held(rows: &Tables, there: &There) -> Presence {
    presence(rows.missing(there) == 0, there)
}

/// For who does not: whole if every offset has its row. Not so requests: which of them have a text, only their records say.
pub(super) fn looked_at(part: &Part, there: &There) -> Presence {
    let topic = part.partition.topic;
    let rows = primary_tables(topic).iter().filter_map(|table| there.get(table));
    let offsets: BTreeSet<Offset> = rows.flatten().copied().collect();
    presence(topic.0 != REQUESTS && offsets.len() as u64 == u64::from(part.range.length()), there)
}

fn presence(whole: bool, there: &There) -> Presence {
    match (whole, there.values().all(BTreeSet::is_empty)) {
        (true, _) => Presence::Present,
        (false, true) => Presence::Absent,
        (false, false) => Presence::Partial,
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Partition, Range, Topic, TopicPartition};
    use wire::topics::USAGE;

    use super::*;

    fn part(topic: &'static str) -> Part {
        let range = Range::new(Offset(5), Offset(7)).expect("a range");
        Part { partition: TopicPartition { topic: Topic(topic), partition: Partition(0) }, range }
    }

    fn there(tables: &[(&'static str, &[i64])]) -> There {
        tables.iter().map(|(table, offsets)| (*table, offsets.iter().copied().map(Offset).collect())).collect()
    }

    #[test]
    fn requests_are_never_taken_for_whole_without_their_records() {
        assert_eq!(looked_at(&part(REQUESTS), &there(&[("request_texts", &[5, 6])])), Presence::Partial);
        assert_eq!(looked_at(&part(REQUESTS), &there(&[("requests", &[5, 6])])), Presence::Partial);
        assert_eq!(looked_at(&part(REQUESTS), &There::new()), Presence::Absent);
    }

    #[test]
    fn every_offset_has_its_row_in_one_table_or_another() {
        assert_eq!(looked_at(&part(USAGE), &there(&[("usage", &[5]), ("dead_letters", &[6])])), Presence::Present);
        assert_eq!(looked_at(&part(USAGE), &there(&[("usage", &[5]), ("repeats", &[5])])), Presence::Partial);
        assert_eq!(looked_at(&part(USAGE), &there(&[("usage", &[])])), Presence::Absent);
        assert_eq!(looked_at(&part(USAGE), &There::new()), Presence::Absent);
    }

    #[test]
    fn who_holds_no_row_misses_none() {
        assert_eq!(held(&Tables::default(), &There::new()), Presence::Present);
    }
}
