//! The aggregates that ingest keeps, compared with those of the log: exactly, group by group.

use std::{collections::BTreeMap, fmt::Debug};

use anyhow::Context as _;
use clickhouse::{Client, Row};
use domain::time::MICROS_PER_DAY;
use serde::Deserialize;

use crate::{oracle::Findings, verdict::Demanded};

/// Team, feature, account and day, in days since 1970.
type UsageDay = (String, String, String, i32);
/// Team, feature, account, signal and day.
type NeedDay = (String, String, String, String, i32);

/// What the log demands of all partitions together.
#[derive(Debug, Default)]
pub struct Sums {
    /// The smallest and the largest `time`.
    usage: BTreeMap<UsageDay, (i64, i64)>,
    /// The sum of counts, the number of signals, the smallest and the largest `time`.
    needs: BTreeMap<NeedDay, (u64, u64, i64, i64)>,
}

#[derive(Row, Deserialize)]
struct UsageDayRow {
    team: String,
    feature: String,
    account: String,
    on_day: i32,
    earliest: i64,
    latest: i64,
}

#[derive(Row, Deserialize)]
struct NeedDayRow {
    team: String,
    feature: String,
    account: String,
    signal: String,
    on_day: i32,
    counted: u64,
    signals: u64,
    earliest: i64,
    latest: i64,
}

impl Sums {
    /// Adds a partition's rows.
    pub fn add(&mut self, demanded: &Demanded) {
        for row in &demanded.usage {
            let key = (row.team.clone(), row.feature.clone(), row.account.clone(), day(row.time));
            let (first, last) = self.usage.entry(key).or_insert((row.time, row.time));
            (*first, *last) = ((*first).min(row.time), (*last).max(row.time));
        }
        for row in &demanded.needs {
            let (team, feature, account) = (row.team.clone(), row.feature.clone(), row.account.clone());
            let key = (team, feature, account, row.signal.clone(), day(row.time));
            let (counted, signals, first, last) = self.needs.entry(key).or_insert((0, 0, row.time, row.time));
            *counted += row.count;
            *signals += 1;
            (*first, *last) = ((*first).min(row.time), (*last).max(row.time));
        }
    }

    /// Compares both aggregates.
    ///
    /// # Errors
    /// When ClickHouse does not answer, or does not answer from the projection.
    pub async fn compare(&self, client: &Client, findings: &mut Findings) -> anyhow::Result<()> {
        let sql = "SELECT team, feature, account, toInt32(day) AS on_day,
                toUnixTimestamp64Micro(min(first)) AS earliest, toUnixTimestamp64Micro(max(last)) AS latest
            FROM usage_days GROUP BY team, feature, account, day";
        let rows = client.query(sql).fetch_all::<UsageDayRow>().await.context("cannot read usage_days")?;
        let found =
            rows.into_iter().map(|row| ((row.team, row.feature, row.account, row.on_day), (row.earliest, row.latest)));
        compare("usage_days", &self.usage, found.collect(), findings);

        // Asked twice: from the aggregate that lives inside the parts, and from the rows.
        for (source, setting) in [
            ("needs by its projection", "force_optimize_projection"),
            ("needs by its rows", "optimize_use_projections"),
        ] {
            let value = if setting == "force_optimize_projection" { "1" } else { "0" };
            let sql = "SELECT team, feature, account, signal, toInt32(toDate32(time)) AS on_day, sum(count) AS counted,
                    count() AS signals, toUnixTimestamp64Micro(min(time)) AS earliest,
                    toUnixTimestamp64Micro(max(time)) AS latest
                FROM needs GROUP BY team, feature, account, signal, toDate32(time)";
            let query = client.query(sql).with_setting(setting, value);
            let rows = query.fetch_all::<NeedDayRow>().await.with_context(|| format!("cannot read {source}"))?;
            let found = rows.into_iter().map(|row| {
                let key = (row.team, row.feature, row.account, row.signal, row.on_day);
                (key, (row.counted, row.signals, row.earliest, row.latest))
            });
            compare(source, &self.needs, found.collect(), findings);
        }
        Ok(())
    }
}

fn compare<K: Ord + Debug + Clone, V: PartialEq + Debug>(
    aggregate: &'static str,
    demanded: &BTreeMap<K, V>,
    found: BTreeMap<K, V>,
    findings: &mut Findings,
) {
    for (key, value) in demanded {
        if found.get(key) != Some(value) {
            findings.aggregates_wrong += 1;
            let found = found.get(key);
            findings.tell("wrong", aggregate, || format!("{key:?}: demanded {value:?}, found {found:?}"));
        }
    }
    for (key, value) in found.iter().filter(|(key, _)| !demanded.contains_key(key)) {
        findings.aggregates_wrong += 1;
        findings.tell("wrong", aggregate, || format!("{key:?}: nothing demanded, found {value:?}"));
    }
}

/// The day of a `time`, in days since 1970.
fn day(time: i64) -> i32 {
    i32::try_from(time.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_is_missing_wrong_or_too_many_is_told() {
        let demanded = BTreeMap::from([("missing", 1), ("right", 2), ("wrong", 3)]);
        let found = BTreeMap::from([("right", 2), ("wrong", 4), ("too many", 5)]);
        let mut findings = Findings::default();
        compare("sums", &demanded, found, &mut findings);
        assert_eq!(findings.aggregates_wrong, 3);
        assert_eq!(
            findings.differences,
            [
                "wrong in sums: \"missing\": demanded 1, found None",
                "wrong in sums: \"wrong\": demanded 3, found Some(4)",
                "wrong in sums: \"too many\": nothing demanded, found 5",
            ]
        );
    }
}
