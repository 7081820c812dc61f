//! ClickHouse's Native format: a block is a header, then one column after another, each as its values lie in memory.
//!
//! The columns are filled in the form in which they are sent, so that making a block of them is copying bytes: the server
//! spends a fraction of the time on it that rows in RowBinary or JSON cost. The layout is described at
//! <https://clickhouse.com/docs/reference/formats/Native>.

/// A column in the making.
pub(crate) trait Column {
    /// Appends the column's values as a block holds them.
    fn write_to(&self, out: &mut Vec<u8>);

    /// Size of what [`Column::write_to`] appends, in bytes.
    fn bytes(&self) -> usize;
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

/// Arrays: where each ends, then all their elements.
#[derive(Debug, Default)]
pub(crate) struct Arrays<Elements> {
    ends: Numbers,
    length: u64,
    elements: Elements,
}

impl Numbers {
    /// Appends a number of `N` bytes. Every call for one column has the same `N`.
    pub(crate) fn push<const N: usize>(&mut self, little_endian: [u8; N]) {
        self.0.extend_from_slice(&little_endian);
    }
}

impl Strings {
    /// Appends a string.
    pub(crate) fn push(&mut self, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        push_varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
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
    fn end(&mut self, count: usize) {
        self.length += count as u64;
        self.ends.push(self.length.to_le_bytes());
    }
}

impl Column for Numbers {
    fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl Column for Strings {
    fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl<Values: Column> Column for Nullable<Values> {
    fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.missing);
        self.values.write_to(out);
    }

    fn bytes(&self) -> usize {
        self.missing.len() + self.values.bytes()
    }
}

impl<Elements: Column> Column for Arrays<Elements> {
    fn write_to(&self, out: &mut Vec<u8>) {
        self.ends.write_to(out);
        self.elements.write_to(out);
    }

    fn bytes(&self) -> usize {
        self.ends.bytes() + self.elements.bytes()
    }
}

/// A tuple is its columns one after another.
impl<A: Column, B: Column> Column for (A, B) {
    fn write_to(&self, out: &mut Vec<u8>) {
        self.0.write_to(out);
        self.1.write_to(out);
    }

    fn bytes(&self) -> usize {
        self.0.bytes() + self.1.bytes()
    }
}

/// A block of `rows` rows: each column with its name and ClickHouse's name of its type.
pub(crate) fn block(rows: usize, columns: &[(&str, &str, &dyn Column)]) -> Vec<u8> {
    let header = |name: &str, kind: &str| name.len() + kind.len() + 4;
    let bytes: usize = columns.iter().map(|(name, kind, column)| header(name, kind) + column.bytes()).sum();
    let mut out = Vec::with_capacity(bytes + 20);
    push_varint(&mut out, columns.len() as u64);
    push_varint(&mut out, rows as u64);
    for (name, kind, column) in columns {
        for text in [name, kind] {
            push_varint(&mut out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        column.write_to(&mut out);
    }
    out
}

/// LEB128: seven bits a byte, the lowest first, the eighth says that more follow.
fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(column: &dyn Column) -> Vec<u8> {
        let mut out = Vec::new();
        column.write_to(&mut out);
        assert_eq!(out.len(), column.bytes());
        out
    }

    #[test]
    fn a_block_is_its_counts_and_its_columns() {
        let mut numbers = Numbers::default();
        numbers.push(1_i16.to_le_bytes());
        numbers.push((-1_i16).to_le_bytes());
        let mut strings = Strings::default();
        strings.push("ab");
        strings.push("");
        let block = block(2, &[("n", "Int16", &numbers), ("s", "String", &strings)]);
        assert_eq!(block, b"\x02\x02\x01n\x05Int16\x01\x00\xff\xff\x01s\x06String\x02ab\x00");
    }

    #[test]
    fn what_is_missing_is_flagged_and_nothing() {
        let mut numbers = Nullable::<Numbers>::default();
        numbers.push(Some([7_u8]));
        numbers.push::<1>(None);
        assert_eq!(bytes(&numbers), b"\x00\x01\x07\x00");
        let mut strings = Nullable::<Strings>::default();
        strings.push(Some(b"a"));
        strings.push(None);
        strings.push(Some(b""));
        assert_eq!(bytes(&strings), b"\x00\x01\x00\x01a\x00\x00");
    }

    #[test]
    fn arrays_say_where_each_ends() {
        let mut arrays = Arrays::<Strings>::default();
        arrays.push(&["a", "b"]);
        arrays.push::<&str>(&[]);
        arrays.push(&["c"]);
        let ends = [2_u64, 2, 3].map(u64::to_le_bytes).concat();
        assert_eq!(bytes(&arrays), [&ends[..], b"\x01a\x01b\x01c"].concat());
    }

    #[test]
    fn pairs_are_two_columns() {
        let mut pairs = Arrays::<(Strings, Nullable<Strings>)>::default();
        pairs.push([("a", Some(&b"1"[..])), ("b", None)]);
        assert_eq!(bytes(&pairs), [&2_u64.to_le_bytes()[..], b"\x01a\x01b", b"\x00\x01\x011\x00"].concat());
    }

    #[test]
    fn a_long_string_has_a_long_length() {
        let mut strings = Strings::default();
        strings.push("x".repeat(300));
        assert_eq!(&bytes(&strings)[..2], b"\xac\x02");
    }
}
