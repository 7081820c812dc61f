//! Which teams are asked for in one question.

use std::collections::BTreeSet;

use domain::ids::FeatureId;

use super::Asked;
use crate::sql::activity::Grain;

/// A question for several teams has so many cells for their features at most, each some 30 bytes of it.
const CELLS_MAX: usize = 10_000;

/// The places of those that are asked for in one question: their usage is read from the same table, and what they call their
/// features fits. One whose features alone do not fit is a question of its own.
pub(super) fn together(asked: &[Asked<'_>]) -> Vec<Vec<usize>> {
    let mut groups: Vec<(Grain, BTreeSet<&FeatureId>, Vec<usize>)> = Vec::new();
    for (place, asked) in asked.iter().enumerate() {
        let grain = Grain::of(asked.assumptions.parameters.activity_window_days);
        let names = asked.names();
        let fits = |group: &&mut (Grain, BTreeSet<&FeatureId>, Vec<usize>)| {
            group.0 == grain && (group.2.len() + 1) * (group.1.union(&names).count() + 1) <= CELLS_MAX
        };
        match groups.iter_mut().find(fits) {
            Some((_, of_group, places)) => {
                of_group.extend(names);
                places.push(place);
            }
            None => groups.push((grain, names, vec![place])),
        }
    }
    groups.into_iter().map(|(_, _, places)| places).collect()
}

#[cfg(test)]
mod tests {
    use domain::{
        assumptions::Assumptions,
        catalog::{Catalog, Parameters},
        ids::TeamId,
    };

    use super::*;
    use crate::catalogs::Known;

    const MONTHS: f64 = 90.0;
    const OTHER_MONTHS: f64 = 31.0;
    const DAYS: f64 = 30.0;

    /// A team with an activity window of so many days, in whose events features of these numbers are named.
    struct Team {
        id: TeamId,
        assumptions: Assumptions,
        known: Known,
    }

    fn team(activity_window_days: f64, features: std::ops::Range<usize>) -> Team {
        Team {
            id: TeamId::parse("a-team").unwrap(),
            assumptions: Assumptions::of(Parameters { activity_window_days, ..Parameters::default() }),
            known: Known {
                features: features.map(|number| FeatureId::parse(&format!("feature-{number}")).unwrap()).collect(),
                ..Known::default()
            },
        }
    }

    fn groups(teams: &[Team]) -> Vec<Vec<usize>> {
        let catalog = Catalog::default();
        let asked: Vec<Asked<'_>> = teams
            .iter()
            .map(|Team { id, assumptions, known }| Asked { team: id, catalog: &catalog, assumptions, known })
            .collect();
        together(&asked)
    }

    #[test]
    fn teams_whose_usage_is_read_from_the_same_table_are_one_question() {
        let teams = [MONTHS, DAYS, OTHER_MONTHS, DAYS].map(|days| team(days, 0..3));
        assert_eq!(groups(&teams), [vec![0, 2], vec![1, 3]]);
        assert_eq!(groups(&[]), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn names_that_teams_share_take_room_once_and_others_take_it_from_every_team() {
        // With the name that is no feature's: 50 teams of 199 names are 10,000 cells.
        let sharing: Vec<Team> = (0..50).map(|_| team(MONTHS, 0..199)).collect();
        assert_eq!(groups(&sharing), [(0..50).collect::<Vec<_>>()]);
        let one_name_more: Vec<Team> = (0..50).map(|_| team(MONTHS, 0..200)).collect();
        assert_eq!(groups(&one_name_more).iter().map(Vec::len).collect::<Vec<_>>(), [49, 1]);
        let own_names: Vec<Team> = (0..50).map(|number| team(MONTHS, 28 * number..28 * (number + 1))).collect();
        let sizes: Vec<usize> = groups(&own_names).iter().map(Vec::len).collect();
        assert_eq!(sizes, [18, 18, 14]);
    }

    #[test]
    fn a_team_with_more_names_than_fit_is_asked_for_alone() {
        let teams = [team(MONTHS, 0..3), team(MONTHS, 0..CELLS_MAX + 1), team(MONTHS, 0..3)];
        assert_eq!(groups(&teams), [vec![0, 2], vec![1]]);
    }
}
