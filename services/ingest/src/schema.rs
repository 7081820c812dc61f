//! The ClickHouse tables as columns, name for name as `schemas/clickhouse` has them.

use domain::{
    ids::{AccountId, FeatureId, Offset, Partition, TeamId},
    record::Decoded,
};

use crate::{
    native::{Arrays, Block, Column, Nullable, Numbers, Strings},
    tables::{Place, millis},
};

/// One table's rows of an insert, ready to be sent, as often as it takes.
#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) table: &'static str,
    /// `INSERT INTO … FORMAT Native`.
    pub(crate) sql: String,
    pub(crate) rows: usize,
    /// A block in Native format.
    pub(crate) block: Vec<u8>,
    pub(crate) deduplication: Deduplication,
}

/// What tells ClickHouse that it has had an insert before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deduplication {
    /// The token of the insert's group and the table: `<token>/<table>`.
    Group,
    /// The same, and the one partition whose rows these are: `<token>/<table>/<partition>`. A first try acknowledged means that
    /// these very rows are there, which it does not where owners of different partitions share a token.
    Part(Partition),
    /// Nothing, and it must be switched off: writing the rows again changes nothing, leaving them out would.
    Never,
}

/// Offsets of rows.
pub(crate) type Offsets<'a> = std::iter::Map<std::slice::Iter<'a, [u8; 8]>, fn(&[u8; 8]) -> Offset>;

/// A group of columns that are filled together.
pub(crate) trait Columns: Default {
    /// How many columns.
    const COUNT: usize;
    /// Size of their headers in a block, in bytes.
    const HEADER_BYTES: usize;

    /// Appends the columns' names.
    fn names(names: &mut Vec<&'static str>);

    /// Size of the values in a block, in bytes.
    fn bytes(&self) -> usize;

    /// Memory that the values take, spare room included, in bytes.
    fn allocated(&self) -> usize;

    /// Appends the columns to a block, each with the values of all `parts`.
    fn write<'a>(parts: impl Iterator<Item = &'a Self> + Clone, block: &mut Block)
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

    /// The insert of all `parts`' rows in one block; none without rows.
    fn insert(parts: &[&Self], deduplication: Deduplication) -> Option<Insert> {
        let rows = parts.iter().map(|part| part.rows()).sum();
        let bytes: usize = parts.iter().map(|part| part.bytes()).sum();
        (rows > 0).then(|| {
            let mut names = Vec::with_capacity(Self::COUNT);
            Self::names(&mut names);
            let mut block = Block::new(Self::COUNT, rows, Self::HEADER_BYTES + bytes);
            Self::write(parts.iter().copied(), &mut block);
            Insert {
                table: Self::NAME,
                sql: format!("INSERT INTO {} ({}) FORMAT Native", Self::NAME, names.join(", ")),
                rows,
                block: block.into_bytes(),
                deduplication,
            }
        })
    }
}

/// A table whose rows are records' own: each says from which offset it comes.
pub(crate) trait Placed: Table {
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
            const HEADER_BYTES: usize =
                0 $(+ <$columns>::HEADER_BYTES)* $(+ Block::header_bytes($column, $kind))*;

            fn names(names: &mut Vec<&'static str>) {
                $(<$columns>::names(names);)*
                names.extend([$($column),*]);
            }

            fn bytes(&self) -> usize {
                0 $(+ self.$group.bytes())* $(+ self.$field.bytes())*
            }

            fn allocated(&self) -> usize {
                0 $(+ self.$group.allocated())* $(+ self.$field.allocated())*
            }

            fn write<'a>(parts: impl Iterator<Item = &'a Self> + Clone, block: &mut Block) {
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
        source "source" "String": Strings,
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
        team "team" "String": Strings,
        feature "feature" "String": Strings,
        account "account" "String": Strings,
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
    /// When accounts used features first and last on each day.
    UsageDays "usage_days" (subject: Subject) {
        day "day" "Date32": Numbers,
        first "first" "DateTime64(6, 'UTC')": Numbers,
        last "last" "DateTime64(6, 'UTC')": Numbers,
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
    DeadLetters "dead_letters" (origin: Origin) {
        topic "topic" "String": Strings,
        reason "reason" "String": Strings,
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
        topic "topic" "String": Strings,
    }
}

/// Implements [`Placed`] for the tables whose rows are records' own.
macro_rules! placed {
    ($($name:ident: $($origin:ident).+;)*) => {
        $(impl Placed for $name {
            fn origin(&self) -> &Origin {
                &self.$($origin).+
            }
        })*
    };
}

placed! {
    Requests: head.origin;
    RequestTexts: head.origin;
    Usage: head.origin;
    Needs: head.origin;
    Teams: head.origin;
    Features: head.origin;
    Accounts: head.origin;
    DeadLetters: origin;
    Repeats: origin;
}
