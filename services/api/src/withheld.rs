//! Which answers are not given, because they would tell the numbers of a few accounts to those without the right to them:
//! the scope `evidence:read`.
//!
//! One question can tell as much as is refused here. Who asks for several instants and compares the answers learns more, which
//! is not looked at.

use domain::{
    assumptions::{TierWeights, WhatIf},
    tally::Tallies,
};

use crate::access::{Principal, scope::EVIDENCE};

/// A group of fewer accounts carries no numbers: they could be those of one customer.
pub(crate) const ACCOUNTS_SHOWN_MIN: u64 = 5;

/// Of how many accounts numbers are told. Whatever answer depends on it has it in its enquiry, so that none that was made for those
/// with the right reaches others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Of so many that no customer's own show, which is what everybody is told.
    OfMany,
    /// Of any: who asks has the right to it.
    OfAny,
}

impl Told {
    /// What `principal` is told.
    pub(crate) fn to(principal: &Principal) -> Self {
        if principal.may_see_evidence() { Self::OfAny } else { Self::OfMany }
    }

    /// The same, where it makes a difference: a ranking of all accounts under assumptions that single nobody out is everybody's,
    /// and computed for all of them together.
    pub(crate) fn of(self, segment: Option<&str>, what_if: &WhatIf) -> Self {
        let tells_apart = segment.is_some() || what_if.activity_window_days.is_some() || singles_out_tiers(what_if);
        if tells_apart { self } else { Self::OfMany }
    }

    /// Of so many accounts at least.
    pub(crate) fn accounts_min(self) -> u64 {
        match self {
            Self::OfMany => ACCOUNTS_SHOWN_MIN,
            Self::OfAny => 0,
        }
    }

    /// So many accounts can be shown.
    pub(crate) fn enough(self, accounts: u64) -> bool {
        accounts >= self.accounts_min()
    }

    /// There are some, and they are too few to be shown.
    pub(crate) fn few(self, accounts: u64) -> bool {
        accounts > 0 && !self.enough(accounts)
    }
}

/// Whose numbers an answer would tell, though they are too few to be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Withheld {
    /// The segment's.
    #[error(
        "segment {segment:?} has fewer than {accounts_min} active accounts then; its numbers take a key with the scope {EVIDENCE}"
    )]
    Segment {
        /// The segment asked for.
        segment: String,
        /// So many accounts must be active in it.
        accounts_min: u64,
    },
    /// Those of the accounts outside the segment: what is left of the team's numbers without the segment's.
    #[error(
        "all but fewer than {accounts_min} of the team's active accounts are in segment {segment:?} then; its numbers would \
         tell theirs, which takes a key with the scope {EVIDENCE}"
    )]
    Rest {
        /// The segment asked for.
        segment: String,
        /// So many accounts must be active outside it, or none.
        accounts_min: u64,
    },
    /// Those of a tier: other weights single it out.
    #[error(
        "a tier has fewer than {accounts_min} active accounts then; numbers under other tier weights would tell theirs, which \
         takes a key with the scope {EVIDENCE}"
    )]
    Tier {
        /// So many accounts must be active in each tier, or none.
        accounts_min: u64,
    },
    /// Those of the few that are active in the window assumed, or in it and not in the team's own, or the other way round.
    #[error(
        "fewer than {accounts_min} accounts are active in the activity window assumed, or in one of it and the team's own only; \
         their numbers would be told, which takes a key with the scope {EVIDENCE}"
    )]
    Window {
        /// So many accounts must be active in it, and in one of the two only, or none.
        accounts_min: u64,
    },
}

/// The accounts that an answer is made of, and those that others would be told by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// As the question is asked.
    pub(crate) asked: Counts,
    /// As it would be with the team's own activity window, where another is assumed.
    pub(crate) usual: Option<Counts>,
}

/// Active accounts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Those in the segment asked for; all, where none is.
    pub(crate) inside: Group,
    /// Those that are not in it.
    pub(crate) outside: Group,
}

/// How many accounts there are of a kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Group {
    accounts: u64,
    /// Of each tier; none where no answer that they are needed for is asked.
    tiers: [u64; 3],
}

impl Counts {
    /// Of a question for all accounts.
    pub(crate) fn of_all(tallies: &Tallies) -> Self {
        Self { inside: Group::of(tallies), outside: Group::default() }
    }

    /// Of a question for a segment, whose sums these are, of a team whose sums those are.
    pub(crate) fn of_segment(tallies: &Tallies, team: &Tallies) -> Self {
        let (inside, all) = (Group::of(tallies), Group::of(team));
        Self { inside, outside: all.without(&inside) }
    }

    /// Of a question for a segment, whose sums these are, where so many accounts of the team are active.
    pub(crate) fn of_segment_among(tallies: &Tallies, all: u64) -> Self {
        let outside = Group { accounts: all.saturating_sub(tallies.accounts), tiers: [0; 3] };
        Self { inside: Group::of(tallies), outside }
    }

    fn groups(&self) -> [&Group; 2] {
        [&self.inside, &self.outside]
    }
}

impl Group {
    fn of(tallies: &Tallies) -> Self {
        Self { accounts: tallies.accounts, tiers: tallies.tiers }
    }

    fn without(&self, other: &Self) -> Self {
        let mut tiers = self.tiers;
        tiers.iter_mut().zip(other.tiers).for_each(|(tier, other)| *tier = tier.saturating_sub(other));
        Self { accounts: self.accounts.saturating_sub(other.accounts), tiers }
    }

    /// Whether only a few are in the one and not in the other, of which one is a part of the other.
    fn differs_by_few(&self, other: &Self, told: Told) -> bool {
        told.few(self.accounts.abs_diff(other.accounts))
    }

    /// Whether only a few of a tier are.
    fn differs_by_few_of_a_tier(&self, other: &Self, told: Told) -> bool {
        self.tiers.into_iter().zip(other.tiers).any(|(accounts, others)| told.few(accounts.abs_diff(others)))
    }
}

/// Whether an answer for the `segment`, or for all accounts, under these assumptions may be `told`.
pub(crate) fn check(told: Told, segment: Option<&str>, what_if: &WhatIf, counted: &Counted) -> Result<(), Withheld> {
    let accounts_min = told.accounts_min();
    if let Some(segment) = segment {
        if !told.enough(counted.asked.inside.accounts) {
            return Err(Withheld::Segment { segment: segment.to_owned(), accounts_min });
        }
        if told.few(counted.asked.outside.accounts) {
            return Err(Withheld::Rest { segment: segment.to_owned(), accounts_min });
        }
    }
    if let Some(usual) = &counted.usual {
        let tiers = singles_out_tiers(what_if);
        let differ = |(asked, usual): (&Group, &Group)| {
            asked.differs_by_few(usual, told) || (tiers && asked.differs_by_few_of_a_tier(usual, told))
        };
        if told.few(counted.asked.inside.accounts) || counted.asked.groups().into_iter().zip(usual.groups()).any(differ)
        {
            return Err(Withheld::Window { accounts_min });
        }
    }
    let few_of_a_tier = |group: &Group| group.tiers.into_iter().any(|accounts| told.few(accounts));
    if singles_out_tiers(what_if) && counted.asked.groups().into_iter().any(few_of_a_tier) {
        return Err(Withheld::Tier { accounts_min });
    }
    Ok(())
}

/// Whether tiers weigh other than usual, so that those of the accounts outside a segment have to be known too. What they weigh usually is in every published ranking, and tells nothing more.
pub(crate) fn singles_out_tiers(what_if: &WhatIf) -> bool {
    let usual = TierWeights::default();
    let differs = |weight: Option<f64>, usual: f64| weight.is_some_and(|weight| weight != usual);
    differs(what_if.tier_weight_standard, usual.standard)
        || differs(what_if.tier_weight_growth, usual.growth)
        || differs(what_if.tier_weight_enterprise, usual.enterprise)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: Told = Told::OfMany;

    /// Of a segment with so many accounts in a team with so many, all of the same tier.
    fn counts(accounts: u64, all: u64) -> Counts {
        let group = |accounts| Group { accounts, tiers: [accounts, 0, 0] };
        Counts { inside: group(accounts), outside: group(all - accounts) }
    }

    fn counted(accounts: u64, all: u64) -> Counted {
        Counted { asked: counts(accounts, all), usual: None }
    }

    #[test]
    fn a_segment_is_shown_if_both_it_and_the_rest_of_the_team_are_many_or_the_rest_is_nobody() {
        let check = |accounts, all| check(MANY, Some("s"), &WhatIf::default(), &counted(accounts, all));
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

    fn single_out() -> WhatIf {
        WhatIf {
            tier_weight_standard: Some(0.0),
            tier_weight_growth: Some(0.0),
            tier_weight_enterprise: Some(1.0),
            ..WhatIf::default()
        }
    }

    fn of_tiers(tiers: [u64; 3]) -> Group {
        Group { accounts: tiers.iter().sum(), tiers }
    }

    #[test]
    fn other_tier_weights_are_for_tiers_of_many_accounts_or_of_none() {
        let usual = WhatIf { tier_weight_enterprise: Some(3.0), demand_weight: Some(0.5), ..WhatIf::default() };
        for (tiers, withheld) in [([90, 10, 1], true), ([90, 4, 10], true), ([90, 0, 5], false), ([0, 0, 0], false)] {
            let asked = Counts { inside: of_tiers(tiers), outside: Group::default() };
            let counted = Counted { asked, usual: None };
            let expected = if withheld { Err(Withheld::Tier { accounts_min: 5 }) } else { Ok(()) };
            assert_eq!(check(MANY, None, &single_out(), &counted), expected, "{tiers:?}");
            assert_eq!(check(MANY, None, &usual, &counted), Ok(()), "{tiers:?}");
        }
    }

    #[test]
    fn with_other_tier_weights_a_segment_leaves_no_few_of_a_tier_either() {
        for (inside, outside, withheld) in
            [([50, 8, 6], [50, 8, 2], true), ([50, 8, 2], [50, 8, 6], true), ([50, 8, 6], [50, 0, 6], false)]
        {
            let asked = Counts { inside: of_tiers(inside), outside: of_tiers(outside) };
            let counted = Counted { asked, usual: None };
            let expected = if withheld { Err(Withheld::Tier { accounts_min: 5 }) } else { Ok(()) };
            assert_eq!(check(MANY, Some("s"), &single_out(), &counted), expected, "{inside:?} and {outside:?}");
            assert_eq!(check(MANY, Some("s"), &WhatIf::default(), &counted), Ok(()));
        }
    }

    #[test]
    fn an_activity_window_that_leaves_a_few_or_leaves_a_few_out_is_not_assumed() {
        let other = WhatIf { activity_window_days: Some(0.01), ..WhatIf::default() };
        let refused = Err(Withheld::Window { accounts_min: 5 });
        for ((accounts, all), (usual, usual_all), expected) in [
            ((1, 1), (20, 20), refused.clone()),
            ((0, 0), (20, 20), Ok(())),
            ((20, 20), (20, 20), Ok(())),
            ((17, 17), (20, 20), refused.clone()),
            ((23, 23), (20, 20), refused.clone()),
            ((15, 15), (20, 20), Ok(())),
            // Of a segment, and of those outside it.
            ((20, 50), (23, 60), refused.clone()),
            ((20, 50), (30, 63), refused),
            ((20, 50), (30, 70), Ok(())),
        ] {
            let segment = (accounts != all).then_some("s");
            let counted = Counted { asked: counts(accounts, all), usual: Some(counts(usual, usual_all)) };
            assert_eq!(
                check(MANY, segment, &other, &counted),
                expected,
                "{accounts} of {all}, else {usual} of {usual_all}"
            );
        }
        // Of its own a team may have so few.
        assert_eq!(check(MANY, None, &WhatIf::default(), &counted(1, 1)), Ok(()));
    }

    #[test]
    fn with_other_tier_weights_an_activity_window_leaves_out_no_few_of_a_tier() {
        let other = WhatIf { activity_window_days: Some(30.0), ..WhatIf::default() };
        let of = |tiers| Counts { inside: of_tiers(tiers), outside: Group::default() };
        let counted = Counted { asked: of([40, 8, 6]), usual: Some(of([50, 8, 9])) };
        assert_eq!(check(MANY, None, &other, &counted), Ok(()), "what ten and three did is in one sum");
        let other = WhatIf { activity_window_days: Some(30.0), ..single_out() };
        assert_eq!(check(MANY, None, &other, &counted), Err(Withheld::Window { accounts_min: 5 }));
    }

    #[test]
    fn who_has_the_right_is_told_what_is_withheld_from_others() {
        let window = WhatIf { activity_window_days: Some(30.0), ..single_out() };
        let of = |inside, outside| Counts { inside: of_tiers(inside), outside: of_tiers(outside) };
        let small = of([0, 0, 1], [50, 8, 6]);
        let rest = of([50, 8, 6], [0, 0, 1]);
        let nobody = of([0, 0, 0], [50, 8, 6]);
        for (segment, what_if, asked, usual) in [
            (Some("s"), WhatIf::default(), small, None),
            (Some("s"), WhatIf::default(), rest, None),
            (Some("s"), WhatIf::default(), nobody, None),
            (None, single_out(), of([50, 8, 1], [0; 3]), None),
            (None, window.clone(), of([1, 0, 0], [0; 3]), Some(of([50, 8, 6], [0; 3]))),
            (Some("s"), window, of([40, 8, 6], [9, 9, 9]), Some(of([41, 8, 6], [9, 9, 9]))),
        ] {
            let counted = Counted { asked, usual };
            assert!(check(MANY, segment, &what_if, &counted).is_err(), "{counted:?}");
            assert_eq!(check(Told::OfAny, segment, &what_if, &counted), Ok(()), "{counted:?}");
        }
    }

    #[test]
    fn the_right_makes_another_question_only_where_it_can_make_another_answer() {
        let told = |segment, what_if: WhatIf| Told::OfAny.of(segment, &what_if);
        let shared = WhatIf { half_life_days: Some(9.0), tier_weight_enterprise: Some(3.0), ..WhatIf::default() };
        assert_eq!(told(None, WhatIf::default()), MANY);
        assert_eq!(told(None, shared), MANY);
        assert_eq!(told(Some("s"), WhatIf::default()), Told::OfAny);
        assert_eq!(told(None, single_out()), Told::OfAny);
        assert_eq!(told(None, WhatIf { activity_window_days: Some(9.0), ..WhatIf::default() }), Told::OfAny);
        assert_eq!(MANY.of(Some("s"), &single_out()), MANY);
    }

    #[test]
    fn a_refusal_names_the_scope_that_would_do() {
        let counted = counted(1, 10);
        let refused = check(MANY, Some("s"), &WhatIf::default(), &counted).unwrap_err().to_string();
        assert!(refused.ends_with("its numbers take a key with the scope evidence:read"), "{refused}");
    }
}
