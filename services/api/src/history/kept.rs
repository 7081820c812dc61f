//! Answers that were given, for those who ask again: so many, of so many bytes, each for a minute at most.

use std::{any::Any, io, sync::Arc, time::Duration};

use moka::sync::Cache;
use serde::Serialize;

use super::Answered;
use crate::metrics::cold;

/// An answer is kept so long. What changed shows in its key within a second; but where ingest could not say that something did,
/// the ranker too learns of it only when it refreshes its rankings, once a minute.
const KEPT_MAX: Duration = Duration::from_secs(60);

/// The answers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Kept {
    answers: Cache<String, Entry>,
}

#[derive(Clone)]
struct Entry {
    answer: Answered,
    bytes: u32,
}

impl Kept {
    /// Keeps at most `answers_max` answers of `bytes_max` bytes together.
    pub(super) fn new(bytes_max: u64, answers_max: u64) -> Self {
        // One limit does for both: an answer weighs no less than its part of the bytes.
        let weight_min = u32::try_from(bytes_max / answers_max.max(1)).unwrap_or(u32::MAX);
        let weigh = move |key: &String, entry: &Entry| {
            let key_bytes = u32::try_from(key.len()).unwrap_or(u32::MAX);
            entry.bytes.saturating_add(key_bytes).max(weight_min)
        };
        Self { answers: Cache::builder().max_capacity(bytes_max).weigher(weigh).time_to_live(KEPT_MAX).build() }
    }

    /// The answer that is kept under `key`.
    pub(super) fn get(&self, key: &str) -> Option<Answered> {
        self.answers.get(key).map(|entry| entry.answer)
    }

    /// Keeps an answer. It weighs what it does as JSON, which is about what it takes of memory.
    pub(super) fn keep<T: Serialize + Any + Send + Sync>(&self, key: String, answer: T) -> Answered {
        let mut bytes = Counted(0);
        // Counting does not fail, and an answer that does not encode is the handler's to report.
        let encoded = serde_json::to_writer(&mut bytes, &answer).is_ok();
        let answer: Answered = Arc::new(answer);
        if encoded {
            let entry = Entry { answer: Arc::clone(&answer), bytes: u32::try_from(bytes.0).unwrap_or(u32::MAX) };
            self.answers.insert(key, entry);
        }
        answer
    }

    /// Reports what is kept for as long as it is.
    pub(super) fn observe(&self) {
        let (entries, bytes) = (self.answers.clone(), self.answers.clone());
        cold::observe_kept(move || entries.entry_count(), move || bytes.weighted_size());
    }
}

/// Counts what is written.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many answers of `length` characters are kept of a hundred.
    fn kept(bytes_max: u64, answers_max: u64, length: usize) -> (u64, u64) {
        let kept = Kept::new(bytes_max, answers_max);
        for number in 0..100 {
            kept.keep(format!("k{number:02}"), "x".repeat(length));
        }
        kept.answers.run_pending_tasks();
        (kept.answers.entry_count(), kept.answers.weighted_size())
    }

    #[test]
    fn neither_more_bytes_nor_more_answers_than_allowed_are_kept() {
        // The quotes and the key belong to it.
        let (answers, bytes) = kept(1_000, 1_000, 95);
        assert!((5..=10).contains(&answers) && bytes <= 1_000, "{answers} answers of {bytes} bytes");
        let (answers, _) = kept(1_000_000, 7, 1);
        assert!((1..=7).contains(&answers), "{answers}");
    }

    #[test]
    fn an_answer_larger_than_all_that_may_be_kept_is_given_and_not_kept() {
        let kept = Kept::new(100, 10);
        let answer = kept.keep("k".to_owned(), "x".repeat(1_000));
        assert_eq!(answer.downcast_ref::<String>().map(String::len), Some(1_000));
        kept.answers.run_pending_tasks();
        assert!(kept.get("k").is_none());
    }
}
