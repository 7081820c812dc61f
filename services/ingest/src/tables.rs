//! Which event fills which table.
//!
//! What is written is a pure function of the record and of its partition's log before it: no clock, no randomness.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use domain::{
    catalog::{AccountDefinition, Door, FeatureDefinition, Outcome, Status, TeamDefinition, Tier},
    event::Body,
    ids::{Offset, Partition},
    record::{Decoded, Record, Reject},
    time::Timestamp,
};

use crate::{
    days::Days,
    months::Months,
    schema::{
        Accounts, Columns as _, DeadLetters, Features, Head, Needs, Offsets, Placed, Repeats, RequestTexts, Requests,
        Teams, Usage,
    },
};

/// Where a record stands in Kafka, and when Kafka received it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) partition: Partition,
    pub(crate) offset: Offset,
    pub(crate) received_at: Timestamp,
}

/// The rows of one partition's range, in the order of its records.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) requests: Requests,
    pub(crate) request_texts: RequestTexts,
    pub(crate) usage: Usage,
    pub(crate) days: Days,
    pub(crate) needs: Needs,
    /// Of requests and need signals.
    pub(crate) months: Months,
    pub(crate) teams: Teams,
    pub(crate) features: Features,
    pub(crate) accounts: Accounts,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) repeats: Repeats,
    pub(crate) reasons: BTreeMap<&'static str, u64>,
}

/// Which rows a look found in each table: the offsets of their records. All of one partition.
pub(crate) type There = BTreeMap<&'static str, BTreeSet<Offset>>;

impl Tables {
    /// Memory taken, in bytes: what counts against a byte budget.
    pub(crate) fn bytes(&self) -> usize {
        self.requests.bytes()
            + self.request_texts.bytes()
            + self.usage.bytes()
            + self.days.bytes()
            + self.needs.bytes()
            + self.months.bytes()
            + self.teams.bytes()
            + self.features.bytes()
            + self.accounts.bytes()
            + self.dead_letters.bytes()
            + self.repeats.bytes()
    }

    /// Empty tables for the rows that come next. What comes in numbers has room for as much as came last.
    pub(crate) fn emptied(&self) -> Self {
        Self {
            usage: self.usage.emptied(),
            days: self.days.emptied(),
            needs: self.needs.emptied(),
            months: self.months.emptied(),
            ..Self::default()
        }
    }

    /// Each table that a look asks, with the offsets of its rows.
    pub(crate) fn offsets(&self) -> [(&'static str, Offsets<'_>); 9] {
        fn of<T: Placed>(table: &T) -> (&'static str, Offsets<'_>) {
            (T::NAME, table.origin().offsets())
        }
        [
            of(&self.requests),
            of(&self.request_texts),
            of(&self.usage),
            of(&self.needs),
            of(&self.teams),
            of(&self.features),
            of(&self.accounts),
            of(&self.dead_letters),
            of(&self.repeats),
        ]
    }

    /// How many rows a look did not find.
    pub(crate) fn missing(&self, there: &There) -> usize {
        self.offsets()
            .into_iter()
            .map(|(table, offsets)| {
                let there = there.get(table);
                offsets.filter(|offset| there.is_none_or(|there| !there.contains(offset))).count()
            })
            .sum()
    }

    /// Dead letters by the code of their reason.
    pub(crate) fn reasons(&self) -> &BTreeMap<&'static str, u64> {
        &self.reasons
    }

    /// How many repeats.
    pub(crate) fn repeats(&self) -> usize {
        self.repeats.rows
    }

    /// Adds a record that says again what a valid one before it said: where it stands and what identifies it is all that is
    /// kept of it.
    pub(crate) fn push_repeat(&mut self, topic: &str, place: Place, source: &str, id: &str) {
        self.repeats.rows += 1;
        self.repeats.origin.push(place);
        self.repeats.identity.push(source.as_bytes(), id.as_bytes());
        self.repeats.topic.push(topic);
    }

    /// Every request and definition, with what identifies it: what ClickHouse is asked about, because these count once for
    /// ever, and what was said long ago is remembered nowhere else.
    pub(crate) fn identities(&self) -> impl Iterator<Item = (Offset, &[u8], &[u8])> {
        [&self.requests.head, &self.teams.head, &self.features.head, &self.accounts.head].into_iter().flat_map(|head| {
            let identity = head.identity.source.iter().zip(head.identity.id.iter());
            head.origin.offsets().zip(identity).map(|(offset, (source, id))| (offset, source, id))
        })
    }

    /// Makes repeats of the requests and definitions at these offsets: found to have been said before, when they had been
    /// pushed already.
    pub(crate) fn turn_into_repeats(&mut self, topic: &str, offsets: &BTreeSet<Offset>) {
        let repeats = &mut self.repeats;
        let mut keep = |head: &Head, turn: bool| -> Option<Vec<bool>> {
            let keep: Vec<bool> = head.origin.offsets().map(|offset| !offsets.contains(&offset)).collect();
            let turned: Vec<bool> = keep.iter().map(|keep| !keep).collect();
            let count = turned.iter().filter(|turned| **turned).count();
            if turn {
                repeats.rows += count;
                repeats.origin.append(&head.origin.filtered(&turned));
                repeats.identity.append(&head.identity.filtered(&turned));
                (0..count).for_each(|_| repeats.topic.push(topic));
            }
            (count > 0).then_some(keep)
        };
        if let Some(keep) = keep(&self.requests.head, true) {
            self.requests = self.requests.filtered(&keep);
            // Need signals are none of this partition's: its topic has either.
            self.months = Months::of_requests(&self.requests);
        }
        if let Some(keep) = keep(&self.request_texts.head, false) {
            self.request_texts = self.request_texts.filtered(&keep);
        }
        if let Some(keep) = keep(&self.teams.head, true) {
            self.teams = self.teams.filtered(&keep);
        }
        if let Some(keep) = keep(&self.features.head, true) {
            self.features = self.features.filtered(&keep);
        }
        if let Some(keep) = keep(&self.accounts.head, true) {
            self.accounts = self.accounts.filtered(&keep);
        }
    }

    /// Adds valid records' events, in order.
    pub(crate) fn push_events<'e>(&mut self, events: impl Iterator<Item = (Place, &'e Decoded<'e>)> + Clone) {
        self.days.push_all(events.clone().map(|(_, event)| event));
        self.months.push_all(events.clone().map(|(_, event)| event));
        events.for_each(|(place, event)| self.push_event(place, event));
    }

    /// All of an event but its day and its month.
    fn push_event(&mut self, place: Place, event: &Decoded<'_>) {
        match &event.body {
            Body::RequestStated { team, feature, account, importance, channel, text, requester, reference } => {
                let requests = &mut self.requests;
                requests.rows += 1;
                requests.head.push(place, event);
                requests.subject.push(team, feature, account);
                requests.importance.push([importance.level()]);
                requests.channel.push(channel.as_deref().unwrap_or_default());
                requests.reference.push(reference.as_deref().unwrap_or_default());
                if text.is_some() || requester.is_some() {
                    let texts = &mut self.request_texts;
                    texts.rows += 1;
                    texts.head.push(place, event);
                    texts.subject.push(team, feature, account);
                    texts.text.push(text.as_deref().unwrap_or_default());
                    texts.requester.push(requester.as_deref().unwrap_or_default());
                }
            }
            Body::RequestWithdrawn { team, feature, account } => {
                let requests = &mut self.requests;
                requests.rows += 1;
                requests.head.push(place, event);
                requests.subject.push(team, feature, account);
                requests.importance.push([WITHDRAWN]);
                requests.channel.push("");
                requests.reference.push("");
            }
            Body::UsageObserved { team, feature, account, operation, count, duration_us, outcome } => {
                let usage = &mut self.usage;
                usage.rows += 1;
                usage.head.push(place, event);
                usage.subject.push(team, feature, account);
                usage.operation.push(operation.as_bytes());
                usage.count.push(count.to_le_bytes());
                usage.duration_us.push(duration_us.map(u64::to_le_bytes));
                usage.outcome.push([outcome_value(*outcome)]);
            }
            Body::NeedSignaled { team, feature, account, signal, count } => {
                let needs = &mut self.needs;
                needs.rows += 1;
                needs.head.push(place, event);
                needs.subject.push(team, feature, account);
                needs.signal.push(signal.as_bytes());
                needs.count.push(count.to_le_bytes());
            }
            Body::TeamDefined(definition) => self.teams.push(place, event, definition),
            Body::FeatureDefined(definition) => self.features.push(place, event, definition),
            Body::AccountDefined(definition) => self.accounts.push(place, event, definition),
        }
    }

    /// Adds a record that is not valid, whole, and why.
    pub(crate) fn push_dead_letter(&mut self, topic: &str, place: Place, record: &Record<'_>, reject: &Reject) {
        *self.reasons.entry(reject.reason.code()).or_default() += 1;
        self.dead_letters.push(topic, place, record, reject);
    }
}

impl Teams {
    fn push(&mut self, place: Place, event: &Decoded<'_>, team: &TeamDefinition<Cow<'_, str>>) {
        self.rows += 1;
        self.head.push(place, event);
        self.team.push(team.team.as_str());
        self.name.push(team.name.as_bytes());
        self.segments.push(&team.segments);
        self.activity_window_days.push(team.parameters.activity_window_days.to_le_bytes());
        self.half_life_days.push(team.parameters.half_life_days.to_le_bytes());
        self.need_window_days.push(team.parameters.need_window_days.to_le_bytes());
        self.need_min_count.push(team.parameters.need_min_count.to_le_bytes());
        self.demand_weight.push(team.parameters.demand_weight.to_le_bytes());
        self.need_weight.push(team.parameters.need_weight.to_le_bytes());
    }
}

impl Features {
    fn push(&mut self, place: Place, event: &Decoded<'_>, feature: &FeatureDefinition<Cow<'_, str>>) {
        self.rows += 1;
        self.head.push(place, event);
        self.team.push(feature.team.as_str());
        self.feature.push(feature.feature.as_str());
        self.title.push(feature.title.as_bytes());
        self.status.push([status_value(feature.status)]);
        self.merged_into.push(feature.merged_into.as_ref().map_or("", |target| target.as_str()));
        self.effort_months.push(feature.effort_months.map(f64::to_le_bytes));
        self.door.push([door_value(feature.door)]);
    }
}

impl Accounts {
    fn push(&mut self, place: Place, event: &Decoded<'_>, account: &AccountDefinition<Cow<'_, str>>) {
        self.rows += 1;
        self.head.push(place, event);
        self.account.push(account.account.as_str());
        self.tier.push([tier_value(account.tier)]);
        self.segments.push(&account.segments);
    }
}

impl DeadLetters {
    fn push(&mut self, topic: &str, place: Place, record: &Record<'_>, reject: &Reject) {
        let event_type = record.headers.iter().find(|(name, _)| *name == "ce_type").and_then(|(_, value)| *value);
        self.rows += 1;
        self.origin.push(place);
        self.topic.push(topic);
        self.reason.push(reject.reason.code());
        self.pointer.push(&reject.pointer);
        self.detail.push(&reject.detail);
        self.event_type.push(event_type.unwrap_or_default());
        self.key.push(record.key);
        self.headers.push(record.headers.iter().copied());
        self.payload.push(record.payload);
    }
}

// The values of the tables' enums; an importance is its level.

const WITHDRAWN: u8 = 0;

fn outcome_value(outcome: Option<Outcome>) -> u8 {
    match outcome {
        None => 0,
        Some(Outcome::Ok) => 1,
        Some(Outcome::Error) => 2,
        Some(Outcome::Denied) => 3,
    }
}

fn status_value(status: Status) -> u8 {
    match status {
        Status::Proposed => 1,
        Status::Planned => 2,
        Status::Building => 3,
        Status::Launched => 4,
        Status::Retired => 5,
    }
}

fn door_value(door: Option<Door>) -> u8 {
    match door {
        None => 0,
        Some(Door::OneWay) => 1,
        Some(Door::TwoWay) => 2,
    }
}

fn tier_value(tier: Tier) -> u8 {
    match tier {
        Tier::Standard => 1,
        Tier::Growth => 2,
        Tier::Enterprise => 3,
    }
}

/// Kafka's timestamps are in milliseconds.
pub(crate) fn millis(timestamp: Timestamp) -> i64 {
    timestamp.0.div_euclid(1_000)
}
