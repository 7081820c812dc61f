//! One team's facts at an instant, account by account.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use domain::{
    catalog::{Catalog, Importance, Parameters},
    facts::{AccountFacts, Facts, NeedCount, Statement},
    ids::{AccountId, FeatureId, TeamId},
    time::Timestamp,
};

use crate::{
    Store,
    arrays::Array,
    rows::{AccountRow, StatementRow, parse, tier},
    sql::{NEEDS, STATEMENTS, accounts},
};

/// Where no launch bounds what counts.
const ALWAYS: i64 = i64::MIN;

impl Store {
    /// What the score needs to know of `team` at `as_of`.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn facts(&self, team: &TeamId, as_of: Timestamp) -> anyhow::Result<Facts> {
        let catalog = self.catalog(team, as_of).await?;
        let parameters = catalog.parameters();
        let ((measured, known), accounts) =
            tokio::try_join!(self.known(team, as_of), self.within(self.accounts(team, as_of, &parameters)),)?;
        let launches = Launches::of(&catalog, &known);
        let (statements, needs) = tokio::try_join!(
            self.within(self.statements(team, as_of, &launches)),
            self.within(self.needs(team, as_of, &parameters, &launches)),
        )?;
        Ok(Facts { as_of, catalog, accounts, statements, needs, measured, known })
    }

    async fn accounts(
        &self,
        team: &TeamId,
        as_of: Timestamp,
        parameters: &Parameters,
    ) -> anyhow::Result<BTreeMap<AccountId, AccountFacts>> {
        let rows = self
            .at(&accounts(parameters.activity_window_days), team, as_of)
            .param("active_after", as_of.minus_days(parameters.activity_window_days).0)
            .fetch_all::<AccountRow>()
            .await
            .context("cannot read the accounts")?;
        rows.into_iter()
            .map(|row| {
                let facts = AccountFacts {
                    tier: tier(row.tier)?,
                    segments: row.segments,
                    active: row.active,
                    used: row.used,
                    ever_used: row.ever_used,
                };
                Ok((parse(&row.account, AccountId::parse)?, facts))
            })
            .collect()
    }

    async fn statements(&self, team: &TeamId, as_of: Timestamp, launches: &Launches) -> anyhow::Result<Vec<Statement>> {
        let rows = self
            .at_with(STATEMENTS, team, as_of, &launches.arrays())
            .fetch_all::<StatementRow>()
            .await
            .context("cannot read the statements")?;
        rows.into_iter()
            .map(|row| {
                Ok(Statement {
                    account: parse(&row.account, AccountId::parse)?,
                    feature: parse(&row.feature, FeatureId::parse)?,
                    time: Timestamp(row.time),
                    importance: u8::try_from(row.importance).ok().and_then(Importance::from_level),
                    order: (row.source, row.id),
                    requests: row.requests,
                })
            })
            .collect()
    }

    async fn needs(
        &self,
        team: &TeamId,
        as_of: Timestamp,
        parameters: &Parameters,
        launches: &Launches,
    ) -> anyhow::Result<Vec<NeedCount>> {
        let rows = self
            .at_with(NEEDS, team, as_of, &launches.arrays())
            .param("window_start", as_of.minus_days(parameters.need_window_days).0)
            .fetch_all::<(String, String, u64)>()
            .await
            .context("cannot read the need signals")?;
        rows.into_iter()
            .map(|(account, feature, count)| {
                Ok(NeedCount {
                    account: parse(&account, AccountId::parse)?,
                    feature: parse(&feature, FeatureId::parse)?,
                    count,
                })
            })
            .collect()
    }
}

/// The features whose events count only after a launch, as two arrays for `transform`, which wants them not empty.
struct Launches {
    features: Vec<String>,
    times: Vec<i64>,
}

impl Launches {
    fn arrays(&self) -> [(&'static str, Array<'_>); 2] {
        [("launched", Array::Ids(&self.features)), ("launched_at", Array::Integers(&self.times))]
    }

    fn of(catalog: &Catalog, known: &BTreeSet<FeatureId>) -> Self {
        let mut launches = Self { features: vec![String::new()], times: vec![ALWAYS] };
        for feature in known {
            if let Some(since) = catalog.since(feature) {
                launches.features.push(feature.to_string());
                launches.times.push(since.0);
            }
        }
        launches
    }
}
