//! Which answers are not given, because they would tell the numbers of a few accounts to those without the right to them.
//!
//! One question can tell as much as is refused here. Who asks for several instants and compares the answers learns more; that
//! takes the right to look behind numbers, which nobody has yet.

use domain::{
    assumptions::{TierWeights, WhatIf},
    tally::Tallies,
};

/// A group of fewer accounts carries no numbers: they could be those of one customer.
pub(crate) const ACCOUNTS_SHOWN_MIN: u64 = 5;

/// Whose numbers an answer would tell, though they are too few to be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Withheld {
    /// The segment's.
    #[error("segment {segment:?} has fewer than {accounts_min} active accounts then; its numbers are not shown")]
    Segment {
        /// The segment asked for.
        segment: String,
        /// So many accounts must be active in it.
        accounts_min: u64,
    },
    /// Those of the accounts outside the segment: what is left of the team's numbers without the segment's.
    #[error(
        "all but fewer than {accounts_min} of the team's active accounts are in segment {segment:?} then; its numbers would \
         tell theirs and are not shown"
    )]
    Rest {
        /// The segment asked for.
        segment: String,
        /// So many accounts must be active outside it, or none.
        accounts_min: u64,
    },
    /// Those of a tier: other weights single it out.
    #[error(
        "a tier has fewer than {accounts_min} active accounts then; numbers under other tier weights would tell theirs and \
         are not shown"
    )]
    Tier {
        /// So many accounts must be active in each tier, or none.
        accounts_min: u64,
    },
    /// Those of the few that are active in the window assumed.
    #[error(
        "fewer than {accounts_min} accounts are active in the activity window assumed; their numbers are not shown"
    )]
    Window {
        /// So many accounts must be active in it.
        accounts_min: u64,
    },
}

/// The accounts that an answer is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// Those active in the segment asked for; all, where none is.
    pub(crate) accounts: u64,
    /// Those of each tier.
    pub(crate) tiers: [u64; 3],
    /// The team's active accounts, in the segment and outside it.
    pub(crate) all: u64,
}

impl Counted {
    /// Of all accounts that are active.
    pub(crate) fn whole(tallies: &Tallies) -> Self {
        Self { accounts: tallies.accounts, tiers: tallies.tiers, all: tallies.accounts }
    }
}

/// Whether an answer for the `segment`, or for all accounts, under these assumptions may be given.
pub(crate) fn check(segment: Option<&str>, what_if: &WhatIf, counted: &Counted) -> Result<(), Withheld> {
    let accounts_min = ACCOUNTS_SHOWN_MIN;
    if let Some(segment) = segment {
        if !enough(counted.accounts) {
            return Err(Withheld::Segment { segment: segment.to_owned(), accounts_min });
        }
        if few(counted.all.saturating_sub(counted.accounts)) {
            return Err(Withheld::Rest { segment: segment.to_owned(), accounts_min });
        }
    }
    if what_if.activity_window_days.is_some() && few(counted.accounts) {
        return Err(Withheld::Window { accounts_min });
    }
    if singles_out_tiers(what_if) && counted.tiers.into_iter().any(few) {
        return Err(Withheld::Tier { accounts_min });
    }
    Ok(())
}

/// So many accounts can be shown.
pub(crate) fn enough(accounts: u64) -> bool {
    accounts >= ACCOUNTS_SHOWN_MIN
}

/// There are some, and they are too few to be shown.
pub(crate) fn few(accounts: u64) -> bool {
    accounts > 0 && !enough(accounts)
}

/// Whether tiers weigh other than usual. What they weigh usually is in every published ranking, and tells nothing more.
fn singles_out_tiers(what_if: &WhatIf) -> bool {
    let usual = TierWeights::default();
    let differs = |weight: Option<f64>, usual: f64| weight.is_some_and(|weight| weight != usual);
    differs(what_if.tier_weight_standard, usual.standard)
        || differs(what_if.tier_weight_growth, usual.growth)
        || differs(what_if.tier_weight_enterprise, usual.enterprise)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(accounts: u64, all: u64) -> Counted {
        Counted { accounts, tiers: [accounts, 0, 0], all }
    }

    #[test]
    fn a_segment_is_shown_if_both_it_and_the_rest_of_the_team_are_many_or_the_rest_is_nobody() {
        let check = |accounts, all| check(Some("s"), &WhatIf::default(), &counted(accounts, all));
        let (segment, accounts_min) = ("s".to_owned(), 5);
        for (accounts, all, expected) in [
            (5, 10, Ok(())),
            (5, 5, Ok(())),
            (4, 10, Err(Withheld::Segment { segment: segment.clone(), accounts_min })),
            (0, 10, Err(Withheld::Segment { segment: segment.clone(), accounts_min })),
            (9, 10, Err(Withheld::Rest { segment: segment.clone(), accounts_min })),
            (6, 10, Err(Withheld::Rest { segment, accounts_min })),
        ] {
            assert_eq!(check(accounts, all), expected, "{accounts} of {all}");
        }
    }

    #[test]
    fn other_tier_weights_are_for_tiers_of_many_accounts_or_of_none() {
        let single_out = WhatIf {
            tier_weight_standard: Some(0.0),
            tier_weight_growth: Some(0.0),
            tier_weight_enterprise: Some(1.0),
            ..WhatIf::default()
        };
        let usual = WhatIf { tier_weight_enterprise: Some(3.0), demand_weight: Some(0.5), ..WhatIf::default() };
        let of = |tiers: [u64; 3]| Counted { accounts: tiers.iter().sum(), tiers, all: tiers.iter().sum() };
        for (tiers, withheld) in [([90, 10, 1], true), ([90, 4, 10], true), ([90, 0, 5], false), ([0, 0, 0], false)] {
            let expected = if withheld { Err(Withheld::Tier { accounts_min: 5 }) } else { Ok(()) };
            assert_eq!(check(None, &single_out, &of(tiers)), expected, "{tiers:?}");
            assert_eq!(check(None, &usual, &of(tiers)), Ok(()), "{tiers:?}");
        }
    }

    #[test]
    fn an_activity_window_that_leaves_a_few_is_not_assumed() {
        let short = WhatIf { activity_window_days: Some(0.01), ..WhatIf::default() };
        assert_eq!(check(None, &short, &counted(1, 1)), Err(Withheld::Window { accounts_min: 5 }));
        assert_eq!(check(None, &short, &counted(0, 0)), Ok(()));
        // Of its own a team may have so few.
        assert_eq!(check(None, &WhatIf::default(), &counted(1, 1)), Ok(()));
    }
}
