//! When each account used each feature first and last on a day.

use std::borrow::Cow;

use domain::{
    event::Body,
    ids::{AccountId, FeatureId, TeamId},
    record::Decoded,
    time::MICROS_PER_DAY,
};

use crate::{
    repeats::Fingerprint,
    schema::UsageDays,
    spans::{Event, Gathered},
};

/// The days of one part's usage.
pub(crate) type Days = Gathered<UsageDays>;

/// A day of an account and a feature.
struct Use<'e, Text> {
    team: &'e TeamId<Text>,
    feature: &'e FeatureId<Text>,
    account: &'e AccountId<Text>,
    /// Since 1970.
    day: i32,
}

impl Days {
    /// Counts in what these events say was used.
    pub(crate) fn push_all<'e>(&mut self, events: impl Iterator<Item = &'e Decoded<'e>>) {
        self.gather(events.filter_map(Use::of), |table, Use { team, feature, account, day }| {
            table.rows += 1;
            table.subject.push(team, feature, account);
            table.day.push(day.to_le_bytes());
        });
    }
}

impl<'e> Use<'e, Cow<'e, str>> {
    /// What an event says was used, if it does.
    fn of(event: &'e Decoded<'e>) -> Option<Event<Self>> {
        let Body::UsageObserved { team, feature, account, .. } = &event.body else { return None };
        let time = event.time.0;
        // Euclidean, so that a day before 1970 is whole too.
        let day = time.div_euclid(MICROS_PER_DAY) as i32;
        let texts = [team.as_str().as_bytes(), feature.as_str().as_bytes(), account.as_str().as_bytes()];
        let [team_text, feature_text, account_text] = texts;
        let key = Fingerprint::of_texts([team_text, feature_text, account_text, &day.to_le_bytes()]);
        Some(Event { key, time, of: Self { team, feature, account, day } })
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
        assert_eq!(instants(&table.span.first), [day, 2 * day, day, day, -1]);
        assert_eq!(instants(&table.span.last), [2 * day - 1, 2 * day, day, day, -1]);
        assert_eq!(table.rows, 5);
    }
}
