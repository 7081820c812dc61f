//! Features that catalogs merge in circles: a mistake of whoever keeps the catalog, which operators are to see.

use std::collections::BTreeMap;

use domain::ids::TeamId;

/// The circles of the teams that are ranked here.
#[derive(Debug, Default)]
pub(crate) struct Cycles(BTreeMap<TeamId, Vec<Vec<String>>>);

impl Cycles {
    /// The team's ranking was published with these circles. Says so when they are others than before.
    pub(crate) fn published(&mut self, team: &TeamId, cycles: Vec<Vec<String>>) -> bool {
        let changed = self.0.get(team).map_or(!cycles.is_empty(), |before| *before != cycles);
        if !changed {
            return false;
        }
        if cycles.is_empty() {
            tracing::info!(flywheel.team = %team, "no features are merged in a circle any more");
            self.0.remove(team);
            return true;
        }
        for features in &cycles {
            tracing::warn!(
                flywheel.team = %team,
                flywheel.features = features.join(","),
                "features are merged in a circle, and ranked unmerged"
            );
        }
        self.0.insert(team.clone(), cycles);
        true
    }

    /// Forgets teams that are ranked elsewhere now.
    pub(crate) fn retain(&mut self, ours: impl Fn(&TeamId) -> bool) {
        self.0.retain(|team, _| ours(team));
    }

    /// How many circles there are.
    pub(crate) fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_told_once_for_every_change() {
        let mut cycles = Cycles::default();
        let team = TeamId::parse("t").unwrap();
        let circle = || vec![vec!["a".to_owned(), "b".to_owned()]];
        assert!(!cycles.published(&team, vec![]));
        assert!(cycles.published(&team, circle()));
        assert!(!cycles.published(&team, circle()));
        assert_eq!(cycles.count(), 1);
        assert!(cycles.published(&team, vec![vec!["a".to_owned(), "c".to_owned()]]));
        assert!(cycles.published(&team, vec![]));
        assert!(!cycles.published(&team, vec![]));
        assert_eq!(cycles.count(), 0);
        cycles.published(&team, circle());
        cycles.retain(|_| false);
        assert_eq!(cycles.count(), 0);
    }
}
