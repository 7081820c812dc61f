//! One feature's sums side by side: in each segment, in each tier, and over all accounts.

use std::collections::BTreeMap;

use crate::{
    Store, TooLarge,
    arrays::Array,
    outcome::counting_for,
    rows::tier,
    sql::segments::{cells, within},
    sums::SumsRow,
};
use anyhow::Context as _;
use domain::{
    assumptions::{Assumptions, TierWeights},
    catalog::{Catalog, Tier},
    ids::{FeatureId, TeamId},
    score::PARTS,
    tally::{Tallies, Tally},
    time::{MICROS_PER_DAY, Timestamp},
};

/// A segment's sums over the accounts of one tier.
type CellRow = SumsRow<String>;

/// Segments are told apart up to so many rows of a segment and a tier.
pub const SEGMENT_ROWS_MAX: u32 = 30_000;

/// The name that the question gives to everybody. No segment has it: names are not empty.
const EVERYBODY: &str = "";

/// One feature's sums side by side.
///
/// An account counts in each of its segments, and in the one for those without any: segments need not add up to the whole.
/// Tiers do. Sums of launched features are of what came after the launch.
#[derive(Clone, Debug, PartialEq)]
pub struct SideBySide {
    /// Over all accounts. As all of these, of this one feature.
    pub all: Tallies,
    /// The team's own segments in its order, with or without accounts; then the others by how many accounts are active in
    /// them, the largest first, and by name.
    pub segments: Vec<SegmentTallies>,
    /// Every tier, the lightest first.
    pub tiers: Vec<TierTallies>,
}

/// One segment's sums.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentTallies {
    /// The segment.
    pub segment: String,
    /// Whether the team says that it serves it.
    pub own: bool,
    /// The sums over its accounts.
    pub tallies: Tallies,
}

/// One tier's sums.
#[derive(Clone, Debug, PartialEq)]
pub struct TierTallies {
    /// The tier.
    pub tier: Tier,
    /// The sums over its accounts.
    pub tallies: Tallies,
}

impl Store {
    /// The sums of one feature, which is merged into no other, by segment and tier. `catalog` is the team's at `as_of`.
    ///
    /// # Errors
    /// [`TooLarge`] where there are more than [`SEGMENT_ROWS_MAX`] rows of a segment and a tier; when ClickHouse does not
    /// answer in time, or answers with something else.
    pub(crate) async fn side_by_side(
        &self,
        team: &TeamId,
        feature: &FeatureId,
        as_of: Timestamp,
        catalog: &Catalog,
        assumptions: &Assumptions,
    ) -> anyhow::Result<SideBySide> {
        let parameters = &assumptions.parameters;
        let names = counting_for(catalog, feature);
        let query = self
            .at_with(&cells(parameters.activity_window_days), team, as_of, &[("features", Array::Ids(&names))])
            .param("active_after", as_of.minus_days(parameters.activity_window_days).0)
            .param("need_after", as_of.minus_days(parameters.need_window_days).0)
            .param("half_life_us", parameters.half_life_days * MICROS_PER_DAY as f64)
            .param("need_min_count", parameters.need_min_count)
            .param("demand_weight", parameters.demand_weight)
            .param("need_weight", parameters.need_weight)
            .param("since", catalog.since(feature).map_or(i64::MIN, |since| since.0))
            .param("parts", PARTS)
            .param("rows_max", SEGMENT_ROWS_MAX + 1);
        let rows = self
            .within(async { query.fetch_all::<CellRow>().await.context("cannot read the sums by segment") })
            .await?;
        if rows.len() > SEGMENT_ROWS_MAX as usize {
            return Err(TooLarge { what: "segments", rows_max: SEGMENT_ROWS_MAX }.into());
        }
        let own: Vec<String> =
            catalog.team.iter().flat_map(|team| team.segments.iter().map(ToString::to_string)).collect();
        SideBySide::new(&rows, feature, &own, &assumptions.tier_weights)
    }
}

impl Store {
    /// Each two segments of which all active accounts of the first, `accounts_min` or more, are in the second too. Those without any
    /// segment are in no other.
    ///
    /// # Errors
    /// [`TooLarge`] where there are more than [`SEGMENT_ROWS_MAX`] of them; when ClickHouse does not answer in time, or answers with
    /// something else.
    pub async fn segments_within(
        &self,
        team: &TeamId,
        as_of: Timestamp,
        activity_window_days: f64,
        accounts_min: u64,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let query = self
            .at(&within(activity_window_days), team, as_of)
            .param("active_after", as_of.minus_days(activity_window_days).0)
            .param("accounts_min", accounts_min)
            .param("rows_max", SEGMENT_ROWS_MAX + 1);
        let rows = self
            .within(async {
                query.fetch_all::<(String, String)>().await.context("cannot read which segments lie within others")
            })
            .await?;
        if rows.len() > SEGMENT_ROWS_MAX as usize {
            return Err(TooLarge { what: "segments", rows_max: SEGMENT_ROWS_MAX }.into());
        }
        Ok(rows)
    }
}

impl SideBySide {
    /// Whether a need signal for the feature was ever received, which is not a sum.
    pub(crate) fn set_measured(&mut self, feature: &FeatureId, measured: bool) {
        let segments = self.segments.iter_mut().map(|cell| &mut cell.tallies);
        let tiers = self.tiers.iter_mut().map(|cell| &mut cell.tallies);
        for tallies in segments.chain(tiers).chain([&mut self.all]) {
            if let Some(tally) = tallies.features.get_mut(feature) {
                tally.measured = measured;
            }
        }
    }

    fn new(rows: &[CellRow], feature: &FeatureId, own: &[String], weights: &TierWeights) -> anyhow::Result<Self> {
        let mut by_segment: BTreeMap<&str, Vec<&CellRow>> = own.iter().map(|name| (name.as_str(), vec![])).collect();
        let mut all = Vec::new();
        for row in rows {
            if row.whose == EVERYBODY { &mut all } else { by_segment.entry(&row.whose).or_default() }.push(row);
        }
        let mut segments = Vec::with_capacity(by_segment.len());
        for (segment, rows) in by_segment {
            segments.push(SegmentTallies {
                segment: segment.to_owned(),
                own: own.iter().any(|name| name == segment),
                tallies: tallies(&rows, feature, weights)?,
            });
        }
        segments.sort_by_key(|cell| {
            let place = own.iter().position(|name| *name == cell.segment);
            (place.unwrap_or(own.len()), std::cmp::Reverse(cell.tallies.accounts), cell.segment.clone())
        });
        let mut tiers = Vec::new();
        for (_, of) in Tier::NAMES {
            let mut rows = all.clone();
            rows.retain(|row| tier(row.tier).is_ok_and(|tier| tier == of));
            tiers.push(TierTallies { tier: of, tallies: tallies(&rows, feature, weights)? });
        }
        Ok(Self { all: tallies(&all, feature, weights)?, segments, tiers })
    }
}

/// The sums of some tiers, in their order.
fn tallies(rows: &[&CellRow], feature: &FeatureId, weights: &TierWeights) -> anyhow::Result<Tallies> {
    let mut tallies = Tallies::default();
    let mut tally = Tally::default();
    for row in rows {
        let of = tier(row.tier)?;
        let weight = weights.of(of);
        tallies.add_accounts(of, weight, row.accounts, row.used);
        row.add_to(&mut tally, weight);
    }
    tallies.features.insert(feature.clone(), tally);
    Ok(tallies)
}
