//! What of a feature's evidence is shown: to those without the right to the accounts behind it nothing of fewer than
//! [`ACCOUNTS_SHOWN_MIN`](crate::withheld::ACCOUNTS_SHOWN_MIN) of them. Whose request it was, and in which words, is shown to nobody
//! who does not ask for it.

use std::collections::HashMap;

use domain::{catalog::Parameters, ids::FeatureId, tally::Tallies};
use wire::{
    evidence::{Durations, Experience, Judged, Numbers, Operation, Said, SegmentCell, Signal, TierCell, Words},
    ranking::{Contributions, Demand, Need, Population},
    share::Share,
};

use crate::withheld::Told;

/// Whether a segment may lie within another one that has a few more accounts.
pub(crate) fn may_lie_within(evidence: &::store::Evidence, told: Told) -> bool {
    let cells = evidence.side_by_side.segments.iter();
    let mut accounts: Vec<u64> = cells.map(|cell| cell.tallies.accounts).filter(|of| told.enough(*of)).collect();
    accounts.sort_unstable();
    accounts.dedup();
    accounts.windows(2).any(|pair| told.few(pair[1] - pair[0]))
}

/// The numbers of each segment. All accounts of the first of `within` are in the second.
pub(crate) fn segments(evidence: &::store::Evidence, within: &[(String, String)], told: Told) -> Vec<SegmentCell> {
    let cells = &evidence.side_by_side.segments;
    let accounts: Vec<u64> = cells.iter().map(|cell| cell.tallies.accounts).collect();
    let places: HashMap<&str, usize> =
        cells.iter().zip(0..).map(|(cell, place)| (cell.segment.as_str(), place)).collect();
    let place = |segment: &String| places.get(segment.as_str()).copied();
    let within: Vec<(usize, usize)> =
        within.iter().filter_map(|(inner, outer)| place(inner).zip(place(outer))).collect();
    let shown = shown_segments(&accounts, &within, evidence.side_by_side.all.accounts, told);
    let cells = cells.iter().zip(shown).map(|(cell, shown)| SegmentCell {
        segment: cell.segment.clone(),
        own: cell.own,
        numbers: shown.then(|| numbers(&cell.tallies, &evidence.feature, &evidence.parameters)).flatten(),
    });
    cells.collect()
}

/// Whether each of some cells that may overlap is shown, of `all` accounts. Neither one alone, nor those that are shown together,
/// leave only a few: what is known of all would tell those. Nor does one that lies within another one that is shown.
fn shown_segments(accounts: &[u64], within: &[(usize, usize)], all: u64, told: Told) -> Vec<bool> {
    let alone = |accounts: &u64| told.enough(*accounts) && !told.few(all.saturating_sub(*accounts));
    let mut shown: Vec<bool> = accounts.iter().map(alone).collect();
    // The largest first: what is hidden itself gives nothing away of those within it.
    let mut within = within.to_vec();
    within.sort_by_key(|(inner, outer)| std::cmp::Reverse((accounts[*inner], accounts[*outer])));
    for (inner, outer) in within {
        if shown[outer] && told.few(accounts[outer].saturating_sub(accounts[inner])) {
            shown[inner] = false;
        }
    }
    loop {
        let together: u64 =
            accounts.iter().zip(&shown).filter(|(_, shown)| **shown).map(|(accounts, _)| accounts).sum();
        if !told.few(all.saturating_sub(together)) {
            return shown;
        }
        // The smallest goes too.
        let smallest = (0..accounts.len()).filter(|at| shown[*at]).min_by_key(|at| accounts[*at]);
        match smallest {
            Some(smallest) => shown[smallest] = false,
            None => return shown,
        }
    }
}

/// The numbers of each tier. They add up to the ranking's, in accounts and, differently, in weights: where one is hidden, what the
/// others leave of the whole would tell it. Then none is shown.
pub(crate) fn tiers(evidence: &::store::Evidence, told: Told) -> Vec<TierCell> {
    let cells = &evidence.side_by_side.tiers;
    let shown = shown_tiers(&cells.iter().map(|cell| cell.tallies.accounts).collect::<Vec<_>>(), told);
    let cells = cells.iter().zip(shown).map(|(cell, shown)| TierCell {
        tier: name(cell.tier).to_owned(),
        numbers: shown.then(|| numbers(&cell.tallies, &evidence.feature, &evidence.parameters)).flatten(),
    });
    cells.collect()
}

/// Whether each of some cells that add up is shown.
fn shown_tiers(accounts: &[u64], told: Told) -> Vec<bool> {
    let all = !accounts.iter().any(|accounts| told.few(*accounts));
    accounts.iter().map(|accounts| all && told.enough(*accounts)).collect()
}

fn name(tier: domain::catalog::Tier) -> &'static str {
    domain::catalog::Tier::NAMES.into_iter().find(|(_, known)| *known == tier).map_or("", |(name, _)| name)
}

fn numbers(tallies: &Tallies, feature: &FeatureId, parameters: &Parameters) -> Option<Numbers> {
    let numbers = ::store::Numbers::of(tallies, feature, parameters)?;
    Some(Numbers {
        population: Population::computed(&numbers.population),
        score: numbers.score,
        contributions: Contributions {
            demand: 100.0 * parameters.demand_weight * numbers.demand.low,
            need: 100.0 * parameters.need_weight * numbers.need.low,
        },
        demand: Demand::computed(&numbers.demand),
        need: Need::computed(&numbers.need),
    })
}

/// The kinds of need signals.
pub(crate) fn signals(signals: &[::store::Signal], told: Told) -> Vec<Signal> {
    let signals = signals.iter().map(|signal| {
        let shown = told.enough(signal.accounts);
        Signal {
            signal: signal.signal.clone(),
            count: shown.then_some(signal.count),
            accounts: shown.then_some(signal.accounts),
            latest: shown.then(|| domain::time::Timestamp(signal.latest).to_rfc3339()),
        }
    });
    signals.collect()
}

/// How it feels to those who use it.
pub(crate) fn experience(experience: &::store::Experience, told: Told) -> Experience {
    let operations = experience.operations.iter().map(|operation| Operation {
        operation: operation.operation.clone(),
        durations: judged(&operation.accounts, told).map(|accounts| Durations {
            observations: operation.observations,
            p50_us: operation.p50_us,
            p99_us: operation.p99_us,
            p999_us: operation.p999_us,
            accounts,
        }),
    });
    Experience {
        bound_us: experience.bound_us,
        observations_min: ::store::OBSERVATIONS_MIN,
        accounts: judged(&experience.accounts, told),
        operations: operations.collect(),
    }
}

fn judged(judged: &::store::Judged, told: Told) -> Option<Judged> {
    told.enough(judged.worse.of + judged.too_few)
        .then(|| Judged { worse: Share::computed(&judged.worse), too_few: judged.too_few })
}

/// What was last said.
pub(crate) fn said(said: &::store::Said) -> Said {
    let importance = said
        .importance
        .and_then(|importance| domain::catalog::Importance::NAMES.into_iter().find(|(_, known)| *known == importance));
    Said {
        time: said.time.to_rfc3339(),
        feature: said.feature.to_string(),
        importance: importance.map(|(name, _)| name.to_owned()),
        channel: given(&said.channel),
        words: None,
    }
}

/// The same, with whose it is and in which words.
pub(crate) fn written(statement: &::store::Said) -> Said {
    let written = |text: fn(&::store::Text) -> &String| statement.text.as_ref().and_then(|found| given(text(found)));
    let words = Words {
        account: statement.account.to_string(),
        requester: written(|found| &found.requester),
        text: written(|found| &found.text),
        r#ref: given(&statement.reference),
    };
    Said { words: Some(words), ..said(statement) }
}

/// None where it is empty.
fn given(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: Told = Told::OfMany;
    const ANY: Told = Told::OfAny;

    #[test]
    fn one_small_tier_takes_the_others_with_it() {
        assert_eq!(shown_tiers(&[100, 20, 3], MANY), [false, false, false]);
        assert_eq!(shown_tiers(&[100, 4, 3], MANY), [false, false, false]);
        assert_eq!(shown_tiers(&[100, 20, 0], MANY), [true, true, false]);
        assert_eq!(shown_tiers(&[100, 20, 5], MANY), [true, true, true]);
        assert_eq!(shown_tiers(&[4, 0, 0], MANY), [false, false, false]);
    }

    #[test]
    fn segments_that_leave_a_few_accounts_are_not_shown() {
        assert_eq!(shown_segments(&[50, 40, 10], &[], 100, MANY), [true, true, true]);
        assert_eq!(shown_segments(&[97, 50], &[], 100, MANY), [false, true], "the others are three");
        assert_eq!(shown_segments(&[100, 50], &[], 100, MANY), [true, true], "there are no others");
        assert_eq!(shown_segments(&[57, 40, 3], &[], 100, MANY), [true, false, false], "the two leave the third");
        assert_eq!(shown_segments(&[60, 60, 3], &[], 100, MANY), [true, true, false], "they overlap");
        assert_eq!(shown_segments(&[2, 1], &[], 3, MANY), [false, false]);
    }

    #[test]
    fn a_segment_that_lies_within_a_shown_one_of_a_few_accounts_more_is_not_shown() {
        let shown = |accounts: &[u64], within: &[(usize, usize)]| shown_segments(accounts, within, 200, MANY);
        assert_eq!(shown(&[47, 50], &[(0, 1)]), [false, true]);
        assert_eq!(shown(&[47, 50], &[]), [true, true], "they only overlap");
        assert_eq!(shown(&[45, 50], &[(0, 1)]), [true, true]);
        assert_eq!(shown(&[50, 50], &[(0, 1), (1, 0)]), [true, true], "they are the same");
        assert_eq!(
            shown(&[44, 47, 50], &[(0, 1), (0, 2), (1, 2)]),
            [true, false, true],
            "what is hidden tells nothing"
        );
        assert_eq!(shown_segments(&[94, 97], &[(0, 1)], 100, MANY), [true, false], "the larger one is hidden already");
    }

    #[test]
    fn a_signal_of_a_few_accounts_is_named_and_no_more() {
        let signal = |accounts| ::store::Signal { signal: "full_scan".to_owned(), count: 90, accounts, latest: 0 };
        let found = signals(&[signal(5), signal(4)], MANY);
        assert_eq!((found[0].count, found[0].accounts, found[0].latest.is_some()), (Some(90), Some(5), true));
        assert_eq!((found[1].count, found[1].accounts, found[1].latest.is_some()), (None, None, false));
    }

    #[test]
    fn who_has_the_right_is_shown_every_cell() {
        assert_eq!(shown_tiers(&[100, 4, 0], ANY), [true; 3]);
        assert_eq!(shown_segments(&[97, 3, 0], &[(1, 0)], 100, ANY), [true; 3]);
        let signal = ::store::Signal { signal: "full_scan".to_owned(), count: 90, accounts: 1, latest: 0 };
        assert_eq!(signals(std::slice::from_ref(&signal), ANY)[0].count, Some(90));
        let alone = ::store::Judged { worse: domain::share::Share::new(0, 1), too_few: 0 };
        assert!(judged(&alone, ANY).is_some() && judged(&alone, MANY).is_none());
    }
}
