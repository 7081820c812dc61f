//! The ClickHouse tables as columns, name for name as `schemas/clickhouse` has them, and which event fills which.
//!
//! What is written is a pure function of the record: no clock, no randomness.

use std::collections::BTreeMap;

use domain::{
    catalog::{AccountDefinition, Door, FeatureDefinition, Importance, Outcome, Status, TeamDefinition, Tier},
    event::{Body, Event},
    ids::{Offset, Partition},
    record::{Record, Reject},
    time::Timestamp,
};

use crate::native::{Arrays, Column, Nullable, Numbers, Strings, block};

/// Where a record stands in Kafka, and when Kafka received it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) partition: Partition,
    pub(crate) offset: Offset,
    pub(crate) received_at: Timestamp,
}

/// One table's part of a batch, ready to be sent, as often as it takes.
#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) table: &'static str,
    /// `INSERT INTO … FORMAT Native`.
    pub(crate) sql: String,
    pub(crate) rows: usize,
    /// A block in Native format.
    pub(crate) block: Vec<u8>,
}

/// Defines a table: for each column its field, its name and type in ClickHouse, and how its values are held.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident $table:literal { $($field:ident $column:literal $kind:literal: $values:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        struct $name {
            rows: usize,
            $($field: $values,)*
        }

        impl $name {
            fn insert(self) -> Option<Insert> {
                let columns: &[(&str, &str, &dyn Column)] = &[$(($column, $kind, &self.$field),)*];
                let names: Vec<&str> = columns.iter().map(|(name, ..)| *name).collect();
                (self.rows > 0).then(|| Insert {
                    table: $table,
                    sql: format!("INSERT INTO {} ({}) FORMAT Native", $table, names.join(", ")),
                    rows: self.rows,
                    block: block(self.rows, columns),
                })
            }
        }
    };
}

table! {
    /// Statements and withdrawals, without personal data.
    Requests "requests" {
        partition "partition" "Int32": Numbers,
        offset "offset" "Int64": Numbers,
        received_at "received_at" "DateTime64(3, 'UTC')": Numbers,
        source "source" "String": Strings,
        id "id" "String": Strings,
        time "time" "DateTime64(6, 'UTC')": Numbers,
        team "team" "String": Strings,
        feature "feature" "String": Strings,
        account "account" "String": Strings,
        importance "importance" "Int8": Numbers,
        channel "channel" "String": Strings,
        reference "reference" "String": Strings,
    }
}

table! {
    /// The personal part of statements.
    RequestTexts "request_texts" {
        partition "partition" "Int32": Numbers,
        offset "offset" "Int64": Numbers,
        time "time" "DateTime64(6, 'UTC')": Numbers,
        team "team" "String": Strings,
        feature "feature" "String": Strings,
        account "account" "String": Strings,
        text "text" "String": Strings,
        requester "requester" "String": Strings,
    }
}

table! {
    /// What accounts did.
    Usage "usage" {
        partition "partition" "Int32": Numbers,
        offset "offset" "Int64": Numbers,
        received_at "received_at" "DateTime64(3, 'UTC')": Numbers,
        source "source" "String": Strings,
        id "id" "String": Strings,
        time "time" "DateTime64(6, 'UTC')": Numbers,
        team "team" "String": Strings,
        feature "feature" "String": Strings,
        account "account" "String": Strings,
        operation "operation" "String": Strings,
        count "count" "UInt64": Numbers,
        duration_us "duration_us" "Nullable(UInt64)": Nullable<Numbers>,
        outcome "outcome" "Int8": Numbers,
    }
}

table! {
    /// What accounts' usage shows they need.
    Needs "needs" {
        partition "partition" "Int32": Numbers,
        offset "offset" "Int64": Numbers,
        received_at "received_at" "DateTime64(3, 'UTC')": Numbers,
        source "source" "String": Strings,
        id "id" "String": Strings,
        time "time" "DateTime64(6, 'UTC')": Numbers,
        team "team" "String": Strings,
        feature "feature" "String": Strings,
        account "account" "String": Strings,
        signal "signal" "String": Strings,
        count "count" "UInt64": Numbers,
    }
}

table! {
    /// Definitions of teams.
    Teams "teams" {
        partition "partition" "Int32": Numbers,
        offset "offset" "Int64": Numbers,
        received_at "received_at" "DateTime64(3, 'UTC')": Numbers,
        source "source" "String": Strings,
        id "id" "String": Strings,
        time "time" "DateTime64(6, 'UTC')": Numbers,
        team "team" "String": Strings,
        name "name" "String": Strings,
        segments "segments" "Array(String)": Arrays<Strings>,
        activity_window_days "activity_window_days" "Float64": Numbers,
        half_life_days "half_life_days" "Float64": Numbers,
        need_window_days "need_window_days" "Float64": Numbers,
        need_min_count "need_min_count" "UInt64": Numbers,
        demand_weight "demand_weight" "Float64": Numbers,
        need_weight "need_weight" "Float64": Numbers,
    }
}

table! {
    /// Definitions of features.
    Features "features" {
        partition "partition" "Int32": Numbers,
        offset "offset" "Int64": Numbers,
        received_at "received_at" "DateTime64(3, 'UTC')": Numbers,
        source "source" "String": Strings,
        id "id" "String": Strings,
        time "time" "DateTime64(6, 'UTC')": Numbers,
        team "team" "String": Strings,
        feature "feature" "String": Strings,
        title "title" "String": Strings,
        status "status" "Int8": Numbers,
        merged_into "merged_into" "String": Strings,
        effort_months "effort_months" "Nullable(Float64)": Nullable<Numbers>,
        door "door" "Int8": Numbers,
    }
}

table! {
    /// Definitions of accounts.
    Accounts "accounts" {
        partition "partition" "Int32": Numbers,
        offset "offset" "Int64": Numbers,
        received_at "received_at" "DateTime64(3, 'UTC')": Numbers,
        source "source" "String": Strings,
        id "id" "String": Strings,
        time "time" "DateTime64(6, 'UTC')": Numbers,
        account "account" "String": Strings,
        tier "tier" "Int8": Numbers,
        segments "segments" "Array(String)": Arrays<Strings>,
    }
}

table! {
    /// Which teams have new rows.
    TeamChanges "team_changes" {
        team "team" "String": Strings,
        written "rows" "UInt64": Numbers,
        traceparent "traceparent" "String": Strings,
    }
}

table! {
    /// Records that are not valid, whole.
    DeadLetters "dead_letters" {
        topic "topic" "String": Strings,
        partition "partition" "Int32": Numbers,
        offset "offset" "Int64": Numbers,
        received_at "received_at" "DateTime64(3, 'UTC')": Numbers,
        reason "reason" "String": Strings,
        pointer "pointer" "String": Strings,
        detail "detail" "String": Strings,
        event_type "type" "String": Strings,
        key "key" "Nullable(String)": Nullable<Strings>,
        headers "headers" "Array(Tuple(String, Nullable(String)))": Arrays<(Strings, Nullable<Strings>)>,
        payload "payload" "Nullable(String)": Nullable<Strings>,
    }
}

/// Every table's rows of one batch, in the order in which their records were read.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    requests: Requests,
    request_texts: RequestTexts,
    usage: Usage,
    needs: Needs,
    teams: Teams,
    features: Features,
    accounts: Accounts,
    dead_letters: DeadLetters,
    reasons: BTreeMap<&'static str, u64>,
}

impl Tables {
    /// Number of rows over all tables.
    pub(crate) fn rows(&self) -> usize {
        self.requests.rows
            + self.request_texts.rows
            + self.usage.rows
            + self.needs.rows
            + self.teams.rows
            + self.features.rows
            + self.accounts.rows
            + self.dead_letters.rows
    }

    /// Dead letters by the code of their reason.
    pub(crate) fn reasons(&self) -> &BTreeMap<&'static str, u64> {
        &self.reasons
    }

    /// The inserts of the tables that have rows.
    pub(crate) fn into_inserts(self) -> Vec<Insert> {
        [
            self.requests.insert(),
            self.request_texts.insert(),
            self.usage.insert(),
            self.needs.insert(),
            self.teams.insert(),
            self.features.insert(),
            self.accounts.insert(),
            self.dead_letters.insert(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Adds a valid record's event.
    pub(crate) fn push_event(&mut self, place: Place, event: &Event) {
        match &event.body {
            Body::RequestStated { team, feature, account, importance, channel, text, requester, reference } => {
                let ids = [team.as_str(), feature.as_str(), account.as_str()];
                let [channel, reference] = [channel, reference].map(|optional| optional.as_deref().unwrap_or_default());
                self.requests.push(place, event, ids, Some(*importance), [channel, reference]);
                if text.is_some() || requester.is_some() {
                    let personal = [text, requester].map(|optional| optional.as_deref().unwrap_or_default());
                    self.request_texts.push(place, event.time, ids, personal);
                }
            }
            Body::RequestWithdrawn { team, feature, account } => {
                let ids = [team.as_str(), feature.as_str(), account.as_str()];
                self.requests.push(place, event, ids, None, [""; 2]);
            }
            Body::UsageObserved { team, feature, account, operation, count, duration_us, outcome } => {
                let ids = [team.as_str(), feature.as_str(), account.as_str()];
                self.usage.push(place, event, ids, operation, *count, *duration_us, *outcome);
            }
            Body::NeedSignaled { team, feature, account, signal, count } => {
                let ids = [team.as_str(), feature.as_str(), account.as_str()];
                self.needs.push(place, event, ids, signal, *count);
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
    changes.insert()
}

impl Requests {
    fn push(
        &mut self,
        place: Place,
        event: &Event,
        [team, feature, account]: [&str; 3],
        importance: Option<Importance>,
        [channel, reference]: [&str; 2],
    ) {
        self.rows += 1;
        self.partition.push(place.partition.0.to_le_bytes());
        self.offset.push(place.offset.0.to_le_bytes());
        self.received_at.push(millis(place.received_at).to_le_bytes());
        self.source.push(&event.source);
        self.id.push(&event.id);
        self.time.push(event.time.0.to_le_bytes());
        self.team.push(team);
        self.feature.push(feature);
        self.account.push(account);
        self.importance.push([importance.map_or(0, Importance::level)]);
        self.channel.push(channel);
        self.reference.push(reference);
    }
}

impl RequestTexts {
    fn push(
        &mut self,
        place: Place,
        time: Timestamp,
        [team, feature, account]: [&str; 3],
        [text, requester]: [&str; 2],
    ) {
        self.rows += 1;
        self.partition.push(place.partition.0.to_le_bytes());
        self.offset.push(place.offset.0.to_le_bytes());
        self.time.push(time.0.to_le_bytes());
        self.team.push(team);
        self.feature.push(feature);
        self.account.push(account);
        self.text.push(text);
        self.requester.push(requester);
    }
}

impl Usage {
    #[expect(clippy::too_many_arguments, reason = "one for each column that only usage has")]
    fn push(
        &mut self,
        place: Place,
        event: &Event,
        [team, feature, account]: [&str; 3],
        operation: &str,
        count: u64,
        duration_us: Option<u64>,
        outcome: Option<Outcome>,
    ) {
        self.rows += 1;
        self.partition.push(place.partition.0.to_le_bytes());
        self.offset.push(place.offset.0.to_le_bytes());
        self.received_at.push(millis(place.received_at).to_le_bytes());
        self.source.push(&event.source);
        self.id.push(&event.id);
        self.time.push(event.time.0.to_le_bytes());
        self.team.push(team);
        self.feature.push(feature);
        self.account.push(account);
        self.operation.push(operation);
        self.count.push(count.to_le_bytes());
        self.duration_us.push(duration_us.map(u64::to_le_bytes));
        self.outcome.push([outcome_value(outcome)]);
    }
}

impl Needs {
    fn push(&mut self, place: Place, event: &Event, [team, feature, account]: [&str; 3], signal: &str, count: u64) {
        self.rows += 1;
        self.partition.push(place.partition.0.to_le_bytes());
        self.offset.push(place.offset.0.to_le_bytes());
        self.received_at.push(millis(place.received_at).to_le_bytes());
        self.source.push(&event.source);
        self.id.push(&event.id);
        self.time.push(event.time.0.to_le_bytes());
        self.team.push(team);
        self.feature.push(feature);
        self.account.push(account);
        self.signal.push(signal);
        self.count.push(count.to_le_bytes());
    }
}

impl Teams {
    fn push(&mut self, place: Place, event: &Event, team: &TeamDefinition) {
        self.rows += 1;
        self.partition.push(place.partition.0.to_le_bytes());
        self.offset.push(place.offset.0.to_le_bytes());
        self.received_at.push(millis(place.received_at).to_le_bytes());
        self.source.push(&event.source);
        self.id.push(&event.id);
        self.time.push(event.time.0.to_le_bytes());
        self.team.push(team.team.as_str());
        self.name.push(&team.name);
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
    fn push(&mut self, place: Place, event: &Event, feature: &FeatureDefinition) {
        self.rows += 1;
        self.partition.push(place.partition.0.to_le_bytes());
        self.offset.push(place.offset.0.to_le_bytes());
        self.received_at.push(millis(place.received_at).to_le_bytes());
        self.source.push(&event.source);
        self.id.push(&event.id);
        self.time.push(event.time.0.to_le_bytes());
        self.team.push(feature.team.as_str());
        self.feature.push(feature.feature.as_str());
        self.title.push(&feature.title);
        self.status.push([status_value(feature.status)]);
        self.merged_into.push(feature.merged_into.as_ref().map_or("", |target| target.as_str()));
        self.effort_months.push(feature.effort_months.map(f64::to_le_bytes));
        self.door.push([door_value(feature.door)]);
    }
}

impl Accounts {
    fn push(&mut self, place: Place, event: &Event, account: &AccountDefinition) {
        self.rows += 1;
        self.partition.push(place.partition.0.to_le_bytes());
        self.offset.push(place.offset.0.to_le_bytes());
        self.received_at.push(millis(place.received_at).to_le_bytes());
        self.source.push(&event.source);
        self.id.push(&event.id);
        self.time.push(event.time.0.to_le_bytes());
        self.account.push(account.account.as_str());
        self.tier.push([tier_value(account.tier)]);
        self.segments.push(&account.segments);
    }
}

impl DeadLetters {
    fn push(&mut self, topic: &str, place: Place, record: &Record<'_>, reject: &Reject) {
        let event_type = record.headers.iter().find(|(name, _)| *name == "ce_type").and_then(|(_, value)| *value);
        self.rows += 1;
        self.topic.push(topic);
        self.partition.push(place.partition.0.to_le_bytes());
        self.offset.push(place.offset.0.to_le_bytes());
        self.received_at.push(millis(place.received_at).to_le_bytes());
        self.reason.push(reject.reason.code());
        self.pointer.push(&reject.pointer);
        self.detail.push(&reject.detail);
        self.event_type.push(event_type.unwrap_or_default());
        self.key.push(record.key);
        self.headers.push(record.headers.iter().copied());
        self.payload.push(record.payload);
    }
}

// The values of the tables' enums.

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
