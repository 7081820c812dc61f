//! Whether a fingerprint may be among many: one bit each, so that a no costs a fraction of asking the map.

use super::Fingerprint;

/// Bits for each fingerprint, or up to twice as many: about one in ten that is not among them is taken for one.
const BITS_EACH: usize = 8;

/// Fingerprints, as a bit each. What is among them is always found; what is not, seldom. By default there are none.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// A power of two of words, or none.
    words: Vec<u64>,
}

impl Filter {
    /// Of these.
    pub(crate) fn of<'f>(fingerprints: impl ExactSizeIterator<Item = &'f Fingerprint>) -> Self {
        let words = (fingerprints.len() * BITS_EACH).div_ceil(64).next_power_of_two();
        let mut filter = Self { words: vec![0; words] };
        for fingerprint in fingerprints {
            let (word, bit) = filter.place(*fingerprint);
            filter.words[word] |= bit;
        }
        filter
    }

    /// Whether it may be among them.
    pub(crate) fn may_have(&self, fingerprint: Fingerprint) -> bool {
        if self.words.is_empty() {
            return false;
        }
        let (word, bit) = self.place(fingerprint);
        self.words[word] & bit != 0
    }

    /// Memory taken, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.words.as_slice())
    }

    fn place(&self, fingerprint: Fingerprint) -> (usize, u64) {
        let bits = fingerprint.bits();
        ((bits >> 6) as usize & (self.words.len() - 1), 1 << (bits & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_are_among_them_are_found_and_few_others() {
        let named = |number: u32| Fingerprint::of("source", &number.to_string());
        for count in [0, 1, 7, 1_000, 28_672] {
            let among: Vec<Fingerprint> = (0..count).map(named).collect();
            let filter = Filter::of(among.iter());
            assert!(among.iter().all(|fingerprint| filter.may_have(*fingerprint)), "{count}");
            let others = (0..10_000).filter(|number| filter.may_have(named(count + number))).count();
            assert!(others <= 1_250, "{others} of 10,000 others with {count}");
        }
        assert!(!Filter::default().may_have(named(1)));
    }
}
