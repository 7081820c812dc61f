//! ClickHouse's `LowCardinality(String)`: each word once, and for each row a number.

use std::collections::HashMap;

use super::{Column, Pieces, Strings, room_for};

/// Strings of which few differ: each word once, in the order in which they came first, and for each row which word it has.
#[derive(Debug, Default)]
pub(crate) struct Words {
    words: Strings,
    number_of: HashMap<Box<[u8]>, u32, foldhash::fast::RandomState>,
    /// Each row's word.
    numbers: Vec<u32>,
}

/// Version of the way in which the dictionary is written: the block carries its own.
const KEYS_VERSION: u64 = 1;
/// The block's words are all of the column's: nothing refers to a dictionary that the server has.
const OWN_WORDS: u64 = 1 << 9 | 1 << 10;

/// So many rows' numbers are made at once.
const NUMBERS_AT_ONCE: usize = 4_096;

/// What a word takes beside its bytes, which stand in the list and in the map: its slot there with the free ones beside it,
/// what the allocator adds, and as much again for the map of a block's words while it is written.
const WORD_BYTES: usize = 128;

impl Words {
    /// Appends a row with this word.
    pub(crate) fn push(&mut self, word: impl AsRef<[u8]>) {
        let number = self.number(word.as_ref());
        self.numbers.push(number);
    }

    /// Each row's word.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let words: Vec<&[u8]> = self.words.iter().collect();
        self.numbers.iter().map(move |number| words[*number as usize])
    }

    /// Each word, and how many rows have it.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let mut counts = vec![0; self.number_of.len()];
        self.numbers.iter().for_each(|number| counts[*number as usize] += 1);
        self.words.iter().zip(counts)
    }

    /// The word's number, a new one if it is new.
    fn number(&mut self, word: &[u8]) -> u32 {
        if let Some(number) = self.number_of.get(word) {
            return *number;
        }
        // There are fewer words than rows, and a part's rows are bounded.
        let number = self.number_of.len() as u32;
        self.number_of.insert(word.into(), number);
        self.words.push(word);
        number
    }

    /// Appends rows of another column.
    fn append_rows<'a>(&mut self, other: &'a Self, numbers: impl Iterator<Item = &'a u32>) {
        let words: Vec<&[u8]> = other.words.iter().collect();
        let mut known = vec![None; words.len()];
        for number in numbers {
            let number = *number as usize;
            let ours = *known[number].get_or_insert_with(|| self.number(words[number]));
            self.numbers.push(ours);
        }
    }
}

impl Column for Words {
    fn bytes(&self) -> usize {
        size_of_val(self.numbers.as_slice()) + 2 * self.words.bytes() + WORD_BYTES * self.number_of.len()
    }

    fn emptied(&self) -> Self {
        Self { numbers: room_for(&self.numbers), ..Self::default() }
    }

    fn write<'a>(parts: impl Iterator<Item = &'a Self> + Clone, out: &mut Pieces<'_>) {
        let mut number_of = HashMap::<&[u8], u32, foldhash::fast::RandomState>::default();
        // What a part's numbers are called in the block.
        let renumbered: Vec<Vec<u32>> = parts
            .clone()
            .map(|part| {
                let number = |word| {
                    let next = number_of.len() as u32;
                    *number_of.entry(word).or_insert(next)
                };
                part.words.iter().map(number).collect()
            })
            .collect();
        let count = number_of.len();
        let rows: usize = parts.clone().map(|part| part.numbers.len()).sum();
        let width = match count {
            0..=0x100 => Width::One,
            0x101..=0x1_0000 => Width::Two,
            _ => Width::Four,
        };
        for number in [KEYS_VERSION, OWN_WORDS | width as u64, count as u64] {
            out.write(&number.to_le_bytes());
        }
        // A word is written where it comes first: there it has the next number.
        let mut written = 0;
        for (part, renumbered) in parts.clone().zip(&renumbered) {
            for ((encoded, _), number) in part.words.encoded().zip(renumbered) {
                if *number == written {
                    out.write(encoded);
                    written += 1;
                }
            }
        }
        drop(number_of);
        out.write(&(rows as u64).to_le_bytes());
        let mut bytes = Vec::with_capacity(NUMBERS_AT_ONCE * width.bytes());
        for (part, renumbered) in parts.zip(&renumbered) {
            for numbers in part.numbers.chunks(NUMBERS_AT_ONCE) {
                let numbers = numbers.iter().map(|number| renumbered[*number as usize].to_le_bytes());
                bytes.clear();
                match width {
                    Width::One => bytes.extend(numbers.map(|[first, ..]| first)),
                    Width::Two => bytes.extend(numbers.flat_map(|[first, second, ..]| [first, second])),
                    Width::Four => bytes.extend(numbers.flatten()),
                }
                out.write(&bytes);
            }
        }
    }

    fn filtered(&self, keep: &[bool]) -> Self {
        let mut filtered = Self::default();
        filtered.append_rows(self, super::kept(self.numbers.iter(), keep));
        filtered
    }

    fn append(&mut self, other: &Self) {
        self.append_rows(other, other.numbers.iter());
    }
}

/// How many bytes a number takes, as ClickHouse calls it.
#[derive(Clone, Copy)]
enum Width {
    One = 0,
    Two = 1,
    Four = 2,
}

impl Width {
    fn bytes(self) -> usize {
        1 << self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(words: impl IntoIterator<Item = String>) -> Words {
        let mut column = Words::default();
        words.into_iter().for_each(|word| column.push(word));
        column
    }

    fn written(parts: &[Words]) -> Vec<u8> {
        let mut written = Vec::new();
        let mut hand_on = |piece: Vec<u8>| written.extend(piece);
        let mut out = Pieces::new(&mut hand_on);
        Words::write(parts.iter(), &mut out);
        out.end();
        written
    }

    #[test]
    fn a_block_has_each_word_once_and_a_number_for_each_row() {
        let parts = [["a", "b", "a"].map(str::to_owned), ["c", "b", "b"].map(str::to_owned)].map(column);
        let header = [1_u64, 0x600, 3].map(u64::to_le_bytes).concat();
        let expected = [&header[..], b"\x01a\x01b\x01c", &6_u64.to_le_bytes(), &[0, 1, 0, 2, 1, 1]].concat();
        assert_eq!(written(&parts), expected);
        assert_eq!(parts[0].counts().collect::<Vec<_>>(), [(&b"a"[..], 2), (b"b", 1)]);
        assert_eq!(parts[1].iter().collect::<Vec<_>>(), [b"c", b"b", b"b"]);
    }

    #[test]
    fn many_words_take_wider_numbers() {
        for (count, kind, width) in [(256, 0, 1), (257, 1, 2), (65_536, 1, 2), (65_537, 2, 4)] {
            let bytes = written(&[column((0..count).map(|number| number.to_string()))]);
            assert_eq!(bytes[8..16], (0x600_u64 | kind).to_le_bytes());
            let last = (count - 1) as u32;
            assert_eq!(bytes[bytes.len() - width..], last.to_le_bytes()[..width]);
            assert_eq!(bytes[bytes.len() - 2 * width..bytes.len() - width], (last - 1).to_le_bytes()[..width]);
        }
    }
}
