//! Which teams are ranked together: small ones, because a question to ClickHouse costs much, however few rows it reads. Large ones
//! gain nothing, and would wait for one another.

use crate::config::RankerConfig;

/// How large a batch may grow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) teams_max: usize,
    pub(crate) rows_max: u64,
}

/// How large a batch is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    teams: usize,
    rows: u64,
}

impl Limits {
    pub(crate) fn of(config: &RankerConfig) -> Self {
        let teams_max = usize::try_from(config.ranker_batch_teams_max).unwrap_or(usize::MAX);
        Self { teams_max, rows_max: config.ranker_batch_rows_max }
    }
}

impl Extent {
    /// Adds a team of so many rows, if it fits. The first always does; one whose rows nobody has counted yet stays alone.
    pub(crate) fn admit(&mut self, rows: Option<u64>, limits: Limits) -> bool {
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

    /// How many of these teams the first batch takes.
    fn first(teams: &[Option<u64>]) -> usize {
        let mut extent = Extent::default();
        teams.iter().take_while(|rows| extent.admit(**rows, LIMITS)).count()
    }

    #[test]
    fn small_teams_are_ranked_together_up_to_the_limits() {
        assert_eq!(first(&[Some(40), Some(60), Some(1)]), 2);
        assert_eq!(first(&[Some(1), Some(1), Some(1), Some(1)]), 3);
    }

    #[test]
    fn large_teams_and_unknown_ones_are_ranked_alone() {
        assert_eq!(first(&[Some(1_000), Some(0)]), 1);
        assert_eq!(first(&[None, Some(0)]), 1);
        assert_eq!(first(&[Some(0), None]), 1);
    }
}
