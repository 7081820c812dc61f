//! What is behind one feature's place: numbers by segment and tier, need signals by kind, and what was last said about it.

use std::collections::HashMap;

use anyhow::Context as _;
use clickhouse::Row;
use domain::{
    assumptions::Assumptions,
    catalog::{Catalog, Importance, Parameters},
    ids::{AccountId, FeatureId, TeamId},
    ranking::{Demand, Need, Population, rank_tallies},
    tally::Tallies,
    time::Timestamp,
};
use serde::Deserialize;

use crate::{
    Store,
    arrays::Array,
    outcome::counting_for,
    rows::parse,
    segments::SideBySide,
    sql::evidence::{LATEST, SIGNALS, TEXTS},
};

/// The most kinds of need signals that are told apart: the most frequent ones.
pub const SIGNALS_MAX: u32 = 1_000;

/// So many characters of what a person wrote are read: an event may have a million, and an answer many of them.
pub const TEXT_CHARS_READ_MAX: u32 = 10_000;

/// What is behind one feature's place at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The feature, merges followed.
    pub feature: FeatureId,
    /// Those whose events count for it, itself first.
    pub merged: Vec<FeatureId>,
    /// Whether it is defined, or any statement or need signal names it. Otherwise nobody has heard of it.
    pub known: bool,
    /// The parameters of the numbers.
    pub parameters: Parameters,
    /// Its sums by segment and tier; [`Numbers`] makes shares of them.
    pub side_by_side: SideBySide,
    /// The need signals in the need window by kind, the most frequent first; after the launch, where it is launched.
    pub signals: Vec<Signal>,
}

/// One feature's shares of some accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// The accounts.
    pub population: Population,
    /// The score, 0 to 100.
    pub score: f64,
    /// Stated demand.
    pub demand: Demand,
    /// Revealed need.
    pub need: Need,
}

/// A kind of need signal.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub struct Signal {
    /// Its name.
    pub signal: String,
    /// The sum of the counts.
    pub count: u64,
    /// How many accounts sent it.
    pub accounts: u64,
    /// When the latest happened, in Unix microseconds.
    pub latest: i64,
}

/// Whether what persons wrote is read too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texts {
    /// It is not: ClickHouse is not asked for it.
    Left,
    /// It is. The client's user must have the right to it.
    Read,
}

/// A statement of an account about a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When.
    pub time: Timestamp,
    /// Who.
    pub account: AccountId,
    /// What about, before merges.
    pub feature: FeatureId,
    /// How much it matters; none where a request is withdrawn.
    pub importance: Option<Importance>,
    /// Where it was said; empty if nobody wrote that down.
    pub channel: String,
    /// What it refers to elsewhere; empty if nothing.
    pub reference: String,
    /// The event's source and id.
    pub event: (String, String),
    /// What a person wrote; none where texts are left, and where there is none.
    pub text: Option<Text>,
}

/// What a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// In which words, the first [`TEXT_CHARS_READ_MAX`] characters; empty if in none.
    pub text: String,
    /// The person; empty if not named.
    pub requester: String,
}

#[derive(Row, Deserialize)]
struct SaidRow {
    partition: i32,
    offset: i64,
    time: i64,
    account: String,
    feature: String,
    level: i8,
    channel: String,
    reference: String,
    source: String,
    id: String,
}

impl Numbers {
    /// Of the sums of one feature; none if they are of another.
    #[must_use]
    pub fn of(tallies: &Tallies, feature: &FeatureId, parameters: &Parameters) -> Option<Self> {
        // What the catalog says of the feature changes its place, not its numbers.
        let ranking = rank_tallies(tallies, &Catalog::default(), parameters);
        let item = ranking.items.into_iter().find(|item| item.feature == *feature)?;
        Some(Self { population: ranking.population, score: item.score, demand: item.demand, need: item.need })
    }
}

impl Store {
    /// What is behind the place of a feature, or of the one that it is merged into, at `as_of`. `catalog` is the team's at
    /// that instant.
    ///
    /// # Errors
    /// [`TooLarge`](crate::TooLarge) where there are more segments than can be told apart; when ClickHouse does not answer in
    /// time, or answers with something else.
    pub async fn evidence(
        &self,
        team: &TeamId,
        feature: &FeatureId,
        as_of: Timestamp,
        catalog: &Catalog,
        assumptions: &Assumptions,
    ) -> anyhow::Result<Evidence> {
        let feature = catalog.resolve(feature);
        let names = counting_for(catalog, &feature);
        let merged = names.iter().map(|name| parse(name, FeatureId::parse)).collect::<anyhow::Result<Vec<_>>>()?;
        let parameters = &assumptions.parameters;
        let since = catalog.since(&feature).map_or(i64::MIN, |since| since.0);
        let signals = self
            .at_with(SIGNALS, team, as_of, &[("features", Array::Ids(&names))])
            .param("after", as_of.minus_days(parameters.need_window_days).0.max(since))
            .param("rows_max", SIGNALS_MAX);
        let ((measured, known), mut side_by_side, signals) = tokio::try_join!(
            self.known(team, as_of),
            self.side_by_side(team, &feature, as_of, catalog, assumptions),
            self.within(async { signals.fetch_all::<Signal>().await.context("cannot read the need signals by kind") }),
        )?;
        side_by_side.set_measured(&feature, merged.iter().any(|named| measured.contains(named)));
        Ok(Evidence {
            known: merged.iter().any(|named| known.contains(named) || catalog.features.contains_key(named)),
            parameters: parameters.clone(),
            feature,
            merged,
            side_by_side,
            signals,
        })
    }

    /// The latest statements up to `as_of` about a feature, or about the one that it is merged into, the newest first, at most
    /// `requests_max` of them; withdrawals too.
    ///
    /// # Errors
    /// When the client's user may not read texts that are to be read; when ClickHouse does not answer in time, or answers with
    /// something else.
    pub async fn latest_requests(
        &self,
        team: &TeamId,
        feature: &FeatureId,
        as_of: Timestamp,
        catalog: &Catalog,
        requests_max: u32,
        texts: Texts,
    ) -> anyhow::Result<Vec<Said>> {
        let features = counting_for(catalog, &catalog.resolve(feature));
        let query =
            self.at_with(LATEST, team, as_of, &[("features", Array::Ids(&features))]).param("rows_max", requests_max);
        let rows = self
            .within(async { query.fetch_all::<SaidRow>().await.context("cannot read the latest requests") })
            .await?;
        let mut written = match texts {
            Texts::Left => HashMap::new(),
            Texts::Read => self.texts(team, &features, &rows).await?,
        };
        rows.into_iter()
            .map(|row| {
                let text = written.remove(&(row.partition, row.offset));
                row.into_said(text)
            })
            .collect()
    }

    /// What persons wrote in these statements, by partition and offset.
    async fn texts(
        &self,
        team: &TeamId,
        features: &[String],
        of: &[SaidRow],
    ) -> anyhow::Result<HashMap<(i32, i64), Text>> {
        let (partitions, offsets): (Vec<i32>, Vec<i64>) = of.iter().map(|row| (row.partition, row.offset)).unzip();
        let query = self
            .ask(TEXTS, &[("features", Array::Ids(features))])
            .param("team", team.as_str())
            .param("partitions", partitions)
            .param("offsets", offsets)
            .param("chars_max", TEXT_CHARS_READ_MAX);
        let rows = self
            .within(async {
                query.fetch_all::<(i32, i64, String, String)>().await.context("cannot read the texts of requests")
            })
            .await?;
        let texts = rows
            .into_iter()
            .map(|(partition, offset, text, requester)| ((partition, offset), Text { text, requester }));
        Ok(texts.collect())
    }
}

impl SaidRow {
    fn into_said(self, text: Option<Text>) -> anyhow::Result<Said> {
        Ok(Said {
            time: Timestamp(self.time),
            account: parse(&self.account, AccountId::parse)?,
            feature: parse(&self.feature, FeatureId::parse)?,
            importance: u8::try_from(self.level).ok().and_then(Importance::from_level),
            channel: self.channel,
            reference: self.reference,
            event: (self.source, self.id),
            text,
        })
    }
}
