//! Compares what is in ClickHouse with what the log demands, place by place.

use std::{cmp::Ordering, collections::BTreeMap};

use anyhow::Context as _;
use clickhouse::Client;
use serde::Serialize;

use crate::{log::Place, rows::Placed, verdict::Demanded};

/// So many differences of one kind in one table are told; all are counted.
const TOLD_MAX: usize = 3;

/// What the comparison found. Rows that are neither dead letters nor repeats are `rows`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Rows of events that the log demands.
    pub rows_expected: u64,
    /// Rows of events found.
    pub rows: u64,
    /// Demanded and not there.
    pub lost: u64,
    /// There more often than demanded, or where nothing is demanded.
    pub duplicated: u64,
    /// There once, with other contents.
    pub different: u64,
    /// Dead letters that the log demands.
    pub dead_letters_expected: u64,
    /// Dead letters found.
    pub dead_letters_found: u64,
    /// Repeats that the log demands.
    pub repeats_expected: u64,
    /// Repeats found.
    pub repeats_found: u64,
    /// Groups of an aggregate whose values are not those of the log.
    pub aggregates_wrong: u64,
    /// How many rows of each table belong to a partition that exists.
    #[serde(skip)]
    pub placed: BTreeMap<&'static str, u64>,
    /// The first differences of each kind in each table, each with its place.
    pub differences: Vec<String>,
    /// How many there were of each kind in each table.
    #[serde(skip)]
    counted: BTreeMap<(&'static str, &'static str), usize>,
}

impl Findings {
    /// Whether everything is as it must be.
    #[must_use]
    pub fn exact(&self) -> bool {
        self.lost == 0
            && self.duplicated == 0
            && self.different == 0
            && self.dead_letters_expected == self.dead_letters_found
            && self.repeats_expected == self.repeats_found
            && self.aggregates_wrong == 0
    }

    /// Tells of a difference in a table, unless enough of its kind are told.
    pub(crate) fn tell(&mut self, kind: &'static str, table: &'static str, difference: impl FnOnce() -> String) {
        let counted = self.counted.entry((kind, table)).or_default();
        *counted += 1;
        if *counted <= TOLD_MAX {
            self.differences.push(format!("{kind} in {table}: {}", difference()));
        }
    }

    /// Compares one table's rows of one partition, both in the order of offsets.
    pub fn compare<T: Placed>(&mut self, (topic, partition): Place, demanded: &[T], found: &[T]) {
        let place = |row: &T| format!("{topic} partition {partition} offset {}", row.offset());
        let (mut demanded, mut found) = (demanded.iter().peekable(), found.iter().peekable());
        loop {
            let order = match (demanded.peek(), found.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(demanded), Some(found)) => demanded.offset().cmp(&found.offset()),
            };
            match order {
                Ordering::Less => {
                    let Some(row) = demanded.next() else { return };
                    self.lost += 1;
                    self.tell("lost", T::TABLE, || format!("{}: {row:?}", place(row)));
                }
                Ordering::Greater => {
                    let Some(row) = found.next() else { return };
                    self.duplicated += 1;
                    self.tell("one too many", T::TABLE, || format!("{}: {row:?}", place(row)));
                }
                Ordering::Equal => {
                    let (Some(demanded), Some(found)) = (demanded.next(), found.next()) else { return };
                    if demanded != found {
                        self.different += 1;
                        let said = || format!("{}: demanded {demanded:?}, found {found:?}", place(found));
                        self.tell("different", T::TABLE, said);
                    }
                }
            }
        }
    }
}

/// Compares every table's rows of one partition.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn compare_partition(
    client: &Client,
    place: Place,
    demanded: &Demanded,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let rows = [
        events(client, place, &demanded.requests, findings).await?,
        events(client, place, &demanded.request_texts, findings).await?,
        events(client, place, &demanded.usage, findings).await?,
        events(client, place, &demanded.needs, findings).await?,
        events(client, place, &demanded.teams, findings).await?,
        events(client, place, &demanded.features, findings).await?,
        events(client, place, &demanded.accounts, findings).await?,
    ];
    findings.rows_expected += rows.iter().map(|(demanded, _)| demanded).sum::<u64>();
    findings.rows += rows.iter().map(|(_, found)| found).sum::<u64>();
    let (expected, found) = events(client, place, &demanded.dead_letters, findings).await?;
    findings.dead_letters_expected += expected;
    findings.dead_letters_found += found;
    let (expected, found) = events(client, place, &demanded.repeats, findings).await?;
    findings.repeats_expected += expected;
    findings.repeats_found += found;
    Ok(())
}

/// Looks for rows of partitions that do not exist, once every partition has been compared.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn look_for_strays(client: &Client, findings: &mut Findings) -> anyhow::Result<()> {
    for (table, placed) in findings.placed.clone() {
        let all = client.query(&format!("SELECT count() FROM {table}")).fetch_one::<u64>().await?;
        if all != placed {
            findings.duplicated += all.saturating_sub(placed);
            findings.tell("stray", table, || format!("{all} rows, {placed} of them in partitions that exist"));
        }
    }
    Ok(())
}

/// Compares a table, and says how many rows were demanded and found.
async fn events<T: Placed>(
    client: &Client,
    place: Place,
    demanded: &[T],
    findings: &mut Findings,
) -> anyhow::Result<(u64, u64)> {
    if T::TOPIC.is_some_and(|topic| topic != place.0) {
        return Ok((0, 0));
    }
    let found = stored::<T>(client, place).await?;
    findings.compare(place, demanded, &found);
    *findings.placed.entry(T::TABLE).or_default() += found.len() as u64;
    Ok((demanded.len() as u64, found.len() as u64))
}

/// A table's rows of one partition, in the order of offsets.
async fn stored<T: Placed>(client: &Client, (topic, partition): Place) -> anyhow::Result<Vec<T>> {
    let of_topic = if T::TOPIC.is_none() { "topic = {topic:String}" } else { "true" };
    let sql = format!(
        "SELECT ?fields FROM {} WHERE {of_topic} AND partition = {{partition:Int32}} ORDER BY offset",
        T::TABLE
    );
    let query = client.query(&sql).param("topic", topic).param("partition", partition);
    query.fetch_all::<T>().await.with_context(|| format!("cannot read {}", T::TABLE))
}

#[cfg(test)]
mod tests {
    use wire::topics::USAGE;

    use super::*;
    use crate::rows::Repeat;

    fn rows(offsets: &[i64]) -> Vec<Repeat> {
        let row = |offset: &i64| Repeat { offset: *offset, received_at: 0, source: "s".to_owned(), id: "i".to_owned() };
        offsets.iter().map(row).collect()
    }

    fn compared(demanded: &[Repeat], found: &[Repeat]) -> Findings {
        let mut findings = Findings::default();
        findings.compare((USAGE, 0), demanded, found);
        findings
    }

    #[test]
    fn the_same_rows_are_exact() {
        assert_eq!(compared(&rows(&[0, 3, 4]), &rows(&[0, 3, 4])), Findings::default());
    }

    #[test]
    fn a_lost_a_doubled_a_strange_and_a_changed_row_are_each_told_with_their_place() {
        let mut found = rows(&[0, 4, 4, 5]);
        found[0].id = "other".to_owned();
        let findings = compared(&rows(&[0, 3, 4]), &found);
        assert_eq!((findings.lost, findings.duplicated, findings.different), (1, 2, 1));
        assert!(!findings.exact());
        let told: Vec<_> = findings
            .differences
            .iter()
            .map(|told| told.split(": Repeat").flat_map(|part| part.split(": demanded")).next().unwrap())
            .collect();
        assert_eq!(
            told,
            [
                "different in repeats: flywheel.usage.v1 partition 0 offset 0",
                "lost in repeats: flywheel.usage.v1 partition 0 offset 3",
                "one too many in repeats: flywheel.usage.v1 partition 0 offset 4",
                "one too many in repeats: flywheel.usage.v1 partition 0 offset 5",
            ]
        );
    }

    #[test]
    fn everything_is_counted_and_the_first_are_told() {
        let findings = compared(&rows(&(0..100).collect::<Vec<_>>()), &[]);
        assert_eq!((findings.lost, findings.differences.len()), (100, TOLD_MAX));
    }
}
