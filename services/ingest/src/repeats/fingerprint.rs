//! A name of fixed length for texts of any.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use twox_hash::XxHash3_128;

/// 80 bits of XXH3-128: few enough to keep millions in memory, enough that two different texts never meet.
///
/// Among a million remembered ones a new text meets an equal fingerprint with a chance of 2⁻⁶⁰. It is no secret how they are
/// made, so whoever may write to a partition can make two that are equal, and with it spare himself sending the same twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; BYTES]);

const BYTES: usize = 10;

/// What is put together without an allocation, in bytes.
const SHORT_MAX: usize = 256;

impl Fingerprint {
    /// Of what identifies an event. Neither text holds a NUL.
    pub(crate) fn of(source: &str, id: &str) -> Self {
        Self::of_texts([source.as_bytes(), id.as_bytes()])
    }

    /// Of several texts, each ended by a NUL, which none of them but the last holds.
    pub(crate) fn of_texts<const N: usize>(texts: [&[u8]; N]) -> Self {
        let length = texts.iter().map(|text| text.len() + 1).sum();
        let mut short = [0; SHORT_MAX];
        let mut long = Vec::new();
        let joined = if length <= SHORT_MAX {
            &mut short[..length]
        } else {
            long.resize(length, 0);
            long.as_mut_slice()
        };
        let mut rest = &mut *joined;
        for text in texts {
            let (here, after) = rest.split_at_mut(text.len() + 1);
            here[..text.len()].copy_from_slice(text);
            rest = after;
        }
        let hash = XxHash3_128::oneshot(joined).to_le_bytes();
        Self(*hash.first_chunk().unwrap_or(&[0; BYTES]))
    }

    /// 64 of its bits.
    pub(crate) fn bits(self) -> u64 {
        u64::from_le_bytes(*self.0.first_chunk().unwrap_or(&[0; 8]))
    }
}

impl std::hash::Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.bits());
    }
}

/// A map from fingerprints, which are hashes already.
pub(crate) type FingerprintMap<V> = HashMap<Fingerprint, V, BuildHasherDefault<AsItIs>>;

/// Hashes a fingerprint to its own first bytes.
#[derive(Debug, Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_text_ends_and_the_next_begins_makes_a_difference() {
        let long = "x".repeat(SHORT_MAX);
        let texts =
            [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc"), (&long, "a"), (&long[1..], "xa"), ("a", &long)];
        for (number, (source, id)) in texts.iter().enumerate() {
            let same = texts.iter().filter(|(other, of)| Fingerprint::of(other, of) == Fingerprint::of(source, id));
            assert_eq!(same.count(), 1, "text {number}");
        }
    }

    /// Other processes, and later versions, fill their windows with the same fingerprints, but none is ever stored; so this
    /// only tells that the hash is the one it is said to be.
    #[test]
    fn it_is_the_beginning_of_xxh3() {
        let hash = XxHash3_128::oneshot(b"s\0i\0").to_le_bytes();
        assert_eq!(Fingerprint::of("s", "i").0, hash[..BYTES]);
    }
}
