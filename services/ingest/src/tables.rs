//! Which event fills which table.
//!
//! What is written is a pure function of the record: no clock, no randomness.

use std::{borrow::Cow, collections::BTreeMap};

use domain::{
    catalog::{AccountDefinition, Door, FeatureDefinition, Outcome, Status, TeamDefinition, Tier},
    event::Body,
    ids::{Offset, Partition},
    record::{Decoded, Record, Reject},
    time::Timestamp,
};

use crate::schema::{
    Accounts, DeadLetters, Features, Insert, Needs, RequestTexts, Requests, TeamChanges, Teams, Usage,
};

/// Where a record stands in Kafka, and when Kafka received it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) partition: Partition,
    pub(crate) offset: Offset,
    pub(crate) received_at: Timestamp,
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
    changes.insert()
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
