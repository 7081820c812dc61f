//! Which teams are ranked together: small ones, because a question to ClickHouse costs much, however few rows it reads. Large ones
//! gain nothing, and would wait for one another.

use std::{collections::VecDeque, mem};

use crate::config::{READY_MAX, RankerConfig};

/// How large a batch may grow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) teams_max: usize,
    pub(crate) rows_max: u64,
}

/// How large a batch is.
#[derive(Clone, Copy, Debug, Default)]
struct Extent {
    teams: usize,
    rows: u64,
}

impl Limits {
    pub(crate) fn of(config: &RankerConfig) -> Self {
        let teams_max = usize::try_from(config.ranker_batch_teams_max).unwrap_or(usize::MAX);
        Self { teams_max, rows_max: config.ranker_batch_rows_max }
    }

    /// The same, where so many rankings are on their way already; none where there is no room for one more.
    pub(crate) fn beside(self, on_their_way: usize) -> Option<Self> {
        let room = READY_MAX.saturating_sub(on_their_way);
        (room > 0).then(|| Self { teams_max: self.teams_max.min(room), ..self })
    }
}

/// Takes the next batch out of the queue: the first team in it and, of the others in their order, those that fit beside it. So a
/// large one among small ones does not part them, and whoever has waited longest is not passed over.
pub(crate) fn take<T>(queue: &mut VecDeque<T>, limits: Limits, rows: impl Fn(&T) -> Option<u64>) -> VecDeque<T> {
    let mut extent = Extent::default();
    let (batch, left) = mem::take(queue).into_iter().partition(|team| extent.admit(rows(team), limits));
    *queue = left;
    batch
}

impl Extent {
    /// Adds a team of so many rows, if it fits. The first always does; one whose rows nobody has counted yet stays alone.
    fn admit(&mut self, rows: Option<u64>, limits: Limits) -> bool {
        let rows = self.rows.saturating_add(rows.unwrap_or(limits.rows_max.saturating_add(1)));
        let fits = self.teams == 0 || (self.teams < limits.teams_max && rows <= limits.rows_max);
        if fits {
            *self = Self { teams: self.teams + 1, rows };
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { teams_max: 3, rows_max: 100 };

    /// The batches of these teams, one after another.
    fn batches(teams: &[Option<u64>]) -> Vec<Vec<Option<u64>>> {
        let mut queue: VecDeque<Option<u64>> = teams.iter().copied().collect();
        let mut batches = Vec::new();
        while !queue.is_empty() {
            batches.push(take(&mut queue, LIMITS, |rows| *rows).into());
        }
        batches
    }

    #[test]
    fn small_teams_are_ranked_together_up_to_the_limits() {
        assert_eq!(batches(&[Some(40), Some(60), Some(1)]), [vec![Some(40), Some(60)], vec![Some(1)]]);
        assert_eq!(batches(&[Some(1); 4]), [vec![Some(1); 3], vec![Some(1)]]);
    }

    #[test]
    fn large_teams_and_unknown_ones_are_ranked_alone() {
        assert_eq!(batches(&[Some(1_000), Some(0)]), [[Some(1_000)], [Some(0)]]);
        assert_eq!(batches(&[None, Some(0)]), [[None], [Some(0)]]);
        assert_eq!(batches(&[Some(0), None]), [[Some(0)], [None]]);
    }

    #[test]
    fn large_teams_between_small_ones_do_not_part_them() {
        let mixed = [Some(1_000), Some(1), None, Some(2), Some(1_000), Some(3)];
        let small = vec![Some(1), Some(2), Some(3)];
        assert_eq!(batches(&mixed), [vec![Some(1_000)], small, vec![None], vec![Some(1_000)]]);
    }

    #[test]
    fn a_batch_has_no_more_teams_than_may_wait_to_be_published() {
        assert_eq!(LIMITS.beside(0).map(|limits| limits.teams_max), Some(3));
        assert_eq!(LIMITS.beside(READY_MAX - 1).map(|limits| limits.teams_max), Some(1));
        assert!(LIMITS.beside(READY_MAX).is_none());
    }
}
