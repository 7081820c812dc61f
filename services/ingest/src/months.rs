//! When each account had need signals of a team, and requests, first and last in a month. What it used beside them, a view over the
//! days adds.

use std::iter;

use domain::{event::Body, record::Decoded, time::Timestamp};

use crate::{
    repeats::Fingerprint,
    schema::{ActiveMonths, Requests},
    spans::{Event, Gathered},
};

/// The months of one part's need signals and requests.
pub(crate) type Months = Gathered<ActiveMonths>;

/// A month of an account.
struct Month<'e> {
    team: &'e [u8],
    account: &'e [u8],
    /// Its first day, since 1970.
    month: i32,
    /// Whether by usage: a need signal is usage, a request or its withdrawal is none.
    is_use: bool,
}

impl Months {
    /// Counts in these events' need signals and requests.
    pub(crate) fn push_all<'e>(&mut self, events: impl Iterator<Item = &'e Decoded<'e>>) {
        self.add(events.filter_map(|event| {
            let (team, account, is_use) = match &event.body {
                Body::NeedSignaled { team, account, .. } => (team, account, true),
                Body::RequestStated { team, account, .. } | Body::RequestWithdrawn { team, account, .. } => {
                    (team, account, false)
                }
                Body::UsageObserved { .. }
                | Body::TeamDefined(_)
                | Body::FeatureDefined(_)
                | Body::AccountDefined(_) => return None,
            };
            Some(Month::of(team.as_str().as_bytes(), account.as_str().as_bytes(), event.time.0, is_use))
        }));
    }

    /// Those of these requests alone.
    pub(crate) fn of_requests(requests: &Requests) -> Self {
        let mut months = Self::default();
        let subject = &requests.subject;
        let times = requests.head.time.iter().map(|time| i64::from_le_bytes(*time));
        for ((team, account), time) in subject.team.iter().zip(subject.account.iter()).zip(times) {
            months.add(iter::once(Month::of(team, account, time, false)));
        }
        months
    }

    fn add<'e>(&mut self, events: impl Iterator<Item = Event<Month<'e>>>) {
        self.gather(events, |table, Month { team, account, month, is_use }| {
            table.rows += 1;
            table.team.push(team);
            table.account.push(account);
            table.month.push(month.to_le_bytes());
            table.is_use.push([u8::from(*is_use)]);
        });
    }
}

impl<'e> Month<'e> {
    fn of(team: &'e [u8], account: &'e [u8], time: i64, is_use: bool) -> Event<Self> {
        let month = Timestamp(time).month() as i32;
        let [a, b, c, d] = month.to_le_bytes();
        let key = Fingerprint::of_texts([team, account, &[u8::from(is_use), a, b, c, d]]);
        Event { key, time, of: Self { team, account, month, is_use } }
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        catalog::Importance,
        ids::{AccountId, FeatureId, TeamId},
        time::MICROS_PER_DAY,
    };

    use super::*;
    use crate::native::Numbers;

    const DAY: i64 = MICROS_PER_DAY;

    fn event(kind: &str, account: &'static str, time: i64) -> Decoded<'static> {
        let team = TeamId::check("t".into()).expect("an id");
        let feature = FeatureId::check("f".into()).expect("an id");
        let account = AccountId::check(account.into()).expect("an id");
        let body = match kind {
            "stated" => Body::RequestStated {
                team,
                feature,
                account,
                importance: Importance::Critical,
                channel: None,
                text: None,
                requester: None,
                reference: None,
            },
            "withdrawn" => Body::RequestWithdrawn { team, feature, account },
            "need" => Body::NeedSignaled { team, feature, account, signal: "s".into(), count: 1 },
            _ => Body::UsageObserved {
                team,
                feature,
                account,
                operation: "o".into(),
                count: 1,
                duration_us: None,
                outcome: None,
            },
        };
        Decoded { id: "i".into(), source: "s".into(), time: Timestamp(time), body }
    }

    /// Month, whether by use, first and last of each row.
    fn rows(table: &ActiveMonths) -> Vec<(i32, bool, i64, i64)> {
        let instants = |column: &Numbers| column.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect::<Vec<_>>();
        let months = table.month.iter().map(|bytes| i32::from_le_bytes(*bytes));
        let uses = table.is_use.iter().map(|&[is_use]| is_use == 1);
        let spans = instants(&table.span.first).into_iter().zip(instants(&table.span.last));
        months.zip(uses).zip(spans).map(|((month, is_use), (first, last))| (month, is_use, first, last)).collect()
    }

    #[test]
    fn a_month_keeps_the_first_and_the_last_instant_of_each_account_by_use_and_otherwise() {
        let events = [
            event("need", "a", 31 * DAY - 1),
            event("need", "a", 7),
            event("need", "a", 8),
            // Another month, another account, and what is no use.
            event("need", "a", 31 * DAY),
            event("need", "b", 7),
            event("withdrawn", "a", 5),
            event("stated", "a", 3 * DAY),
            event("stated", "b", -1),
            // The days' business.
            event("usage", "a", 1),
        ];
        let expected = [
            (0, true, 7, 31 * DAY - 1),
            (31, true, 31 * DAY, 31 * DAY),
            (0, true, 7, 7),
            (0, false, 5, 3 * DAY),
            (-31, false, -1, -1),
        ];
        // However they are cut: a row that the same batch made, and one that an earlier batch made.
        for at_once in 1..=events.len() {
            let mut months = Months::default();
            events.chunks(at_once).for_each(|events| months.push_all(events.iter()));
            assert_eq!(rows(months.table()), expected, "{at_once} at once");
        }
    }
}
