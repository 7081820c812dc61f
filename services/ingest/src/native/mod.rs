//! ClickHouse's Native format: a block is a header, then one column after another, each as its values lie in memory.
//!
//! The columns are filled in the form in which they are sent, or nearly, so that making a block of them is copying bytes: the server
//! spends a fraction of the time on it that rows in RowBinary or JSON cost. One block takes its rows from several parts, each
//! with columns of its own. The layout is described at <https://clickhouse.com/docs/reference/formats/Native>.

mod pieces;
mod words;

pub(crate) use pieces::Pieces;
pub(crate) use words::Words;

/// A column in the making: the values of one part's rows.
pub(crate) trait Column: Default {
    /// Memory that the values take, in bytes: not much less than [`Column::write`] appends for this part, and more where they
    /// are held in another form. Room that nothing was written to yet does not count.
    fn bytes(&self) -> usize;

    /// An empty column with room for as much as this one holds, and an eighth more.
    fn emptied(&self) -> Self;

    /// Writes the values of all `parts`, one part after the other, as a block holds a column.
    fn write<'a>(parts: impl Iterator<Item = &'a Self> + Clone, out: &mut Pieces<'_>)
    where
        Self: 'a;

    /// Only the values of those rows that `keep` names with true, one for each row.
    fn filtered(&self, keep: &[bool]) -> Self;

    /// Appends another part's values.
    fn append(&mut self, other: &Self);
}

/// Numbers of one width, little-endian: integers, and whatever is one underneath (dates, enums).
#[derive(Debug, Default)]
pub(crate) struct Numbers(Vec<u8>);

/// Strings of any bytes: each its length as a varint, then its bytes.
#[derive(Debug, Default)]
pub(crate) struct Strings(Vec<u8>);

/// Values that may be missing: a byte for each that says so, then the values, 0 or empty for the missing.
#[derive(Debug, Default)]
pub(crate) struct Nullable<Values> {
    missing: Vec<u8>,
    values: Values,
}

/// Arrays: where each ends, counted from the part's first element, then all their elements.
#[derive(Debug, Default)]
pub(crate) struct Arrays<Elements> {
    ends: Vec<u64>,
    elements: Elements,
}

impl Numbers {
    /// Appends a number of `N` bytes. Every call for one column has the same `N`.
    pub(crate) fn push<const N: usize>(&mut self, little_endian: [u8; N]) {
        self.0.extend_from_slice(&little_endian);
    }

    /// The number in that row, to be changed; `N` as it was pushed.
    pub(crate) fn get_mut<const N: usize>(&mut self, row: usize) -> Option<&mut [u8; N]> {
        self.0.as_chunks_mut().0.get_mut(row)
    }

    /// The numbers, which were all pushed with `N` bytes.
    pub(crate) fn iter<const N: usize>(&self) -> std::slice::Iter<'_, [u8; N]> {
        self.0.as_chunks().0.iter()
    }
}

impl Strings {
    /// Appends a string.
    pub(crate) fn push(&mut self, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        push_varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// The strings.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.encoded().map(|(_, value)| value)
    }

    /// Each string as it is encoded, and its bytes alone.
    fn encoded(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (length, prefix) = read_varint(rest)?;
            let (encoded, after) = rest.split_at(prefix + length);
            rest = after;
            Some((encoded, &encoded[prefix..]))
        })
    }
}

impl Nullable<Numbers> {
    /// Appends a number of `N` bytes, or that there is none.
    pub(crate) fn push<const N: usize>(&mut self, little_endian: Option<[u8; N]>) {
        self.missing.push(u8::from(little_endian.is_none()));
        self.values.push(little_endian.unwrap_or([0; N]));
    }
}

impl Nullable<Strings> {
    /// Appends a string, or that there is none.
    pub(crate) fn push(&mut self, value: Option<&[u8]>) {
        self.missing.push(u8::from(value.is_none()));
        self.values.push(value.unwrap_or_default());
    }
}

impl Arrays<Strings> {
    /// Appends an array of strings.
    pub(crate) fn push<S: AsRef<str>>(&mut self, values: &[S]) {
        for value in values {
            self.elements.push(value.as_ref());
        }
        self.end(values.len());
    }
}

impl Arrays<(Strings, Nullable<Strings>)> {
    /// Appends an array of pairs.
    pub(crate) fn push<'a>(&mut self, pairs: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) {
        let mut count = 0;
        for (first, second) in pairs {
            self.elements.0.push(first);
            self.elements.1.push(second);
            count += 1;
        }
        self.end(count);
    }
}

impl<Elements> Arrays<Elements> {
    fn length(&self) -> u64 {
        self.ends.last().copied().unwrap_or_default()
    }

    fn end(&mut self, count: usize) {
        self.ends.push(self.length() + count as u64);
    }
}

impl Column for Numbers {
    fn bytes(&self) -> usize {
        self.0.len()
    }

    fn emptied(&self) -> Self {
        Self(room_for(&self.0))
    }

    fn write<'a>(parts: impl Iterator<Item = &'a Self> + Clone, out: &mut Pieces<'_>) {
        parts.for_each(|part| out.write(&part.0));
    }

    fn filtered(&self, keep: &[bool]) -> Self {
        let width = self.0.len().checked_div(keep.len()).unwrap_or_default().max(1);
        Self(kept(self.0.chunks_exact(width), keep).flatten().copied().collect())
    }

    fn append(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }
}

impl Column for Strings {
    fn bytes(&self) -> usize {
        self.0.len()
    }

    fn emptied(&self) -> Self {
        Self(room_for(&self.0))
    }

    fn write<'a>(parts: impl Iterator<Item = &'a Self> + Clone, out: &mut Pieces<'_>) {
        parts.for_each(|part| out.write(&part.0));
    }

    fn filtered(&self, keep: &[bool]) -> Self {
        Self(kept(self.encoded(), keep).flat_map(|(encoded, _)| encoded).copied().collect())
    }

    fn append(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }
}

impl<Values: Column> Column for Nullable<Values> {
    fn bytes(&self) -> usize {
        self.missing.len() + self.values.bytes()
    }

    fn emptied(&self) -> Self {
        Self { missing: room_for(&self.missing), values: self.values.emptied() }
    }

    fn write<'a>(parts: impl Iterator<Item = &'a Self> + Clone, out: &mut Pieces<'_>)
    where
        Self: 'a,
    {
        parts.clone().for_each(|part| out.write(&part.missing));
        Values::write(parts.map(|part| &part.values), out);
    }

    fn filtered(&self, keep: &[bool]) -> Self {
        Self { missing: kept(self.missing.iter().copied(), keep).collect(), values: self.values.filtered(keep) }
    }

    fn append(&mut self, other: &Self) {
        self.missing.extend_from_slice(&other.missing);
        self.values.append(&other.values);
    }
}

impl<Elements: Column> Column for Arrays<Elements> {
    fn bytes(&self) -> usize {
        size_of_val(self.ends.as_slice()) + self.elements.bytes()
    }

    fn emptied(&self) -> Self {
        Self { ends: room_for(&self.ends), elements: self.elements.emptied() }
    }

    fn write<'a>(parts: impl Iterator<Item = &'a Self> + Clone, out: &mut Pieces<'_>)
    where
        Self: 'a,
    {
        let mut before = 0;
        for part in parts.clone() {
            part.ends.iter().for_each(|end| out.write(&(before + end).to_le_bytes()));
            before += part.length();
        }
        Elements::write(parts.map(|part| &part.elements), out);
    }

    fn filtered(&self, keep: &[bool]) -> Self {
        let mut filtered = Self::default();
        let mut keep_elements = Vec::new();
        let mut start = 0;
        for (end, keep) in self.ends.iter().zip(keep) {
            let count = (end - start) as usize;
            keep_elements.resize(keep_elements.len() + count, *keep);
            if *keep {
                filtered.end(count);
            }
            start = *end;
        }
        filtered.elements = self.elements.filtered(&keep_elements);
        filtered
    }

    fn append(&mut self, other: &Self) {
        let before = self.length();
        self.ends.extend(other.ends.iter().map(|end| before + end));
        self.elements.append(&other.elements);
    }
}

/// A tuple is its columns one after another.
impl<A: Column, B: Column> Column for (A, B) {
    fn bytes(&self) -> usize {
        self.0.bytes() + self.1.bytes()
    }

    fn emptied(&self) -> Self {
        (self.0.emptied(), self.1.emptied())
    }

    fn write<'a>(parts: impl Iterator<Item = &'a Self> + Clone, out: &mut Pieces<'_>)
    where
        Self: 'a,
    {
        A::write(parts.clone().map(|part| &part.0), out);
        B::write(parts.map(|part| &part.1), out);
    }

    fn filtered(&self, keep: &[bool]) -> Self {
        (self.0.filtered(keep), self.1.filtered(keep))
    }

    fn append(&mut self, other: &Self) {
        self.0.append(&other.0);
        self.1.append(&other.1);
    }
}

/// A block in the making. It is handed on piece by piece, so that little of it is in memory beside the columns.
pub(crate) struct Block<'a> {
    pieces: Pieces<'a>,
}

impl<'a> Block<'a> {
    /// A block of so many columns and rows.
    pub(crate) fn new(columns: usize, rows: usize, hand_on: &'a mut dyn FnMut(Vec<u8>)) -> Self {
        let mut pieces = Pieces::new(hand_on);
        pieces.write_varint(columns as u64);
        pieces.write_varint(rows as u64);
        Self { pieces }
    }

    /// Adds a column: its name, ClickHouse's name of its type, and its values in each of the parts.
    pub(crate) fn column<'c, C: Column + 'c>(
        &mut self,
        name: &str,
        kind: &str,
        parts: impl Iterator<Item = &'c C> + Clone,
    ) {
        for text in [name, kind] {
            self.pieces.write_varint(text.len() as u64);
            self.pieces.write(text.as_bytes());
        }
        C::write(parts, &mut self.pieces);
    }

    /// Hands on what is left.
    pub(crate) fn end(self) {
        self.pieces.end();
    }
}

/// Room for as much as was `used`, and an eighth more: what comes next is seldom of exactly the same size.
fn room_for<T>(used: &[T]) -> Vec<T> {
    Vec::with_capacity(used.len() + used.len() / 8)
}

/// Those of `values` whose place in `keep` says true.
fn kept<V>(values: impl Iterator<Item = V>, keep: &[bool]) -> impl Iterator<Item = V> {
    values.zip(keep).filter_map(|(value, keep)| keep.then_some(value))
}

/// LEB128: seven bits a byte, the lowest first, the eighth says that more follow.
fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A varint that `push_varint` wrote, and how many bytes it takes; none at the end.
fn read_varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let last = bytes.iter().position(|byte| byte & 0x80 == 0)?;
    let value = bytes[..=last].iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    Some((value, last + 1))
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn written<C: Column>(parts: &[C]) -> Vec<u8> {
        let mut written = Vec::new();
        let mut hand_on = |piece: Vec<u8>| written.extend(piece);
        let mut out = Pieces::new(&mut hand_on);
        C::write(parts.iter(), &mut out);
        out.end();
        written
    }

    /// Whatever way rows are divided into parts and left out, the bytes are those of the rows pushed one by one.
    fn check<C: Column + Debug, V>(values: &[V], push: impl Fn(&mut C, &V)) {
        let column = |values: &mut dyn Iterator<Item = &V>| {
            let mut column = C::default();
            values.for_each(|value| push(&mut column, value));
            column
        };
        let whole = column(&mut values.iter());
        for cut in 0..=values.len() {
            let parts = [column(&mut values[..cut].iter()), C::default(), column(&mut values[cut..].iter())];
            assert_eq!(written(&parts), written(std::slice::from_ref(&whole)), "cut at {cut}");
            let [mut appended, nothing, rest] = parts;
            appended.append(&nothing);
            appended.append(&rest);
            assert_eq!(written(&[appended]), written(std::slice::from_ref(&whole)), "appended at {cut}");
        }
        for mask in 0_u32..1 << values.len() {
            let keep: Vec<bool> = (0..values.len()).map(|row| mask >> row & 1 == 1).collect();
            let expected = column(&mut kept(values.iter(), &keep));
            assert_eq!(written(&[whole.filtered(&keep)]), written(&[expected]), "{keep:?}");
        }
    }

    #[test]
    fn every_kind_of_column_is_cut_joined_and_filtered_by_rows() {
        let long = "x".repeat(300);
        check::<Numbers, _>(&[1_i64, -2, 3, i64::MIN], |column, value| column.push(value.to_le_bytes()));
        check::<Numbers, _>(&[1_u8, 0, 255], |column, value| column.push([*value]));
        check::<Words, _>(&["b", "", "a", "b", "c"], |column, value| column.push(value));
        check::<Strings, _>(&["", "a", &long, "é\0"], |column, value| column.push(value));
        check::<Nullable<Numbers>, _>(&[None, Some(7_u64), None, Some(0)], |column, value| {
            column.push(value.map(u64::to_le_bytes));
        });
        check::<Nullable<Strings>, _>(&[Some(&b"a"[..]), None, Some(b""), Some(b"b\xff")], |column, value| {
            column.push(*value);
        });
        check::<Arrays<Strings>, _>(&[&["a", "b"][..], &[], &["", &long], &["c"]], |column, value| column.push(value));
        type Pairs<'a> = &'a [(&'a str, Option<&'a [u8]>)];
        let pairs: [Pairs<'_>; 4] = [&[("a", Some(b"1")), ("b", None)], &[], &[("", Some(b""))], &[("c", None)]];
        check::<Arrays<(Strings, Nullable<Strings>)>, _>(&pairs, |column, value| {
            column.push(value.iter().copied());
        });
    }

    #[test]
    fn a_block_is_its_counts_and_its_columns() {
        let mut numbers = Numbers::default();
        numbers.push(1_i16.to_le_bytes());
        numbers.push((-1_i16).to_le_bytes());
        let (mut ab, mut empty) = (Strings::default(), Strings::default());
        ab.push("ab");
        empty.push("");
        let mut pieces = Vec::new();
        let mut hand_on = |piece| pieces.push(piece);
        let mut block = Block::new(2, 2, &mut hand_on);
        block.column("n", "Int16", [&numbers].into_iter());
        block.column("s", "String", [&ab, &empty].into_iter());
        block.end();
        assert_eq!(pieces, [&b"\x02\x02\x01n\x05Int16\x01\x00\xff\xff\x01s\x06String\x02ab\x00"[..]]);
    }

    #[test]
    fn what_is_missing_is_flagged_and_nothing() {
        let mut numbers = Nullable::<Numbers>::default();
        numbers.push(Some([7_u8]));
        numbers.push::<1>(None);
        assert_eq!(written(&[numbers]), b"\x00\x01\x07\x00");
        let mut strings = Nullable::<Strings>::default();
        strings.push(Some(b"a"));
        strings.push(None);
        strings.push(Some(b""));
        assert_eq!(written(&[strings]), b"\x00\x01\x00\x01a\x00\x00");
    }

    #[test]
    fn arrays_say_where_each_ends() {
        let mut arrays = Arrays::<Strings>::default();
        arrays.push(&["a", "b"]);
        arrays.push::<&str>(&[]);
        arrays.push(&["c"]);
        let ends = [2_u64, 2, 3].map(u64::to_le_bytes).concat();
        assert_eq!(written(&[arrays]), [&ends[..], b"\x01a\x01b\x01c"].concat());
    }

    #[test]
    fn pairs_are_two_columns() {
        let mut pairs = Arrays::<(Strings, Nullable<Strings>)>::default();
        pairs.push([("a", Some(&b"1"[..])), ("b", None)]);
        assert_eq!(written(&[pairs]), [&2_u64.to_le_bytes()[..], b"\x01a\x01b", b"\x00\x01\x011\x00"].concat());
    }

    #[test]
    fn a_long_string_has_a_long_length() {
        let mut strings = Strings::default();
        strings.push("x".repeat(300));
        assert_eq!(&written(&[strings])[..2], b"\xac\x02");
    }

    #[test]
    fn numbers_and_strings_are_read_back() {
        let mut numbers = Numbers::default();
        let mut strings = Strings::default();
        for value in [5_i64, -1] {
            numbers.push(value.to_le_bytes());
            strings.push(value.to_string());
        }
        assert_eq!(numbers.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect::<Vec<_>>(), [5, -1]);
        assert_eq!(strings.iter().collect::<Vec<_>>(), [&b"5"[..], b"-1"]);
    }
}
