//! The ClickHouse rows, column for column as `schemas/clickhouse` has them, and which event becomes which.
//!
//! A row is a pure function of its record: no clock, no randomness.

use clickhouse::Row;
use domain::{
    catalog::{AccountDefinition, Door, FeatureDefinition, Importance, Outcome, Status, TeamDefinition, Tier},
    event::{Body, Event},
    ids::{Offset, Partition},
    record::{Record, Reject},
    time::Timestamp,
};
use serde::Serialize;
use serde_bytes::ByteBuf;

/// Where a record stands in Kafka, and when Kafka received it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) partition: Partition,
    pub(crate) offset: Offset,
    pub(crate) received_at: Timestamp,
}

/// Rows for every table, in the order in which their records were read.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) requests: Vec<RequestRow>,
    pub(crate) request_texts: Vec<RequestTextRow>,
    pub(crate) usage: Vec<UsageRow>,
    pub(crate) needs: Vec<NeedRow>,
    pub(crate) teams: Vec<TeamRow>,
    pub(crate) features: Vec<FeatureRow>,
    pub(crate) accounts: Vec<AccountRow>,
    pub(crate) dead_letters: Vec<DeadLetterRow>,
}

#[derive(Debug, Row, Serialize)]
pub(crate) struct RequestRow {
    partition: i32,
    offset: i64,
    received_at: i64,
    source: String,
    id: String,
    time: i64,
    team: String,
    feature: String,
    account: String,
    importance: i8,
    channel: String,
    reference: String,
}

#[derive(Debug, Row, Serialize)]
pub(crate) struct RequestTextRow {
    partition: i32,
    offset: i64,
    time: i64,
    team: String,
    feature: String,
    account: String,
    text: String,
    requester: String,
}

#[derive(Debug, Row, Serialize)]
pub(crate) struct UsageRow {
    partition: i32,
    offset: i64,
    received_at: i64,
    source: String,
    id: String,
    time: i64,
    team: String,
    feature: String,
    account: String,
    operation: String,
    count: u64,
    duration_us: Option<u64>,
    outcome: i8,
}

#[derive(Debug, Row, Serialize)]
pub(crate) struct NeedRow {
    partition: i32,
    offset: i64,
    received_at: i64,
    source: String,
    id: String,
    time: i64,
    team: String,
    feature: String,
    account: String,
    signal: String,
    count: u64,
}

#[derive(Debug, Row, Serialize)]
pub(crate) struct TeamRow {
    partition: i32,
    offset: i64,
    received_at: i64,
    source: String,
    id: String,
    time: i64,
    team: String,
    name: String,
    segments: Vec<String>,
    activity_window_days: f64,
    half_life_days: f64,
    need_window_days: f64,
    need_min_count: u64,
    demand_weight: f64,
    need_weight: f64,
}

#[derive(Debug, Row, Serialize)]
pub(crate) struct FeatureRow {
    partition: i32,
    offset: i64,
    received_at: i64,
    source: String,
    id: String,
    time: i64,
    team: String,
    feature: String,
    title: String,
    status: i8,
    merged_into: String,
    effort_months: Option<f64>,
    door: i8,
}

#[derive(Debug, Row, Serialize)]
pub(crate) struct AccountRow {
    partition: i32,
    offset: i64,
    received_at: i64,
    source: String,
    id: String,
    time: i64,
    account: String,
    tier: i8,
    segments: Vec<String>,
}

#[derive(Debug, Row, Serialize)]
pub(crate) struct DeadLetterRow {
    topic: String,
    partition: i32,
    offset: i64,
    received_at: i64,
    pub(crate) reason: &'static str,
    pointer: String,
    detail: String,
    r#type: String,
    key: ByteBuf,
    headers: Vec<(ByteBuf, ByteBuf)>,
    payload: ByteBuf,
}

impl Rows {
    /// Number of rows over all tables.
    pub(crate) fn len(&self) -> usize {
        self.counts().iter().map(|(_, rows)| rows).sum()
    }

    /// Number of rows for each table.
    pub(crate) fn counts(&self) -> [(&'static str, usize); 8] {
        [
            ("requests", self.requests.len()),
            ("request_texts", self.request_texts.len()),
            ("usage", self.usage.len()),
            ("needs", self.needs.len()),
            ("teams", self.teams.len()),
            ("features", self.features.len()),
            ("accounts", self.accounts.len()),
            ("dead_letters", self.dead_letters.len()),
        ]
    }

    /// Adds a valid record's event.
    pub(crate) fn push_event(&mut self, place: Place, event: Event) {
        let Event { id, source, time, body } = event;
        let head = Head { place, source, id, time };
        match body {
            Body::RequestStated { team, feature, account, importance, channel, text, requester, reference } => {
                let (team, feature, account) = (team.to_string(), feature.to_string(), account.to_string());
                if text.is_some() || requester.is_some() {
                    self.request_texts.push(RequestTextRow {
                        partition: place.partition.0,
                        offset: place.offset.0,
                        time: time.0,
                        team: team.clone(),
                        feature: feature.clone(),
                        account: account.clone(),
                        text: text.unwrap_or_default(),
                        requester: requester.unwrap_or_default(),
                    });
                }
                self.requests.push(head.request([team, feature, account], Some(importance), channel, reference));
            }
            Body::RequestWithdrawn { team, feature, account } => {
                let ids = [team.to_string(), feature.to_string(), account.to_string()];
                self.requests.push(head.request(ids, None, None, None));
            }
            Body::UsageObserved { team, feature, account, operation, count, duration_us, outcome } => {
                self.usage.push(UsageRow {
                    partition: place.partition.0,
                    offset: place.offset.0,
                    received_at: millis(place.received_at),
                    source: head.source,
                    id: head.id,
                    time: time.0,
                    team: team.to_string(),
                    feature: feature.to_string(),
                    account: account.to_string(),
                    operation,
                    count,
                    duration_us,
                    outcome: outcome_value(outcome),
                });
            }
            Body::NeedSignaled { team, feature, account, signal, count } => self.needs.push(NeedRow {
                partition: place.partition.0,
                offset: place.offset.0,
                received_at: millis(place.received_at),
                source: head.source,
                id: head.id,
                time: time.0,
                team: team.to_string(),
                feature: feature.to_string(),
                account: account.to_string(),
                signal,
                count,
            }),
            Body::TeamDefined(team) => self.teams.push(head.team(team)),
            Body::FeatureDefined(feature) => self.features.push(head.feature(feature)),
            Body::AccountDefined(account) => self.accounts.push(head.account(account)),
        }
    }

    /// Adds a record that is not valid, whole, and why.
    pub(crate) fn push_dead_letter(&mut self, topic: &str, place: Place, record: &Record<'_>, reject: Reject) {
        let r#type = record.headers.iter().find(|(name, _)| *name == "ce_type").and_then(|(_, value)| *value);
        self.dead_letters.push(DeadLetterRow {
            topic: topic.to_owned(),
            partition: place.partition.0,
            offset: place.offset.0,
            received_at: millis(place.received_at),
            reason: reject.reason.code(),
            pointer: reject.pointer,
            detail: reject.detail,
            r#type: String::from_utf8_lossy(r#type.unwrap_or_default()).into_owned(),
            key: ByteBuf::from(record.key.unwrap_or_default()),
            headers: record
                .headers
                .iter()
                .map(|(name, value)| (ByteBuf::from(name.as_bytes()), ByteBuf::from(value.unwrap_or_default())))
                .collect(),
            payload: ByteBuf::from(record.payload.unwrap_or_default()),
        });
    }
}

/// What every row begins with.
struct Head {
    place: Place,
    source: String,
    id: String,
    time: Timestamp,
}

impl Head {
    fn request(
        self,
        [team, feature, account]: [String; 3],
        importance: Option<Importance>,
        channel: Option<String>,
        reference: Option<String>,
    ) -> RequestRow {
        RequestRow {
            partition: self.place.partition.0,
            offset: self.place.offset.0,
            received_at: millis(self.place.received_at),
            source: self.source,
            id: self.id,
            time: self.time.0,
            team,
            feature,
            account,
            importance: importance_value(importance),
            channel: channel.unwrap_or_default(),
            reference: reference.unwrap_or_default(),
        }
    }

    fn team(self, team: TeamDefinition) -> TeamRow {
        TeamRow {
            partition: self.place.partition.0,
            offset: self.place.offset.0,
            received_at: millis(self.place.received_at),
            source: self.source,
            id: self.id,
            time: self.time.0,
            team: team.team.to_string(),
            name: team.name,
            segments: team.segments,
            activity_window_days: team.parameters.activity_window_days,
            half_life_days: team.parameters.half_life_days,
            need_window_days: team.parameters.need_window_days,
            need_min_count: team.parameters.need_min_count,
            demand_weight: team.parameters.demand_weight,
            need_weight: team.parameters.need_weight,
        }
    }

    fn feature(self, feature: FeatureDefinition) -> FeatureRow {
        FeatureRow {
            partition: self.place.partition.0,
            offset: self.place.offset.0,
            received_at: millis(self.place.received_at),
            source: self.source,
            id: self.id,
            time: self.time.0,
            team: feature.team.to_string(),
            feature: feature.feature.to_string(),
            title: feature.title,
            status: status_value(feature.status),
            merged_into: feature.merged_into.map(|target| target.to_string()).unwrap_or_default(),
            effort_months: feature.effort_months,
            door: door_value(feature.door),
        }
    }

    fn account(self, account: AccountDefinition) -> AccountRow {
        AccountRow {
            partition: self.place.partition.0,
            offset: self.place.offset.0,
            received_at: millis(self.place.received_at),
            source: self.source,
            id: self.id,
            time: self.time.0,
            account: account.account.to_string(),
            tier: tier_value(account.tier),
            segments: account.segments,
        }
    }
}

// The values of the tables' enums.

fn importance_value(importance: Option<Importance>) -> i8 {
    match importance {
        None => 0,
        Some(Importance::NiceToHave) => 1,
        Some(Importance::Important) => 2,
        Some(Importance::Critical) => 3,
    }
}

fn outcome_value(outcome: Option<Outcome>) -> i8 {
    match outcome {
        None => 0,
        Some(Outcome::Ok) => 1,
        Some(Outcome::Error) => 2,
        Some(Outcome::Denied) => 3,
    }
}

fn status_value(status: Status) -> i8 {
    match status {
        Status::Proposed => 1,
        Status::Planned => 2,
        Status::Building => 3,
        Status::Launched => 4,
        Status::Retired => 5,
    }
}

fn door_value(door: Option<Door>) -> i8 {
    match door {
        None => 0,
        Some(Door::OneWay) => 1,
        Some(Door::TwoWay) => 2,
    }
}

fn tier_value(tier: Tier) -> i8 {
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
