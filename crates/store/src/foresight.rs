//! How well a team's rankings foretold what would be used of its launches.
//!
//! Of each launch only the score before and the share that used it count, so that no ranking has to be made: ClickHouse adds up a
//! handful of launches with each question.

use std::{cmp::Reverse, collections::BTreeMap};

use anyhow::{Context as _, bail};
use clickhouse::Row;
use domain::{
    assumptions::TierWeights,
    catalog::Catalog,
    foresight::{Foresight, Foretold, foresight_of},
    ids::TeamId,
    launch::{Before, Launch},
    outcome::horizons,
    ranking::rank_tallies,
    score::PARTS,
    share::Share,
    tally::{Tallies, Tally},
    time::{MICROS_PER_DAY, Timestamp},
};
use serde::Deserialize;

use crate::{
    Store,
    arrays::Array,
    outcome::{OUTCOMES_MAX, Past, counting_for},
    rows::tier,
    sql::foresight::{WINDOW_DAYS_MIN, foretold},
    sums::of_parts,
};

/// A question is about so many launches: it takes memory for each of them and account.
const LAUNCHES_AT_ONCE: usize = 16;

#[derive(Row, Deserialize)]
struct ForetoldRow {
    place: u32,
    tier: i8,
    accounts: u64,
    /// In parts.
    asked: i64,
    needing: u64,
    heard_of: bool,
    active_at_launch: u64,
    used: u64,
}

/// A launch, and the catalog when it was decided on.
struct Decision<'a> {
    launch: &'a Launch,
    catalog: Catalog,
}

impl Store {
    /// How well the team's rankings foretold what would be used of its launches up to `as_of`; of more than
    /// [`OUTCOMES_MAX`] that can be judged, of the newest. Everything up to `seen_through` has been seen: `as_of`, or
    /// the watermark if that is earlier.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn foresight(
        &self,
        team: &TeamId,
        as_of: Timestamp,
        seen_through: Timestamp,
    ) -> anyhow::Result<Foresight> {
        self.foresight_of(team, &self.past(team, as_of).await?, seen_through).await
    }

    pub(crate) async fn foresight_of(
        &self,
        team: &TeamId,
        past: &Past,
        seen_through: Timestamp,
    ) -> anyhow::Result<Foresight> {
        let launches = newest_over(&past.launches, seen_through, OUTCOMES_MAX as usize);
        let mut judged = Vec::with_capacity(launches.len());
        for launches in launches.chunks(LAUNCHES_AT_ONCE) {
            let decisions: Vec<Decision<'_>> = launches
                .iter()
                .map(|launch| Decision { launch, catalog: past.catalog_at(team, launch.decided_on()) })
                .collect();
            judged.extend(self.foretold(team, past, &decisions).await?);
        }
        Ok(foresight_of(&judged))
    }

    /// What was foretold of these launches, and what was found; nothing of those on which nothing was foretold, or that nobody
    /// could have used.
    async fn foretold(&self, team: &TeamId, past: &Past, decisions: &[Decision<'_>]) -> anyhow::Result<Vec<Foretold>> {
        let window_days = past.catalog.parameters().activity_window_days;
        let windows = decisions.iter().map(|decision| decision.catalog.parameters().activity_window_days);
        let shortest_days = windows.fold(window_days, f64::min);
        if shortest_days < WINDOW_DAYS_MIN {
            return self.foretold_one_by_one(team, past, decisions).await;
        }
        let about = Launches::of(past, decisions);
        let last = decisions.iter().map(|decision| decision.launch.launched_at).max().unwrap_or(past.as_of);
        let began = about.active_after.iter().chain(&about.active_then_after).min().copied().unwrap_or(i64::MIN);
        let query = self
            .at_with(&foretold(shortest_days), team, last, &about.arrays())
            .param("active_after_first", began)
            .param("launched_at_first", about.launched_at.iter().min().copied().unwrap_or(i64::MIN))
            .param("used_until_last", about.used_until.iter().max().copied().unwrap_or(i64::MAX))
            .param("parts", PARTS);
        let rows = self
            .within(async {
                query.fetch_all::<ForetoldRow>().await.context("cannot read what was foretold of launches")
            })
            .await?;
        let mut by_place: BTreeMap<u32, Vec<ForetoldRow>> = BTreeMap::new();
        for row in rows {
            by_place.entry(row.place).or_default().push(row);
        }
        if let Some(place) = by_place.keys().find(|place| !about.places.contains(place)) {
            bail!("ClickHouse answered with launch {place} of {}", decisions.len());
        }
        let mut judged = Vec::new();
        for (decision, place) in decisions.iter().zip(&about.places) {
            judged.extend(decision.judge(by_place.get(place).map_or(&[], Vec::as_slice))?);
        }
        Ok(judged)
    }

    /// The same, where a window is so short that days of usage do not tell who was active.
    async fn foretold_one_by_one(
        &self,
        team: &TeamId,
        past: &Past,
        decisions: &[Decision<'_>],
    ) -> anyhow::Result<Vec<Foretold>> {
        let mut judged = Vec::new();
        for Decision { launch, .. } in decisions {
            judged.extend(Foretold::of(&self.outcome_of(team, past, launch, past.as_of).await?));
        }
        Ok(judged)
    }
}

/// Of the launches whose horizons are over, the newest, so many at most; in their order.
fn newest_over(launches: &[Launch], seen_through: Timestamp, launches_max: usize) -> Vec<&Launch> {
    let over = |launch: &&Launch| horizons(launch.launched_at).last().is_some_and(|(_, end)| *end <= seen_through);
    let mut newest: Vec<&Launch> = launches.iter().filter(over).collect();
    newest.sort_by_key(|launch| (Reverse(launch.launched_at), &launch.feature));
    newest.truncate(launches_max);
    newest.sort_by_key(|launch| &launch.feature);
    newest
}

impl Decision<'_> {
    /// From the sums of the launch in each tier.
    fn judge(&self, rows: &[ForetoldRow]) -> anyhow::Result<Option<Foretold>> {
        let feature = &self.launch.feature;
        let names = counting_for(&self.catalog, feature);
        let defined = self.catalog.features.keys().any(|known| names.iter().any(|name| name == known.as_str()));
        let weights = TierWeights::default();
        let (mut tallies, mut tally) = (Tallies::default(), Tally::default());
        let (mut active, mut used) = (0, 0);
        for row in rows {
            let tier = tier(row.tier)?;
            let weight = weights.of(tier);
            tallies.add_accounts(tier, weight, row.accounts, 0);
            tally.asked += weight * of_parts(row.asked);
            tally.needed += weight * row.needing as f64;
            active += row.active_at_launch;
            used += row.used;
        }
        let own = self.catalog.resolve(feature) == *feature;
        if own && (defined || rows.iter().any(|row| row.heard_of)) {
            tallies.features.insert(feature.clone(), tally);
        }
        let ranking = rank_tallies(&tallies, &self.catalog, &self.catalog.parameters());
        // Its rank among all others is not known here; its score is.
        let score = Before::of(&ranking, &self.catalog, feature).score();
        Ok(score.filter(|_| active > 0).map(|score| Foretold { score, used: Share::new(used, active).share }))
    }
}

/// What ClickHouse is told of launches.
#[derive(Default)]
struct Launches {
    places: Vec<u32>,
    decided_on: Vec<i64>,
    active_after: Vec<i64>,
    need_after: Vec<i64>,
    half_life_us: Vec<f64>,
    need_min_count: Vec<i64>,
    launched_at: Vec<i64>,
    active_then_after: Vec<i64>,
    used_until: Vec<i64>,
    wanted: Vec<String>,
    wanted_features: Vec<String>,
    used: Vec<String>,
    used_features: Vec<String>,
}

impl Launches {
    fn of(past: &Past, decisions: &[Decision<'_>]) -> Self {
        let window_days = past.catalog.parameters().activity_window_days;
        let mut launches = Self::default();
        for (Decision { launch, catalog }, place) in decisions.iter().zip(1..) {
            let (parameters, decided_on) = (catalog.parameters(), launch.decided_on());
            let [.., (_, used_until)] = horizons(launch.launched_at);
            launches.places.push(place);
            launches.decided_on.push(decided_on.0);
            launches.active_after.push(decided_on.minus_days(parameters.activity_window_days).0);
            launches.need_after.push(decided_on.minus_days(parameters.need_window_days).0);
            launches.half_life_us.push(parameters.half_life_days * MICROS_PER_DAY as f64);
            launches.need_min_count.push(i64::try_from(parameters.need_min_count).unwrap_or(i64::MAX));
            launches.launched_at.push(launch.launched_at.0);
            launches.active_then_after.push(launch.launched_at.minus_days(window_days).0);
            launches.used_until.push(used_until.0);
            let of_place = |name: String| format!("{place}/{name}");
            let wanted = counting_for(catalog, &launch.feature);
            launches.wanted_features.extend(wanted.iter().cloned());
            launches.wanted.extend(wanted.into_iter().map(of_place));
            let used = past.counting_for(&launch.feature);
            launches.used_features.extend(used.iter().cloned());
            launches.used.extend(used.into_iter().map(of_place));
        }
        launches
    }

    fn arrays(&self) -> [(&'static str, Array<'_>); 13] {
        [
            ("places", Array::Places(&self.places)),
            ("decided_on", Array::Integers(&self.decided_on)),
            ("active_after", Array::Integers(&self.active_after)),
            ("need_after", Array::Integers(&self.need_after)),
            ("half_life_us", Array::Numbers(&self.half_life_us)),
            ("need_min_count", Array::Integers(&self.need_min_count)),
            ("launched_at", Array::Integers(&self.launched_at)),
            ("active_then_after", Array::Integers(&self.active_then_after)),
            ("used_until", Array::Integers(&self.used_until)),
            ("wanted", Array::Ids(&self.wanted)),
            ("wanted_features", Array::Ids(&self.wanted_features)),
            ("used", Array::Ids(&self.used)),
            ("used_features", Array::Ids(&self.used_features)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::FeatureId;

    use super::*;

    #[test]
    fn of_more_launches_than_are_judged_the_newest_are() {
        let day = |day: i64| Timestamp(0).plus_micros(day * MICROS_PER_DAY);
        let launch = |feature: &str, launched_at| Launch {
            feature: FeatureId::parse(feature).unwrap(),
            title: String::new(),
            launched_at,
            building_at: None,
            live: true,
        };
        let launches =
            [launch("a", day(3)), launch("b", day(1)), launch("c", day(3)), launch("d", day(2)), launch("e", day(9))];
        let judged = |launches_max| {
            // Twenty-eight days after the third, and not after the ninth.
            let judged = newest_over(&launches, day(3 + 28), launches_max);
            judged.iter().map(|launch| launch.feature.to_string()).collect::<String>()
        };
        assert_eq!([5, 4, 3, 2, 1].map(judged), ["abcd", "abcd", "acd", "ac", "a"]);
    }
}
