//! The ClickHouse tables as columns, name for name as `schemas/clickhouse` has them.

use domain::{
    ids::{AccountId, FeatureId, TeamId},
    record::Decoded,
};

use crate::{
    native::{Arrays, Column, Nullable, Numbers, Strings, block},
    tables::{Place, millis},
};

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

/// Names, types and values of a group of columns.
type Columns<'a> = Vec<(&'static str, &'static str, &'a dyn Column)>;

/// What the rows of every event begin with.
#[derive(Debug, Default)]
pub(crate) struct Head {
    partition: Numbers,
    offset: Numbers,
    received_at: Numbers,
    source: Strings,
    id: Strings,
    time: Numbers,
}

impl Head {
    pub(crate) fn push(&mut self, place: Place, event: &Decoded<'_>) {
        self.partition.push(place.partition.0.to_le_bytes());
        self.offset.push(place.offset.0.to_le_bytes());
        self.received_at.push(millis(place.received_at).to_le_bytes());
        self.source.push(event.source.as_bytes());
        self.id.push(event.id.as_bytes());
        self.time.push(event.time.0.to_le_bytes());
    }

    fn columns(&self) -> Columns<'_> {
        vec![
            ("partition", "Int32", &self.partition),
            ("offset", "Int64", &self.offset),
            ("received_at", "DateTime64(3, 'UTC')", &self.received_at),
            ("source", "String", &self.source),
            ("id", "String", &self.id),
            ("time", "DateTime64(6, 'UTC')", &self.time),
        ]
    }
}

/// Who, and about what.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    team: Strings,
    feature: Strings,
    account: Strings,
}

impl Subject {
    pub(crate) fn push<Text: AsRef<str>>(
        &mut self,
        team: &TeamId<Text>,
        feature: &FeatureId<Text>,
        account: &AccountId<Text>,
    ) {
        self.team.push(team.as_str());
        self.feature.push(feature.as_str());
        self.account.push(account.as_str());
    }

    fn columns(&self) -> Columns<'_> {
        vec![("team", "String", &self.team), ("feature", "String", &self.feature), ("account", "String", &self.account)]
    }
}

/// Defines a table: the groups that it begins with, then for each column its field, its name and type in ClickHouse, and how
/// its values are held.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident $table:literal ($($group:ident: $columns:ty),*) {
        $($field:ident $column:literal $kind:literal: $values:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name {
            pub(crate) rows: usize,
            $(pub(crate) $group: $columns,)*
            $(pub(crate) $field: $values,)*
        }

        impl $name {
            /// The table's insert; none without rows.
            pub(crate) fn insert(self) -> Option<Insert> {
                let own: Columns<'_> = vec![$(($column, $kind, &self.$field)),*];
                let columns: Columns<'_> = [$(self.$group.columns(),)* own].concat();
                let names: Vec<&str> = columns.iter().map(|(name, ..)| *name).collect();
                (self.rows > 0).then(|| Insert {
                    table: $table,
                    sql: format!("INSERT INTO {} ({}) FORMAT Native", $table, names.join(", ")),
                    rows: self.rows,
                    block: block(self.rows, &columns),
                })
            }
        }
    };
}

table! {
    /// Statements and withdrawals, without personal data.
    Requests "requests" (head: Head, subject: Subject) {
        importance "importance" "Int8": Numbers,
        channel "channel" "String": Strings,
        reference "reference" "String": Strings,
    }
}

table! {
    /// The personal part of statements.
    RequestTexts "request_texts" (head: Head, subject: Subject) {
        text "text" "String": Strings,
        requester "requester" "String": Strings,
    }
}

table! {
    /// What accounts did.
    Usage "usage" (head: Head, subject: Subject) {
        operation "operation" "String": Strings,
        count "count" "UInt64": Numbers,
        duration_us "duration_us" "Nullable(UInt64)": Nullable<Numbers>,
        outcome "outcome" "Int8": Numbers,
    }
}

table! {
    /// What accounts' usage shows they need.
    Needs "needs" (head: Head, subject: Subject) {
        signal "signal" "String": Strings,
        count "count" "UInt64": Numbers,
    }
}

table! {
    /// Definitions of teams.
    Teams "teams" (head: Head) {
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
    Features "features" (head: Head) {
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
    Accounts "accounts" (head: Head) {
        account "account" "String": Strings,
        tier "tier" "Int8": Numbers,
        segments "segments" "Array(String)": Arrays<Strings>,
    }
}

table! {
    /// Which teams have new rows.
    TeamChanges "team_changes" () {
        team "team" "String": Strings,
        written "rows" "UInt64": Numbers,
        traceparent "traceparent" "String": Strings,
    }
}

table! {
    /// Records that are not valid, whole.
    DeadLetters "dead_letters" () {
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
