//! When each account used each feature first and last on a day, gathered while a part's rows are pushed.
//!
//! A row says no more than a usage row that is written with it, so writing it twice changes nothing, and it can be derived
//! again from any replay. Ingest writes days before usage: a usage row that is there has its day there too.

use std::borrow::Cow;

use domain::{
    event::Body,
    ids::{AccountId, FeatureId, TeamId},
    record::Decoded,
    time::MICROS_PER_DAY,
};
use smallvec::SmallVec;

use crate::{
    member::BATCH_RECORDS_MAX,
    repeats::{Fingerprint, FingerprintMap},
    schema::{Columns as _, UsageDays},
};

/// The days of one part's usage.
#[derive(Debug, Default)]
pub(crate) struct Days {
    table: UsageDays,
    /// Which row of the table has the team, feature, account and day.
    row_of: FingerprintMap<u32>,
}

/// One use of a feature.
struct Use<'e, Text> {
    team: &'e TeamId<Text>,
    feature: &'e FeatureId<Text>,
    account: &'e AccountId<Text>,
    /// Unix time in microseconds.
    time: i64,
    /// Since 1970.
    day: i32,
    /// Of all but the time.
    key: Fingerprint,
}

impl Days {
    /// Counts in what these events say was used.
    ///
    /// A few dozen at a time cost half of what they cost one by one: hardly any row is in a cache, and the processor waits for
    /// many at once.
    pub(crate) fn push_all<'e>(&mut self, events: impl Iterator<Item = &'e Decoded<'e>>) {
        let uses: SmallVec<[Use<'_, _>; BATCH_RECORDS_MAX]> = events.filter_map(Use::of).collect();
        let rows: SmallVec<[Option<u32>; BATCH_RECORDS_MAX]> =
            uses.iter().map(|of| self.row_of.get(&of.key).copied()).collect();
        for (of, row) in uses.iter().zip(rows) {
            let row = row.unwrap_or_else(|| self.row(of)) as usize;
            if let Some(first) = self.table.first.get_mut(row) {
                *first = i64::from_le_bytes(*first).min(of.time).to_le_bytes();
            }
            if let Some(last) = self.table.last.get_mut(row) {
                *last = i64::from_le_bytes(*last).max(of.time).to_le_bytes();
            }
        }
    }

    /// The row of that team, feature, account and day, a new one where there is none.
    fn row<Text: AsRef<str>>(&mut self, of: &Use<'_, Text>) -> u32 {
        let table = &mut self.table;
        *self.row_of.entry(of.key).or_insert_with(|| {
            table.rows += 1;
            table.subject.push(of.team, of.feature, of.account);
            table.day.push(of.day.to_le_bytes());
            table.first.push(i64::MAX.to_le_bytes());
            table.last.push(i64::MIN.to_le_bytes());
            (table.rows - 1) as u32
        })
    }

    /// The rows.
    pub(crate) fn table(&self) -> &UsageDays {
        &self.table
    }

    /// Memory taken, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        // A byte for each slot of the map beside its entry, and a slot in eight is free, or more.
        self.table.bytes() + self.row_of.len() * (size_of::<(Fingerprint, u32)>() + 1) * 3 / 2
    }

    /// No days, and room for about as many: growing the map would mean to place each entry anew, time and again.
    pub(crate) fn emptied(&self) -> Self {
        let row_of = FingerprintMap::with_capacity_and_hasher(self.row_of.len(), Default::default());
        Self { table: self.table.emptied(), row_of }
    }
}

impl<'e> Use<'e, Cow<'e, str>> {
    /// What an event says was used, if it does.
    fn of(event: &'e Decoded<'e>) -> Option<Self> {
        let Body::UsageObserved { team, feature, account, .. } = &event.body else { return None };
        let time = event.time.0;
        // Euclidean, so that a day before 1970 is whole too.
        let day = time.div_euclid(MICROS_PER_DAY) as i32;
        let texts = [team.as_str().as_bytes(), feature.as_str().as_bytes(), account.as_str().as_bytes()];
        let [team_text, feature_text, account_text] = texts;
        let key = Fingerprint::of_texts([team_text, feature_text, account_text, &day.to_le_bytes()]);
        Some(Self { team, feature, account, time, day, key })
    }
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::*;

    #[test]
    fn a_day_keeps_the_first_and_the_last_instant_of_each_team_feature_and_account() {
        let uses = [
            ("t", "f", "a", 2 * MICROS_PER_DAY - 1),
            ("t", "f", "a", MICROS_PER_DAY),
            ("t", "f", "a", MICROS_PER_DAY + 5),
            ("t", "f", "a", 2 * MICROS_PER_DAY),
            ("t", "fa", "b", MICROS_PER_DAY),
            ("t", "f", "ab", MICROS_PER_DAY),
            ("u", "f", "a", -1),
        ];
        let events = uses.map(|(team, feature, account, time)| Decoded {
            id: "i".into(),
            source: "s".into(),
            time: Timestamp(time),
            body: Body::UsageObserved {
                team: TeamId::check(team.into()).expect("an id"),
                feature: FeatureId::check(feature.into()).expect("an id"),
                account: AccountId::check(account.into()).expect("an id"),
                operation: "o".into(),
                count: 1,
                duration_us: None,
                outcome: None,
            },
        });
        // However they are cut: a row that the same batch made, and one that an earlier batch made.
        for at_once in 1..=uses.len() {
            let mut days = Days::default();
            events.chunks(at_once).for_each(|events| days.push_all(events.iter()));
            check(&days);
        }
    }

    fn check(days: &Days) {
        let table = days.table();
        let instants =
            |column: &crate::native::Numbers| column.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect::<Vec<_>>();
        let day = MICROS_PER_DAY;
        assert_eq!(table.day.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect::<Vec<_>>(), [1, 2, 1, 1, -1]);
        assert_eq!(instants(&table.first), [day, 2 * day, day, day, -1]);
        assert_eq!(instants(&table.last), [2 * day - 1, 2 * day, day, day, -1]);
        assert_eq!(table.rows, 5);
    }
}
