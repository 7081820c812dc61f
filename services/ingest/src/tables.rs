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
    native::Strings,
    schema::{
        Accounts, Columns as _, DeadLetters, Deduplication, Features, Head, Insert, Needs, Offsets, Placed, Repeats,
        RequestTexts, Requests, Table as _, TeamChanges, Teams, Usage, UsageDays,
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
    requests: Requests,
    request_texts: RequestTexts,
    usage: Usage,
    days: Days,
    needs: Needs,
    teams: Teams,
    features: Features,
    accounts: Accounts,
    dead_letters: DeadLetters,
    repeats: Repeats,
    reasons: BTreeMap<&'static str, u64>,
}

/// Which rows a look found in each table: the offsets of their records. All of one partition.
pub(crate) type There = BTreeMap<&'static str, BTreeSet<Offset>>;

/// One partition's part of an insert.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) partition: Partition,
    pub(crate) tables: &'a Tables,
    /// The rows to leave out; none where no look was needed.
    pub(crate) there: Option<&'a There>,
}

/// The inserts of all `parts`, one block for each table, in the order in which they must be sent.
///
/// What a reader finds through another row, and what no look asks for, is written before it: days and texts, then the rows.
pub(crate) fn inserts(parts: &[Part<'_>]) -> Vec<Insert> {
    let days: Vec<_> = parts.iter().map(|part| part.tables.days.table()).collect();
    // Owners of different partitions may share a token, and only one of them has its texts then: a look that does not know
    // which requests have a text would not see it.
    let texts = parts.iter().map(|part| {
        insert(std::slice::from_ref(part), |tables| &tables.request_texts, Deduplication::Part(part.partition))
    });
    let group = Deduplication::Group;
    std::iter::once(UsageDays::insert(&days, Deduplication::Never))
        .chain(texts)
        .chain([
            insert(parts, |tables| &tables.requests, group),
            insert(parts, |tables| &tables.usage, group),
            insert(parts, |tables| &tables.needs, group),
            insert(parts, |tables| &tables.teams, group),
            insert(parts, |tables| &tables.features, group),
            insert(parts, |tables| &tables.accounts, group),
            insert(parts, |tables| &tables.dead_letters, group),
            insert(parts, |tables| &tables.repeats, group),
        ])
        .flatten()
        .collect()
}

/// One table's insert of those rows that are not there already.
fn insert<T: Placed>(parts: &[Part<'_>], table: fn(&Tables) -> &T, deduplication: Deduplication) -> Option<Insert> {
    let filtered: Vec<Option<T>> = parts
        .iter()
        .map(|part| {
            let there = part.there?.get(T::NAME).filter(|there| !there.is_empty())?;
            let table = table(part.tables);
            let keep: Vec<bool> = table.origin().offsets().map(|offset| !there.contains(&offset)).collect();
            Some(table.filtered(&keep))
        })
        .collect();
    let tables: Vec<&T> =
        parts.iter().zip(&filtered).map(|(part, filtered)| filtered.as_ref().unwrap_or(table(part.tables))).collect();
    T::insert(&tables, deduplication)
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
        for team in named.into_iter().flat_map(Strings::iter) {
            *teams.entry(team).or_default() += 1;
        }
        if tables.accounts.rows > 0 {
            *teams.entry(b"").or_default() += tables.accounts.rows as u64;
        }
    }
    teams.into_iter().map(|(team, rows)| (String::from_utf8_lossy(team).into_owned(), rows)).collect()
}

impl Tables {
    /// Memory taken, in bytes: what counts against a byte budget.
    pub(crate) fn bytes(&self) -> usize {
        self.requests.allocated()
            + self.request_texts.allocated()
            + self.usage.allocated()
            + self.days.allocated()
            + self.needs.allocated()
            + self.teams.allocated()
            + self.features.allocated()
            + self.accounts.allocated()
            + self.dead_letters.allocated()
            + self.repeats.allocated()
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

    /// Adds a valid record's event.
    pub(crate) fn push_event(&mut self, place: Place, event: &Decoded<'_>) {
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
                self.days.push(team, feature, account, event.time);
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

/// Tells the ranker how many rows each team has got, written under the span that `traceparent` names.
pub(crate) fn team_changes(teams: &BTreeMap<String, u64>, traceparent: &str) -> Option<Insert> {
    let mut changes = TeamChanges::default();
    for (team, rows) in teams {
        changes.rows += 1;
        changes.team.push(team);
        changes.written.push(rows.to_le_bytes());
        changes.traceparent.push(traceparent);
    }
    TeamChanges::insert(&[&changes], Deduplication::Never)
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

#[cfg(test)]
mod tests {
    use domain::record::{InputTopic, Reason, decode};

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
                Ok(event) => tables.push_event(place, &event),
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

    fn part(partition: i32, tables: &Tables) -> Part<'_> {
        Part { partition: Partition(partition), tables, there: None }
    }

    /// What is sent, comparable.
    fn sent(parts: &[Part<'_>]) -> Vec<(&'static str, Deduplication, usize, Vec<u8>)> {
        let comparable = |insert: Insert| (insert.table, insert.deduplication, insert.rows, insert.block);
        inserts(parts).into_iter().map(comparable).collect()
    }

    fn count(tables: &Tables) -> usize {
        tables.offsets().iter().map(|(_, offsets)| offsets.len()).sum()
    }

    #[test]
    fn days_and_texts_are_sent_before_the_rows_that_readers_reach_them_by() {
        let (zero, one) = (tables(0, 0..16, &[4]), tables(1, 0..16, &[]));
        let sent = sent(&[part(0, &zero), part(1, &one)]);
        let order: Vec<_> =
            sent.iter().map(|(table, deduplication, rows, _)| (*table, *deduplication, *rows)).collect();
        let group = Deduplication::Group;
        assert_eq!(
            order,
            [
                ("usage_days", Deduplication::Never, 2),
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
    fn rows_that_are_there_are_left_out_of_their_own_table_and_days_never_are() {
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
            sent.into_iter().filter(|(table, ..)| *table != "usage_days").collect::<Vec<_>>()
        };
        assert_eq!(rows(filtered), rows(expected));
        assert_eq!(whole.missing(&some), count(&missing));

        let all = there(&(0..40).collect::<Vec<_>>());
        let nothing = sent(&[Part { there: Some(&all), ..part(0, &whole) }]);
        assert_eq!(nothing.iter().map(|(table, ..)| *table).collect::<Vec<_>>(), ["usage_days"]);
        assert_eq!(whole.missing(&all), 0);
        assert_eq!(whole.missing(&There::new()), count(&whole));
    }

    #[test]
    fn what_turns_out_to_be_a_repeat_leaves_nothing_but_a_repeat() {
        let offsets = [0, 8, 9, 12, 13, 14];
        let mut turned = tables(0, 0..24, &[]);
        turned.turn_into_repeats(TOPIC, &offsets.map(Offset).into());
        let mut pushed = tables(0, 0..24, &offsets);
        // By table, not by offset.
        pushed.repeats = Repeats::default();
        for offset in [0, 8, 9, 12, 13, 14] {
            pushed.repeats.append(&tables(0, offset..=offset, &offsets).repeats);
        }
        assert_eq!(sent(&[part(0, &turned)]), sent(&[part(0, &pushed)]));
        let requests: Vec<Offset> = turned.identities().map(|(offset, ..)| offset).collect();
        assert_eq!(requests, [1, 16, 17, 4, 20, 5, 21, 6, 22].map(Offset));
    }

    #[test]
    fn teams_are_counted_by_their_rows() {
        let (zero, one) = (tables(0, 0..8, &[]), tables(1, 2..3, &[]));
        let rows = rows_by_team(&[part(0, &zero), part(1, &one)]);
        assert_eq!(rows, [("", 1), ("t", 6), ("u", 1)].map(|(team, rows)| (team.to_owned(), rows)).into());
    }
}
