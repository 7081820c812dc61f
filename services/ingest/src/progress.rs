//! How far each assigned partition is durable, in time. No I/O.
//!
//! A partition's progress is the timestamp of its last durable record or, when everything up to its observed end is durable,
//! the moment of that observation.

use std::collections::BTreeMap;

use domain::ids::{Offset, Partition};

/// The assigned partitions and how far each is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    partitions: BTreeMap<(String, Partition), State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// The first offset that is not durable; unknown until the committed offset is.
    next: Option<Offset>,
    /// The partition's end when it was last observed.
    end: Option<Offset>,
    /// Unix time in milliseconds.
    reached_ms: Option<i64>,
}

/// One partition's progress, for publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) topic: String,
    pub(crate) partition: Partition,
    /// Unix time in milliseconds.
    pub(crate) progress_ms: i64,
}

impl Progress {
    /// The group gave us a partition.
    pub(crate) fn assigned(&mut self, topic: &str, partition: Partition) {
        self.partitions.insert((topic.to_owned(), partition), State::default());
    }

    /// The group took a partition away.
    pub(crate) fn revoked(&mut self, topic: &str, partition: Partition) {
        self.partitions.remove(&(topic.to_owned(), partition));
    }

    /// The assigned partitions.
    pub(crate) fn assignment(&self) -> Vec<(String, Partition)> {
        self.partitions.keys().cloned().collect()
    }

    /// Reading starts at `next`: everything before is durable. Does nothing where a later offset is already known.
    pub(crate) fn starts_at(&mut self, topic: &str, partition: Partition, next: Offset) {
        if let Some(state) = self.partitions.get_mut(&(topic.to_owned(), partition)) {
            state.next.get_or_insert(next);
        }
    }

    /// Everything before `next` is durable, and the last record's timestamp was `timestamp_ms`, if that is known.
    pub(crate) fn durable(&mut self, topic: &str, partition: Partition, next: Offset, timestamp_ms: Option<i64>) {
        if let Some(state) = self.partitions.get_mut(&(topic.to_owned(), partition)) {
            state.next = state.next.max(Some(next));
            state.reached_ms = state.reached_ms.max(timestamp_ms);
        }
    }

    /// The partition's end was `end` at `observed_ms`.
    pub(crate) fn observed(&mut self, topic: &str, partition: Partition, end: Offset, observed_ms: i64) {
        if let Some(state) = self.partitions.get_mut(&(topic.to_owned(), partition)) {
            state.end = Some(end);
            if state.next.is_some_and(|next| next >= end) {
                state.reached_ms = state.reached_ms.max(Some(observed_ms));
            }
        }
    }

    /// How many messages of each assigned partition are not durable yet, where that is known.
    pub(crate) fn lags(&self) -> impl Iterator<Item = (&str, Partition, u64)> {
        self.partitions.iter().filter_map(|((topic, partition), state)| {
            let lag = u64::try_from(state.end?.0 - state.next?.0).unwrap_or_default();
            Some((topic.as_str(), *partition, lag))
        })
    }

    /// Every assigned partition that has a progress.
    pub(crate) fn reached(&self) -> Vec<Reached> {
        self.partitions
            .iter()
            .filter_map(|((topic, partition), state)| {
                Some(Reached { topic: topic.clone(), partition: *partition, progress_ms: state.reached_ms? })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Partition = Partition(0);

    fn assigned() -> Progress {
        let mut progress = Progress::default();
        progress.assigned("t", P);
        progress
    }

    fn reached(progress: &Progress) -> Option<i64> {
        progress.reached().first().map(|reached| reached.progress_ms)
    }

    #[test]
    fn a_backlog_holds_progress_at_the_last_durable_record() {
        let mut progress = assigned();
        progress.starts_at("t", P, Offset(0));
        progress.durable("t", P, Offset(5), Some(1_000));
        progress.observed("t", P, Offset(6), 9_000);
        assert_eq!(reached(&progress), Some(1_000));
    }

    #[test]
    fn a_drained_partition_follows_the_observation() {
        let mut progress = assigned();
        progress.starts_at("t", P, Offset(0));
        progress.durable("t", P, Offset(6), Some(1_000));
        progress.observed("t", P, Offset(6), 9_000);
        assert_eq!(reached(&progress), Some(9_000));
    }

    #[test]
    fn nothing_is_said_before_the_start_is_known() {
        let mut progress = assigned();
        progress.observed("t", P, Offset(0), 9_000);
        assert_eq!(reached(&progress), None);
    }

    #[test]
    fn the_lag_is_what_is_not_durable() {
        let mut progress = assigned();
        assert_eq!(progress.lags().count(), 0);
        progress.starts_at("t", P, Offset(2));
        progress.observed("t", P, Offset(9), 9_000);
        assert_eq!(progress.lags().collect::<Vec<_>>(), [("t", P, 7)]);
        progress.durable("t", P, Offset(12), Some(9_500));
        assert_eq!(progress.lags().collect::<Vec<_>>(), [("t", P, 0)]);
    }

    #[test]
    fn progress_never_goes_back() {
        let mut progress = assigned();
        progress.starts_at("t", P, Offset(0));
        progress.observed("t", P, Offset(0), 9_000);
        progress.durable("t", P, Offset(1), Some(8_500));
        assert_eq!(reached(&progress), Some(9_000));
    }

    #[test]
    fn a_revoked_partition_is_silent() {
        let mut progress = assigned();
        progress.starts_at("t", P, Offset(0));
        progress.observed("t", P, Offset(0), 9_000);
        progress.revoked("t", P);
        progress.durable("t", P, Offset(7), Some(10_000));
        assert_eq!(progress.reached(), []);
    }
}
