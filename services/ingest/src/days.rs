//! When each account used each feature first and last on a day, gathered while a part's rows are pushed.
//!
//! A row says no more than a usage row that is written with it, so writing it twice changes nothing, and it can be derived
//! again from any replay. Ingest writes days before usage: a usage row that is there has its day there too.

use domain::{
    ids::{AccountId, FeatureId, TeamId},
    time::{MICROS_PER_DAY, Timestamp},
};

use crate::{
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

impl Days {
    /// Counts in that `account` used `feature` at `time`.
    pub(crate) fn push<Text: AsRef<str>>(
        &mut self,
        team: &TeamId<Text>,
        feature: &FeatureId<Text>,
        account: &AccountId<Text>,
        time: Timestamp,
    ) {
        // Euclidean, so that a day before 1970 is whole too.
        let day = time.0.div_euclid(MICROS_PER_DAY) as i32;
        let texts = [team.as_str().as_bytes(), feature.as_str().as_bytes(), account.as_str().as_bytes()];
        let [team_text, feature_text, account_text] = texts;
        let key = Fingerprint::of_texts([team_text, feature_text, account_text, &day.to_le_bytes()]);
        let table = &mut self.table;
        let row = *self.row_of.entry(key).or_insert_with(|| {
            table.rows += 1;
            table.subject.push(team, feature, account);
            table.day.push(day.to_le_bytes());
            table.first.push(i64::MAX.to_le_bytes());
            table.last.push(i64::MIN.to_le_bytes());
            (table.rows - 1) as u32
        });
        if let Some(first) = table.first.get_mut(row as usize) {
            *first = i64::from_le_bytes(*first).min(time.0).to_le_bytes();
        }
        if let Some(last) = table.last.get_mut(row as usize) {
            *last = i64::from_le_bytes(*last).max(time.0).to_le_bytes();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_keeps_the_first_and_the_last_instant_of_each_team_feature_and_account() {
        let mut days = Days::default();
        let mut push = |team: &str, feature: &str, account: &str, time: i64| {
            let team = TeamId::parse(team).expect("an id");
            let feature = FeatureId::parse(feature).expect("an id");
            let account = AccountId::parse(account).expect("an id");
            days.push(&team, &feature, &account, Timestamp(time));
        };
        push("t", "f", "a", 2 * MICROS_PER_DAY - 1);
        push("t", "f", "a", MICROS_PER_DAY);
        push("t", "f", "a", MICROS_PER_DAY + 5);
        push("t", "f", "a", 2 * MICROS_PER_DAY);
        push("t", "fa", "b", MICROS_PER_DAY);
        push("t", "f", "ab", MICROS_PER_DAY);
        push("u", "f", "a", -1);
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
