//! The aggregates that ingest keeps, compared with those of the log: exactly, group by group.

use std::{collections::BTreeMap, fmt::Debug};

use anyhow::Context as _;
use clickhouse::{Client, Row};
use domain::time::{MICROS_PER_DAY, Timestamp};
use serde::Deserialize;

use crate::{oracle::Findings, verdict::Demanded};

/// Team, feature, account and day, in days since 1970.
type UsageDay = (String, String, String, i32);
/// Team, feature, account, signal and day.
type NeedDay = (String, String, String, String, i32);

/// Team, account, the month's first day, and whether by use.
type ActiveMonth = (String, String, String, bool);

/// What the log demands of all partitions together.
#[derive(Debug, Default)]
pub struct Sums {
    /// The smallest and the largest `time`.
    usage: BTreeMap<UsageDay, (i64, i64)>,
    /// The sum of counts, the number of signals, the smallest and the largest `time`.
    needs: BTreeMap<NeedDay, (u64, u64, i64, i64)>,
    /// The smallest and the largest `time`: of usage and need signals by use, of requests and withdrawals otherwise.
    months: BTreeMap<ActiveMonth, (i64, i64)>,
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

#[derive(Row, Deserialize)]
struct ActiveMonthRow {
    team: String,
    account: String,
    in_month: String,
    by_use: bool,
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
            self.active(&row.team, &row.account, row.time, true);
        }
        for row in &demanded.requests {
            self.active(&row.team, &row.account, row.time, false);
        }
        for row in &demanded.needs {
            self.active(&row.team, &row.account, row.time, true);
            let (team, feature, account) = (row.team.clone(), row.feature.clone(), row.account.clone());
            let key = (team, feature, account, row.signal.clone(), day(row.time));
            let (counted, signals, first, last) = self.needs.entry(key).or_insert((0, 0, row.time, row.time));
            *counted += row.count;
            *signals += 1;
            (*first, *last) = ((*first).min(row.time), (*last).max(row.time));
        }
    }

    fn active(&mut self, team: &str, account: &str, time: i64, by_use: bool) {
        let key = (team.to_owned(), account.to_owned(), month(time), by_use);
        let (first, last) = self.months.entry(key).or_insert((time, time));
        (*first, *last) = ((*first).min(time), (*last).max(time));
    }

    /// Compares all aggregates.
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

        let sql = "SELECT team, account, formatDateTime(month, '%F') AS in_month, is_use AS by_use,
                toUnixTimestamp64Micro(min(first)) AS earliest, toUnixTimestamp64Micro(max(last)) AS latest
            FROM active_months GROUP BY team, account, month, is_use";
        let rows = client.query(sql).fetch_all::<ActiveMonthRow>().await.context("cannot read active_months")?;
        let found =
            rows.into_iter().map(|row| ((row.team, row.account, row.in_month, row.by_use), (row.earliest, row.latest)));
        compare("active_months", &self.months, found.collect(), findings);

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

/// The first day of the month of a `time`.
fn month(time: i64) -> String {
    let text = Timestamp(time).to_rfc3339();
    let (month, _) = text.rsplit_once('-').unwrap_or_default();
    format!("{month}-01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_named_by_its_first_day() {
        assert_eq!(
            [0, 31 * MICROS_PER_DAY - 1, 31 * MICROS_PER_DAY].map(month),
            ["1970-01-01", "1970-01-01", "1970-02-01"]
        );
    }

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
