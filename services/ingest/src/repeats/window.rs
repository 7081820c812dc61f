//! What a partition's newest records were: the verdict on the next one, in bounded memory. No I/O and no clock.
//!
//! The window covers whole generations of so many offsets each, aligned to the log: which offsets it covers when a record is
//! judged follows from that record's offset alone, and not from when anybody began to read. That makes the verdict a function
//! of the log. A generation is forgotten at once, so that forgetting costs nothing for each record.

use std::collections::VecDeque;

use super::{Filter, Fingerprint, FingerprintMap};

/// How much is remembered. A constant of the deployment: another value gives other verdicts on far repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// So many offsets are remembered, and forgotten, together. At least 1.
    pub(crate) generation_offsets: i64,
    /// So many generations are remembered, that of the newest record included. At least 2.
    pub(crate) generations: i64,
}

impl Limits {
    /// Usage and need signals: 17.75 MiB a partition at most, which its last 688,128 to 917,504 offsets fill.
    ///
    /// A map of 2¹⁸ slots holds 7/8 of them; a slot takes 17 bytes. The filter of each older generation takes 256 KiB.
    pub(crate) const USAGE: Self = Self { generation_offsets: 7 << 15, generations: 4 };

    /// Requests and the catalog: 2.2 MiB a partition at most. ClickHouse knows what lies below the window, and whoever
    /// asks it waits until that is durable: 86,016 offsets at least keep such waits rare.
    pub(crate) const FOR_EVER: Self = Self { generation_offsets: 7 << 12, generations: 4 };

    /// The first offset that the window covers when the record at `offset` is judged.
    pub(crate) const fn floor(self, offset: i64) -> i64 {
        let floor = (offset.div_euclid(self.generation_offsets) - (self.generations - 1)) * self.generation_offsets;
        if floor < 0 { 0 } else { floor }
    }
}

/// How far apart two records may be for the later one to repeat the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Any distance.
    ForEver,
    /// At most so many milliseconds by the records' timestamps.
    Within(i64),
}

/// A partition's newest valid records.
#[derive(Debug)]
pub(crate) struct Window {
    limits: Limits,
    rule: Rule,
    /// Oldest first; numbers without gaps. Empty until the first record.
    generations: VecDeque<Generation>,
    position: i64,
    newest_ms: i64,
    /// Of the records being judged: when each was last seen before. Kept for its room.
    latest: Vec<i64>,
    /// Of the records being judged: those that an older generation may know. Kept for its room.
    candidates: Vec<u32>,
    /// Of the records judged last. Kept for its room.
    verdicts: Vec<bool>,
}

/// A valid record, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Valid {
    pub(crate) offset: i64,
    /// When Kafka received it: Unix time in milliseconds.
    pub(crate) received_ms: i64,
    pub(crate) fingerprint: Fingerprint,
}

/// The records of the offsets from `number * generation_offsets` on.
#[derive(Debug)]
struct Generation {
    number: i64,
    /// When the first of them was received; none without records.
    oldest_ms: Option<i64>,
    /// The latest that each was received. 48 bits, so that an entry takes 16 bytes.
    received: FingerprintMap<[u8; 6]>,
    /// Of all of them, once there will be no more; answers most questions in fewer bytes than the map.
    filter: Filter,
}

impl Window {
    /// A window that remembers nothing yet.
    pub(crate) fn new(limits: Limits, rule: Rule) -> Self {
        Self {
            limits,
            rule,
            generations: VecDeque::new(),
            position: 0,
            newest_ms: 0,
            latest: Vec::new(),
            candidates: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    /// Judges one record, see [`Self::witness_all`].
    #[cfg(test)]
    fn witness(&mut self, offset: i64, received_ms: i64, fingerprint: Fingerprint) -> bool {
        self.witness_all(&[Valid { offset, received_ms, fingerprint }]) == [true]
    }

    /// Judges valid records in the order of their offsets: whether each repeats one before it. They are remembered either way,
    /// for a repeat may be repeated.
    ///
    /// A few dozen at a time cost half of what they cost one by one: hardly any of them is in a cache, and the processor
    /// waits for many at once.
    ///
    /// # Panics
    /// When an offset was judged already, or one after it: who reads a partition again begins with a new window. Going on
    /// would make records repeats of themselves, and lose them.
    pub(crate) fn witness_all(&mut self, records: &[Valid]) -> &[bool] {
        self.verdicts.clear();
        let generation_offsets = self.limits.generation_offsets;
        let number = |record: &Valid| record.offset.div_euclid(generation_offsets);
        for records in records.chunk_by(|record, next| number(record) == number(next)) {
            self.witness_in_one_generation(records);
        }
        &self.verdicts
    }

    fn witness_in_one_generation(&mut self, records: &[Valid]) {
        let Some(first) = records.first() else { return };
        self.advance(first.offset);
        let Some((current, older)) = self.generations.make_contiguous().split_last_mut() else { return };
        self.latest.clear();
        self.latest.resize(records.len(), NEVER_MS);
        for generation in older {
            self.candidates.clear();
            let numbered = (0..).zip(records);
            let known = numbered.filter(|(_, record)| generation.filter.may_have(record.fingerprint));
            self.candidates.extend(known.map(|(number, _)| number));
            for number in &self.candidates {
                let number = *number as usize;
                if let Some(received) = generation.received.get(&records[number].fingerprint) {
                    self.latest[number] = unpacked(*received).max(self.latest[number]);
                }
            }
        }
        for (record, latest) in records.iter().zip(&mut self.latest) {
            assert!(record.offset >= self.position, "offset {} is judged after {}", record.offset, self.position);
            let received_ms = record.received_ms.clamp(0, RECEIVED_MS_MAX);
            self.position = record.offset + 1;
            self.newest_ms = received_ms;
            current.oldest_ms.get_or_insert(received_ms);
            current
                .received
                .entry(record.fingerprint)
                .and_modify(|received| {
                    *latest = unpacked(*received).max(*latest);
                    *received = packed(unpacked(*received).max(received_ms));
                })
                .or_insert(packed(received_ms));
            self.verdicts.push(match self.rule {
                Rule::ForEver => *latest != NEVER_MS,
                Rule::Within(within_ms) => *latest != NEVER_MS && *latest >= received_ms - within_ms,
            });
        }
    }

    /// The first offset that was not judged yet.
    pub(crate) fn position(&self) -> i64 {
        self.position
    }

    /// The first offset that the window covers for the record at its position: what is below is not remembered.
    pub(crate) fn floor(&self) -> i64 {
        self.limits.floor(self.position)
    }

    /// How far back in time a repeat is recognised, in milliseconds by the records' timestamps.
    pub(crate) fn horizon_ms(&self) -> i64 {
        let oldest_ms = self.generations.iter().find_map(|generation| generation.oldest_ms);
        oldest_ms.map_or(0, |oldest_ms| (self.newest_ms - oldest_ms).max(0))
    }

    /// Memory taken, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.generations.iter().map(Generation::bytes).sum()
    }

    /// Forgets the generations that the record at `offset` does not see, and makes room for its own.
    fn advance(&mut self, offset: i64) {
        let number = offset.div_euclid(self.limits.generation_offsets);
        if self.generations.back().is_some_and(|newest| newest.number == number) {
            return;
        }
        let oldest = number - (self.limits.generations - 1);
        let mut room = FingerprintMap::default();
        while let Some(forgotten) = self.generations.pop_front_if(|generation| generation.number < oldest) {
            room = forgotten.received;
        }
        // The room of the last one forgotten is used again: a busy partition does not grow each generation anew.
        room.clear();
        if let Some(closed) = self.generations.back_mut() {
            closed.filter = Filter::of(closed.received.keys());
        }
        self.generations.push_back(Generation { number, oldest_ms: None, received: room, filter: Filter::default() });
    }
}

impl Generation {
    /// A slot takes a byte beside its entry, and an eighth of the slots stay free.
    fn bytes(&self) -> usize {
        self.received.capacity() / 7 * 8 * (size_of::<(Fingerprint, [u8; 6])>() + 1) + self.filter.bytes()
    }
}

/// The latest time that 48 bits hold, in the year 10889.
const RECEIVED_MS_MAX: i64 = (1 << 48) - 1;

/// Not seen before.
const NEVER_MS: i64 = -1;

fn packed(received_ms: i64) -> [u8; 6] {
    let [a, b, c, d, e, f, _, _] = received_ms.to_le_bytes();
    [a, b, c, d, e, f]
}

fn unpacked([a, b, c, d, e, f]: [u8; 6]) -> i64 {
    i64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { generation_offsets: 5, generations: 3 };

    /// A valid record: where it stands, when it was received, and who it is.
    type Judged = (i64, i64, u8);

    fn fingerprint(id: u8) -> Fingerprint {
        Fingerprint::of("source", &id.to_string())
    }

    /// The rule, word for word, over the whole log: the offsets of the repeats.
    fn repeats(log: &[Judged], limits: Limits, rule: Rule) -> Vec<i64> {
        let is_repeat = |(offset, received_ms, id): Judged| {
            log.iter().any(|&(earlier, earlier_ms, of)| {
                let near = match rule {
                    Rule::ForEver => true,
                    Rule::Within(within_ms) => earlier_ms >= received_ms - within_ms,
                };
                of == id && near && earlier < offset && earlier >= limits.floor(offset)
            })
        };
        log.iter().copied().filter(|judged| is_repeat(*judged)).map(|(offset, ..)| offset).collect()
    }

    fn witnessed(window: &mut Window, log: &[Judged]) -> Vec<i64> {
        let mut judge = |(offset, received_ms, id): &Judged| window.witness(*offset, *received_ms, fingerprint(*id));
        log.iter().filter(|judged| judge(judged)).map(|(offset, ..)| *offset).collect()
    }

    fn logs() -> impl Strategy<Value = Vec<Judged>> {
        // Holes of up to three generations; time mostly goes on, and sometimes back.
        prop::collection::vec((prop_oneof![9 => 1_i64..=2, 1 => 3_i64..20], -20_i64..60, 0_u8..12), 1..80).prop_map(
            |steps| {
                let (mut offset, mut received_ms) = (-1, 1_000);
                steps
                    .into_iter()
                    .map(|(skip, passed, id)| {
                        offset += skip;
                        received_ms += passed;
                        (offset, received_ms, id)
                    })
                    .collect()
            },
        )
    }

    fn rules() -> impl Strategy<Value = Rule> {
        prop_oneof![Just(Rule::ForEver), (0_i64..300).prop_map(Rule::Within)]
    }

    proptest! {
        #[test]
        fn its_verdicts_are_those_of_the_rule_over_the_whole_log(log in logs(), rule in rules()) {
            let mut window = Window::new(LIMITS, rule);
            prop_assert_eq!(witnessed(&mut window, &log), repeats(&log, LIMITS, rule));
        }

        #[test]
        fn a_window_filled_from_what_it_covers_judges_as_one_that_saw_the_whole_log(
            log in logs(), rule in rules(), cut in 0_usize..80,
        ) {
            let (before, after) = log.split_at(cut.min(log.len()));
            let from = before.last().map_or(0, |(offset, ..)| offset + 1);
            let mut whole = Window::new(LIMITS, rule);
            witnessed(&mut whole, before);
            let remembered: Vec<Judged> =
                before.iter().copied().filter(|(offset, ..)| *offset >= LIMITS.floor(from)).collect();
            let mut filled = Window::new(LIMITS, rule);
            witnessed(&mut filled, &remembered);
            prop_assert_eq!(witnessed(&mut filled, after), witnessed(&mut whole, after));
        }

        #[test]
        fn together_records_are_judged_as_one_by_one(log in logs(), rule in rules(), sizes in prop::collection::vec(1_usize..9, 80)) {
            let (mut alone, mut together) = (Window::new(LIMITS, rule), Window::new(LIMITS, rule));
            let mut verdicts = Vec::new();
            let mut rest = log.as_slice();
            for size in sizes {
                let (now, later) = rest.split_at(size.min(rest.len()));
                let valid = |(offset, received_ms, id): &Judged| {
                    Valid { offset: *offset, received_ms: *received_ms, fingerprint: fingerprint(*id) }
                };
                verdicts.extend_from_slice(together.witness_all(&now.iter().map(valid).collect::<Vec<_>>()));
                rest = later;
            }
            let repeats = log.iter().zip(verdicts).filter(|(_, repeats)| *repeats).map(|((offset, ..), _)| *offset);
            prop_assert_eq!(repeats.collect::<Vec<_>>(), witnessed(&mut alone, &log));
        }

        #[test]
        fn it_remembers_no_more_than_its_generations(log in logs()) {
            let mut window = Window::new(LIMITS, Rule::ForEver);
            for (offset, received_ms, id) in log {
                window.witness(offset, received_ms, fingerprint(id));
                prop_assert!(window.generations.len() <= 3);
                prop_assert!(window.generations.iter().all(|generation| generation.received.len() <= 5));
                let oldest = window.generations.front().map_or(0, |generation| generation.number * 5);
                prop_assert!(oldest >= LIMITS.floor(offset));
            }
        }
    }

    #[test]
    fn a_full_window_takes_the_memory_that_its_limits_state() {
        let fill = |limits: Limits| {
            let mut window = Window::new(limits, Rule::Within(86_400_000));
            // Twice around, so that forgotten generations are part of it.
            for offset in 0..2 * limits.generations * limits.generation_offsets {
                window.witness(offset, offset, Fingerprint::of("source", &offset.to_string()));
            }
            assert_eq!(window.horizon_ms(), limits.generations * limits.generation_offsets - 1);
            window.bytes()
        };
        let usage = fill(Limits::USAGE);
        assert_eq!(usage, (17 << 20) + 3 * (1 << 18));
        let for_ever = fill(Limits::FOR_EVER);
        assert_eq!(for_ever, (17 << 17) + 3 * (1 << 15));
        assert!(6 * usage + 12 * for_ever <= 134 << 20);
    }

    #[test]
    fn a_quiet_partition_takes_little() {
        let mut window = Window::new(Limits::USAGE, Rule::ForEver);
        for offset in 0..100 {
            window.witness(offset, 0, fingerprint(0));
        }
        assert!(window.bytes() < 1_000);
    }

    #[test]
    fn times_are_kept_to_the_millisecond() {
        for received_ms in [0, 1, 1_795_000_000_123, RECEIVED_MS_MAX] {
            assert_eq!(unpacked(packed(received_ms)), received_ms);
        }
    }

    #[test]
    #[should_panic(expected = "offset 4 is judged after 5")]
    fn an_offset_is_judged_once() {
        let mut window = Window::new(LIMITS, Rule::ForEver);
        window.witness(4, 0, fingerprint(0));
        window.witness(4, 0, fingerprint(0));
    }
}
