//! The ClickHouse tables as columns, name for name as `schemas/clickhouse` has them.

use domain::{
    ids::{AccountId, FeatureId, Offset, TeamId},
    record::Decoded,
};

use crate::{
    native::{Arrays, Block, Column, Nullable, Numbers, Strings, Words},
    tables::{Place, Tables, millis},
};

/// Offsets of rows.
pub(crate) type Offsets<'a> = std::iter::Map<std::slice::Iter<'a, [u8; 8]>, fn(&[u8; 8]) -> Offset>;

/// A group of columns that are filled together.
pub(crate) trait Columns: Default {
    /// How many columns.
    const COUNT: usize;

    /// Appends the columns' names.
    fn names(names: &mut Vec<&'static str>);

    /// Memory that the values take, in bytes, see [`Column::bytes`].
    fn bytes(&self) -> usize;

    /// The same columns without values, with room for about as many.
    fn emptied(&self) -> Self;

    /// Appends the columns to a block, each with the values of all `parts`.
    fn write<'a>(parts: impl Iterator<Item = &'a Self> + Clone, block: &mut Block<'_>)
    where
        Self: 'a;

    /// Only the values of those rows that `keep` names with true, one for each row.
    fn filtered(&self, keep: &[bool]) -> Self;

    /// Appends another part's values.
    fn append(&mut self, other: &Self);
}

/// A table's rows in the making: those of one part.
pub(crate) trait Table: Columns {
    /// Its name in ClickHouse.
    const NAME: &'static str;

    /// How many rows.
    fn rows(&self) -> usize;

    /// Makes one block of all `parts`' rows and hands it on piece by piece.
    fn block(parts: &[&Self], hand_on: &mut dyn FnMut(Vec<u8>)) {
        let rows = parts.iter().map(|part| part.rows()).sum();
        let mut block = Block::new(Self::COUNT, rows, hand_on);
        Self::write(parts.iter().copied(), &mut block);
        block.end();
    }

    /// What the block is sent with.
    fn sql() -> String {
        let mut names = Vec::with_capacity(Self::COUNT);
        Self::names(&mut names);
        format!("INSERT INTO {} ({}) FORMAT Native", Self::NAME, names.join(", "))
    }
}

/// A table whose rows are records' own: each says from which offset it comes.
pub(crate) trait Placed: Table {
    /// The table among all of them.
    fn of(tables: &Tables) -> &Self;

    /// Where the rows' records stand.
    fn origin(&self) -> &Origin;
}

/// Defines a group of columns: the groups that it begins with, then for each column its field, its name and type in
/// ClickHouse, and how its values are held. A group that is a table counts its rows and has a name.
macro_rules! columns {
    (
        $(#[$doc:meta])* $name:ident $($table:literal)? ($($group:ident: $columns:ty),*)
        { $($field:ident $column:literal $kind:literal: $values:ty,)* } $($rows:ident)?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name {
            $(pub(crate) $rows: usize,)?
            $(pub(crate) $group: $columns,)*
            $(pub(crate) $field: $values,)*
        }

        impl Columns for $name {
            const COUNT: usize = [$($column),*].len() $(+ <$columns>::COUNT)*;

            fn names(names: &mut Vec<&'static str>) {
                $(<$columns>::names(names);)*
                names.extend([$($column),*]);
            }

            fn bytes(&self) -> usize {
                0 $(+ self.$group.bytes())* $(+ self.$field.bytes())*
            }

            fn emptied(&self) -> Self {
                Self {
                    $($rows: 0,)?
                    $($group: self.$group.emptied(),)*
                    $($field: self.$field.emptied(),)*
                }
            }

            fn write<'a>(parts: impl Iterator<Item = &'a Self> + Clone, block: &mut Block<'_>) {
                $(<$columns>::write(parts.clone().map(|part| &part.$group), block);)*
                $(block.column($column, $kind, parts.clone().map(|part| &part.$field));)*
            }

            fn filtered(&self, keep: &[bool]) -> Self {
                Self {
                    $($rows: keep.iter().filter(|keep| **keep).count(),)?
                    $($group: self.$group.filtered(keep),)*
                    $($field: self.$field.filtered(keep),)*
                }
            }

            fn append(&mut self, other: &Self) {
                $(self.$rows += other.$rows;)?
                $(self.$group.append(&other.$group);)*
                $(self.$field.append(&other.$field);)*
            }
        }

        $(impl Table for $name {
            const NAME: &'static str = $table;

            fn rows(&self) -> usize {
                self.rows
            }
        })?
    };
}

/// Defines a table, see [`columns`].
macro_rules! table {
    ($(#[$doc:meta])* $name:ident $table:literal ($($groups:tt)*) { $($columns:tt)* }) => {
        columns! { $(#[$doc])* $name $table ($($groups)*) { $($columns)* } rows }
    };
}

columns! {
    /// Where a record stands in Kafka, and when Kafka received it.
    Origin () {
        partition "partition" "Int32": Numbers,
        offset "offset" "Int64": Numbers,
        received_at "received_at" "DateTime64(3, 'UTC')": Numbers,
    }
}

columns! {
    /// What identifies a valid record.
    Identity () {
        source "source" "LowCardinality(String)": Words,
        id "id" "String": Strings,
    }
}

columns! {
    /// What the rows of every event begin with.
    Head (origin: Origin, identity: Identity) {
        time "time" "DateTime64(6, 'UTC')": Numbers,
    }
}

columns! {
    /// Who, and about what.
    Subject () {
        team "team" "LowCardinality(String)": Words,
        feature "feature" "LowCardinality(String)": Words,
        account "account" "String": Strings,
    }
}

columns! {
    /// When something happened first and last.
    Span () {
        first "first" "DateTime64(6, 'UTC')": Numbers,
        last "last" "DateTime64(6, 'UTC')": Numbers,
    }
}

impl Span {
    /// Appends a row for what happened then.
    pub(crate) fn push(&mut self, time: i64) {
        self.first.push(time.to_le_bytes());
        self.last.push(time.to_le_bytes());
    }

    /// Makes a row reach to that time.
    pub(crate) fn reach(&mut self, row: usize, time: i64) {
        if let Some(first) = self.first.get_mut(row) {
            *first = i64::from_le_bytes(*first).min(time).to_le_bytes();
        }
        if let Some(last) = self.last.get_mut(row) {
            *last = i64::from_le_bytes(*last).max(time).to_le_bytes();
        }
    }
}

impl Origin {
    pub(crate) fn push(&mut self, place: Place) {
        self.partition.push(place.partition.0.to_le_bytes());
        self.offset.push(place.offset.0.to_le_bytes());
        self.received_at.push(millis(place.received_at).to_le_bytes());
    }

    /// The rows' offsets, in the order of the rows.
    pub(crate) fn offsets(&self) -> Offsets<'_> {
        let offset: fn(&[u8; 8]) -> Offset = |bytes| Offset(i64::from_le_bytes(*bytes));
        self.offset.iter().map(offset)
    }
}

impl Identity {
    pub(crate) fn push(&mut self, source: &[u8], id: &[u8]) {
        self.source.push(source);
        self.id.push(id);
    }
}

impl Head {
    pub(crate) fn push(&mut self, place: Place, event: &Decoded<'_>) {
        self.origin.push(place);
        self.identity.push(event.source.as_bytes(), event.id.as_bytes());
        self.time.push(event.time.0.to_le_bytes());
    }
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
}

table! {
    /// Statements and withdrawals, without personal data.
    Requests "requests" (head: Head, subject: Subject) {
        importance "importance" "Int8": Numbers,
        channel "channel" "LowCardinality(String)": Words,
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
        operation "operation" "LowCardinality(String)": Words,
        count "count" "UInt64": Numbers,
        duration_us "duration_us" "Nullable(UInt64)": Nullable<Numbers>,
        outcome "outcome" "Int8": Numbers,
    }
}

table! {
    /// When accounts used features first and last on each day.
    UsageDays "usage_days" (subject: Subject, span: Span) {
        day "day" "Date32": Numbers,
    }
}

table! {
    /// When accounts had events first and last in each month, by usage and otherwise.
    ActiveMonths "active_months" (span: Span) {
        team "team" "LowCardinality(String)": Words,
        account "account" "String": Strings,
        month "month" "Date32": Numbers,
        is_use "is_use" "Bool": Numbers,
    }
}

table! {
    /// What accounts' usage shows they need.
    Needs "needs" (head: Head, subject: Subject) {
        signal "signal" "LowCardinality(String)": Words,
        count "count" "UInt64": Numbers,
    }
}

table! {
    /// Definitions of teams.
    Teams "teams" (head: Head) {
        team "team" "LowCardinality(String)": Words,
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
        team "team" "LowCardinality(String)": Words,
        feature "feature" "LowCardinality(String)": Words,
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
        team "team" "LowCardinality(String)": Words,
        written "rows" "UInt64": Numbers,
        traceparent "traceparent" "String": Strings,
    }
}

table! {
    /// Records that are not valid, whole.
    DeadLetters "dead_letters" (origin: Origin) {
        topic "topic" "LowCardinality(String)": Words,
        reason "reason" "LowCardinality(String)": Words,
        pointer "pointer" "String": Strings,
        detail "detail" "String": Strings,
        event_type "type" "String": Strings,
        key "key" "Nullable(String)": Nullable<Strings>,
        headers "headers" "Array(Tuple(String, Nullable(String)))": Arrays<(Strings, Nullable<Strings>)>,
        payload "payload" "Nullable(String)": Nullable<Strings>,
    }
}

table! {
    /// Valid records that say again what one before them said.
    Repeats "repeats" (origin: Origin, identity: Identity) {
        topic "topic" "LowCardinality(String)": Words,
    }
}

/// Implements [`Placed`] for the tables whose rows are records' own.
macro_rules! placed {
    ($($name:ident: $table:ident $($origin:ident).+;)*) => {
        $(impl Placed for $name {
            fn of(tables: &Tables) -> &Self {
                &tables.$table
            }

            fn origin(&self) -> &Origin {
                &self.$($origin).+
            }
        })*
    };
}

placed! {
    Requests: requests head.origin;
    RequestTexts: request_texts head.origin;
    Usage: usage head.origin;
    Needs: needs head.origin;
    Teams: teams head.origin;
    Features: features head.origin;
    Accounts: accounts head.origin;
    DeadLetters: dead_letters origin;
    Repeats: repeats origin;
}
