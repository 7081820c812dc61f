//! What answers must be.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use domain::time::Timestamp;
use serde_json::Value;

use crate::topic::text;

/// What was answered, and what must be.
pub(crate) struct Answers {
    /// Of paths whose answer never changes.
    fixed: BTreeMap<String, Value>,
    /// Current rankings, by team and snapshot.
    current: Mutex<BTreeMap<(String, String), Value>>,
}

impl Answers {
    pub(crate) fn new(fixed: BTreeMap<String, Value>) -> Self {
        Self { fixed, current: Mutex::default() }
    }

    /// The paths whose answer never changes.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &String> {
        self.fixed.keys()
    }

    /// Checks an answer, as far as it can be known already; the newest ranking that its connection has seen now.
    pub(crate) fn check(&self, path: &str, (status, answer): (u16, Value), newest: Timestamp) -> Timestamp {
        assert_eq!(status, 200, "{path}: {answer}");
        if let Some(expected) = self.fixed.get(path) {
            assert_eq!(&answer, expected, "{path} has another answer than before");
            return newest;
        }
        let as_of = Timestamp::parse_rfc3339(text(&answer, "as_of")).expect("a time");
        assert!(as_of >= newest, "{path} went back from {} to {}", newest.to_rfc3339(), as_of.to_rfc3339());
        let key = (text(&answer, "team").to_owned(), text(&answer, "snapshot").to_owned());
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let first = current.entry(key).or_insert_with(|| answer.clone());
        assert_eq!(*first, answer, "{path}: one snapshot, two answers");
        as_of
    }

    /// Every current ranking that was answered had been published so; how many there were.
    pub(crate) fn were_published(&self, published: &BTreeMap<String, Vec<Value>>) -> usize {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        for ((team, snapshot), answer) in current.iter() {
            let document = published[team].iter().find(|document| text(document, "snapshot") == snapshot);
            let document = document.unwrap_or_else(|| panic!("{snapshot} of {team} was answered, but not published"));
            assert_eq!(answer, document, "another ranking than was published");
        }
        current.len()
    }
}
