//! What is inserted of some partitions' rows: which table, in which order, with which token, in which bytes.
//!
//! A block is made when it is sent, from the rows that are held: the same rows make the same bytes, as often as it takes.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::{Offset, Partition};

use crate::{
    schema::{
        Accounts, ActiveMonths, DeadLetters, Features, Needs, Placed, Repeats, RequestTexts, Requests, Table,
        TeamChanges, Teams, Usage, UsageDays,
    },
    spans::{Gathered, Spans},
    tables::{Tables, There},
};

/// One partition's part of an insert.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) partition: Partition,
    pub(crate) tables: &'a Tables,
    /// The rows to leave out; none where no look was needed.
    pub(crate) there: Option<&'a There>,
}

/// One table's rows of an insert.
#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) table: &'static str,
    /// `INSERT INTO … FORMAT Native`.
    pub(crate) sql: String,
    pub(crate) rows: usize,
    pub(crate) deduplication: Deduplication,
    block: MakeBlock,
}

/// Makes a block of those parts that the deduplication means, and hands it on piece by piece.
type MakeBlock = fn(Deduplication, &[Part<'_>], &mut dyn FnMut(Vec<u8>));

/// What tells ClickHouse that it has had an insert before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deduplication {
    /// The token of the insert's group and the table: `<token>/<table>`.
    Group,
    /// The same, and the one partition whose rows these are: `<token>/<table>/<partition>`. A first try acknowledged means that
    /// these very rows are there, which it does not where owners of different partitions share a token.
    Part(Partition),
    /// Nothing, and it must be switched off: writing the rows again changes nothing, leaving them out would.
    Never,
}

/// The inserts of all `parts`, one block for each table, in the order in which they must be sent.
///
/// What a reader finds through another row, and what no look asks for, is written before it: days, months and texts, then the rows.
pub(crate) fn inserts(parts: &[Part<'_>]) -> Vec<Insert> {
    // Owners of different partitions may share a token, and only one of them has its texts then: a look that does not know
    // which requests have a text would not see it.
    let texts = parts.iter().map(|part| placed::<RequestTexts>(parts, Deduplication::Part(part.partition)));
    let group = Deduplication::Group;
    [days(parts), months(parts)]
        .into_iter()
        .chain(texts)
        .chain([
            placed::<Requests>(parts, group),
            placed::<Usage>(parts, group),
            placed::<Needs>(parts, group),
            placed::<Teams>(parts, group),
            placed::<Features>(parts, group),
            placed::<Accounts>(parts, group),
            placed::<DeadLetters>(parts, group),
            placed::<Repeats>(parts, group),
        ])
        .flatten()
        .collect()
}

/// How many rows each team has in all `parts`; under the empty name what touches every team.
pub(crate) fn rows_by_team(parts: &[Part<'_>]) -> BTreeMap<String, u64> {
    let mut teams = BTreeMap::<&[u8], u64>::new();
    for Part { tables, .. } in parts {
        let named = [
            &tables.requests.subject.team,
            &tables.usage.subject.team,
            &tables.needs.subject.team,
            &tables.teams.team,
            &tables.features.team,
        ];
        for (team, rows) in named.into_iter().flat_map(|teams| teams.counts()) {
            *teams.entry(team).or_default() += rows;
        }
        if tables.accounts.rows > 0 {
            *teams.entry(b"").or_default() += tables.accounts.rows as u64;
        }
    }
    teams.into_iter().map(|(team, rows)| (String::from_utf8_lossy(team).into_owned(), rows)).collect()
}

/// Tells the ranker how many rows each team has got, written under the span that `traceparent` names: the statement, and the
/// block.
pub(crate) fn team_changes(teams: &BTreeMap<String, u64>, traceparent: &str) -> Option<(String, Vec<u8>)> {
    let mut changes = TeamChanges::default();
    for (team, rows) in teams {
        changes.rows += 1;
        changes.team.push(team);
        changes.written.push(rows.to_le_bytes());
        changes.traceparent.push(traceparent);
    }
    let mut block = Vec::new();
    TeamChanges::block(&[&changes], &mut |piece| block.extend(piece));
    (changes.rows > 0).then(|| (TeamChanges::sql(), block))
}

impl Insert {
    /// Makes the block and hands it on piece by piece. `parts` are those that the insert is of.
    pub(crate) fn block(&self, parts: &[Part<'_>], hand_on: &mut dyn FnMut(Vec<u8>)) {
        (self.block)(self.deduplication, parts, hand_on);
    }
}

/// The days of usage of all parts, whether their rows are there or not.
fn days(parts: &[Part<'_>]) -> Option<Insert> {
    let rows = rows(parts, |tables| &tables.days);
    insert::<UsageDays>(rows, Deduplication::Never, |_, parts, hand_on| block(parts, |tables| &tables.days, hand_on))
}

/// The months of need signals and requests, just so.
fn months(parts: &[Part<'_>]) -> Option<Insert> {
    let rows = rows(parts, |tables| &tables.months);
    insert::<ActiveMonths>(rows, Deduplication::Never, |_, parts, hand_on| {
        block(parts, |tables| &tables.months, hand_on);
    })
}

fn rows<T: Spans>(parts: &[Part<'_>], of: fn(&Tables) -> &Gathered<T>) -> usize {
    parts.iter().map(|part| of(part.tables).table().rows()).sum()
}

fn block<T: Spans>(parts: &[Part<'_>], of: fn(&Tables) -> &Gathered<T>, hand_on: &mut dyn FnMut(Vec<u8>)) {
    let tables: Vec<&T> = parts.iter().map(|part| of(part.tables).table()).collect();
    T::block(&tables, hand_on);
}

/// The rows of a table that are not there already.
fn placed<T: Placed>(parts: &[Part<'_>], deduplication: Deduplication) -> Option<Insert> {
    let rows = chosen(parts, deduplication).map(Part::missing::<T>).sum();
    insert::<T>(rows, deduplication, |deduplication, parts, hand_on| {
        let filtered: Vec<Option<T>> = chosen(parts, deduplication).map(Part::filtered).collect();
        let tables: Vec<&T> = chosen(parts, deduplication)
            .zip(&filtered)
            .map(|(part, filtered)| filtered.as_ref().unwrap_or(T::of(part.tables)))
            .collect();
        T::block(&tables, hand_on);
    })
}

fn insert<T: Table>(rows: usize, deduplication: Deduplication, block: MakeBlock) -> Option<Insert> {
    (rows > 0).then(|| Insert { table: T::NAME, sql: T::sql(), rows, deduplication, block })
}

/// The parts that an insert is of.
fn chosen<'p, 'a>(parts: &'p [Part<'a>], deduplication: Deduplication) -> impl Iterator<Item = &'p Part<'a>> {
    parts.iter().filter(move |part| match deduplication {
        Deduplication::Part(partition) => part.partition == partition,
        Deduplication::Group | Deduplication::Never => true,
    })
}

impl Part<'_> {
    /// How many of the table's rows are not there.
    fn missing<T: Placed>(&self) -> usize {
        let table = T::of(self.tables);
        match self.there::<T>() {
            Some(there) => table.origin().offsets().filter(|offset| !there.contains(offset)).count(),
            None => table.rows(),
        }
    }

    /// The table without the rows that are there; none where all of them are to be sent.
    fn filtered<T: Placed>(&self) -> Option<T> {
        let there = self.there::<T>()?;
        let table = T::of(self.tables);
        let keep: Vec<bool> = table.origin().offsets().map(|offset| !there.contains(&offset)).collect();
        Some(table.filtered(&keep))
    }

    fn there<T: Placed>(&self) -> Option<&BTreeSet<Offset>> {
        self.there?.get(T::NAME).filter(|there| !there.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        record::{InputTopic, Reason, Record, decode},
        time::Timestamp,
    };

    use crate::{schema::Columns as _, tables::Place};

    use super::*;

    const TOPIC: &str = "flywheel.requests.v1";

    /// Pushes events of every table, one for each offset; those of `repeats` as repeats.
    fn tables(partition: i32, offsets: impl Iterator<Item = i64>, repeats: &[i64]) -> Tables {
        let mut tables = Tables::default();
        for offset in offsets {
            let (topic, kind, data) = EVENTS[offset as usize % EVENTS.len()];
            let id = format!("{partition}-{offset}");
            let headers = [
                ("ce_specversion", Some(&b"1.0"[..])),
                ("ce_id", Some(id.as_bytes())),
                ("ce_source", Some(b"//tests")),
                ("ce_type", Some(kind.as_bytes())),
                ("ce_time", Some(b"2026-01-02T03:04:05Z")),
                ("content-type", Some(b"application/json")),
            ];
            let received_at = Timestamp(1_800_000_000_000_000);
            let record =
                Record { topic, key: None, headers: &headers, payload: Some(data.as_bytes()), timestamp: received_at };
            let place = Place { partition: Partition(partition), offset: Offset(offset), received_at };
            match decode(&record) {
                Ok(event) if repeats.contains(&offset) => tables.push_repeat(TOPIC, place, &event.source, &event.id),
                Ok(event) => tables.push_events(std::iter::once((place, &event))),
                Err(reject) => {
                    assert_eq!(reject.reason, Reason::NotJson, "{reject}");
                    tables.push_dead_letter(TOPIC, place, &record, &reject);
                }
            }
        }
        tables
    }

    const EVENTS: [(InputTopic, &str, &str); 8] = [
        (
            InputTopic::Requests,
            "io.flywheel.request.stated.v1",
            r#"{"team":"t","feature":"f","account":"a","importance":"critical","text":"please","channel":"support"}"#,
        ),
        (InputTopic::Requests, "io.flywheel.request.withdrawn.v1", r#"{"team":"t","feature":"f","account":"a"}"#),
        (
            InputTopic::Usage,
            "io.flywheel.usage.observed.v1",
            r#"{"team":"t","feature":"f","account":"a","operation":"query","count":2,"duration_us":7}"#,
        ),
        (
            InputTopic::Usage,
            "io.flywheel.need.signaled.v1",
            r#"{"team":"u","feature":"f","account":"a","signal":"scan","count":2}"#,
        ),
        (InputTopic::Catalog, "io.flywheel.team.defined.v1", r#"{"team":"t","name":"T","segments":["x","y"]}"#),
        (
            InputTopic::Catalog,
            "io.flywheel.feature.defined.v1",
            r#"{"team":"t","feature":"f","title":"F","status":"planned","effort_months":1.5}"#,
        ),
        (InputTopic::Catalog, "io.flywheel.account.defined.v1", r#"{"account":"a","tier":"growth","segments":["x"]}"#),
        (InputTopic::Usage, "io.flywheel.usage.observed.v1", "{"),
    ];

    /// What is gathered from rows.
    const GATHERED: [&str; 2] = ["usage_days", "active_months"];

    fn part(partition: i32, tables: &Tables) -> Part<'_> {
        Part { partition: Partition(partition), tables, there: None }
    }

    /// What is sent, comparable.
    fn sent(parts: &[Part<'_>]) -> Vec<(&'static str, Deduplication, usize, Vec<u8>)> {
        let comparable = |insert: Insert| {
            let mut block = Vec::new();
            insert.block(parts, &mut |piece| block.extend(piece));
            (insert.table, insert.deduplication, insert.rows, block)
        };
        inserts(parts).into_iter().map(comparable).collect()
    }

    fn count(tables: &Tables) -> usize {
        tables.offsets().iter().map(|(_, offsets)| offsets.len()).sum()
    }

    #[test]
    fn days_months_and_texts_are_sent_before_the_rows_that_readers_reach_them_by() {
        let (zero, one) = (tables(0, 0..16, &[4]), tables(1, 0..16, &[]));
        let sent = sent(&[part(0, &zero), part(1, &one)]);
        let order: Vec<_> =
            sent.iter().map(|(table, deduplication, rows, _)| (*table, *deduplication, *rows)).collect();
        let group = Deduplication::Group;
        assert_eq!(
            order,
            [
                ("usage_days", Deduplication::Never, 2),
                // By request and by need signal, of either part.
                ("active_months", Deduplication::Never, 4),
                ("request_texts", Deduplication::Part(Partition(0)), 2),
                ("request_texts", Deduplication::Part(Partition(1)), 2),
                ("requests", group, 8),
                ("usage", group, 4),
                ("needs", group, 4),
                ("teams", group, 3),
                ("features", group, 4),
                ("accounts", group, 4),
                ("dead_letters", group, 4),
                ("repeats", group, 1),
            ]
        );
        // The text stands beside its request, and is no record of its own.
        assert_eq!(count(&zero), 16 + 2);
    }

    #[test]
    fn rows_that_are_there_are_left_out_of_their_own_table_and_days_and_months_never_are() {
        let whole = tables(0, 0..40, &[12, 20]);
        let other = tables(1, 0..8, &[]);
        let there = |offsets: &[i64]| -> There {
            let offsets: BTreeSet<Offset> = offsets.iter().copied().map(Offset).collect();
            whole.offsets().iter().map(|(table, _)| (*table, offsets.clone())).collect()
        };
        let every_third: Vec<i64> = (0..40).step_by(3).collect();
        let some = there(&every_third);
        let missing = tables(0, (0..40).filter(|offset| !every_third.contains(offset)), &[12, 20]);
        let filtered = sent(&[Part { there: Some(&some), ..part(0, &whole) }, part(1, &other)]);
        let expected = sent(&[part(0, &missing), part(1, &other)]);
        let rows = |sent: Vec<(&'static str, Deduplication, usize, Vec<u8>)>| {
            sent.into_iter().filter(|(table, ..)| !GATHERED.contains(table)).collect::<Vec<_>>()
        };
        assert_eq!(rows(filtered), rows(expected));
        assert_eq!(whole.missing(&some), count(&missing));

        let all = there(&(0..40).collect::<Vec<_>>());
        let nothing = sent(&[Part { there: Some(&all), ..part(0, &whole) }]);
        assert_eq!(nothing.iter().map(|(table, ..)| *table).collect::<Vec<_>>(), GATHERED);
        assert_eq!(whole.missing(&all), 0);
        assert_eq!(whole.missing(&There::new()), count(&whole));
    }

    #[test]
    fn what_turns_out_to_be_a_repeat_leaves_nothing_but_a_repeat() {
        let offsets = [0, 8, 9, 12, 13, 14];
        let turned = turned(24, &offsets);
        let requests: Vec<Offset> = turned.identities().map(|(offset, ..)| offset).collect();
        assert_eq!(requests, [1, 16, 17, 4, 20, 5, 21, 6, 22].map(Offset));
        // Where no request is left, no month is.
        assert_eq!(self::turned(2, &[1]).months.table().rows, 1);
        assert_eq!(self::turned(2, &[0, 1]).months.table().rows, 0);
    }

    /// Events whose repeats are found after they were pushed; the same is sent as if they had been known before. Of requests and
    /// definitions, as in one of their topics.
    fn turned(count: i64, repeats: &[i64]) -> Tables {
        let events = || (0..count).filter(|offset| ![2, 3].contains(&(offset % 8)));
        let mut turned = tables(0, events(), &[]);
        turned.turn_into_repeats(TOPIC, &repeats.iter().copied().map(Offset).collect());
        let mut pushed = tables(0, events(), repeats);
        // By table, not by offset.
        pushed.repeats = Repeats::default();
        for offset in repeats {
            pushed.repeats.append(&tables(0, std::iter::once(*offset), repeats).repeats);
        }
        assert_eq!(sent(&[part(0, &turned)]), sent(&[part(0, &pushed)]));
        turned
    }

    #[test]
    fn teams_are_counted_by_their_rows() {
        let (zero, one) = (tables(0, 0..8, &[]), tables(1, 2..3, &[]));
        let rows = rows_by_team(&[part(0, &zero), part(1, &one)]);
        assert_eq!(rows, [("", 1), ("t", 6), ("u", 1)].map(|(team, rows)| (team.to_owned(), rows)).into());
    }
}
