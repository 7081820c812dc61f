//! All that the ranker reads from ClickHouse: the watermark, what changed, and one team's facts at an instant.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, bail};
use clickhouse::{Client, Row};
use domain::{
    catalog::{Catalog, Importance, Parameters},
    facts::{AccountFacts, Facts, NeedCount, Statement},
    ids::{AccountId, FeatureId, TeamId},
    time::Timestamp,
};
use serde::Deserialize;

use crate::{
    rows::{AccountRow, FeatureRow, StatementRow, TeamRow, parse, tier},
    sql::{ACCOUNTS, FEATURE_EVENTS, KNOWN, NEEDS, STATEMENTS, TEAM_EVENTS, UPCOMING},
};

/// Where no launch bounds what counts.
const ALWAYS: i64 = i64::MIN;

/// Reads facts for rankings.
#[derive(Clone)]
pub(crate) struct Store {
    client: Client,
    query_max: Duration,
}

/// A batch of rows that ingest wrote for a team.
#[derive(Clone, Debug, Row, Deserialize)]
pub(crate) struct Change {
    pub(crate) id: String,
    /// Empty where every team is touched.
    pub(crate) team: String,
    /// Unix time in microseconds, by ClickHouse's clock.
    pub(crate) changed_at: i64,
    pub(crate) traceparent: String,
}

impl Store {
    pub(crate) fn new(client: Client, query_max: Duration) -> Self {
        // The server stops what nobody waits for any more.
        let client = client.with_setting("max_execution_time", query_max.as_secs().max(1).to_string());
        Self { client, query_max }
    }

    /// The instant through which every input partition is durable; none while a partition has not reported yet.
    pub(crate) async fn watermark(&self) -> anyhow::Result<Option<Timestamp>> {
        // A topic that was made anew with fewer partitions leaves rows of the others behind: its newest row says how many
        // there are.
        let query = self.client.query(
            "SELECT toUnixTimestamp64Milli(min(progress)), count(), countIf(reported < expected)
            FROM
            (
                SELECT topic, min(reached) AS progress, count() AS reported, any(partitions) AS expected
                FROM
                (
                    SELECT topic, partition, max(ingest_progress.progress) AS reached
                    FROM ingest_progress
                    GROUP BY topic, partition
                ) AS partitions_reached
                INNER JOIN
                (
                    SELECT topic, argMax(ingest_progress.partitions, ingest_progress.progress) AS partitions
                    FROM ingest_progress
                    GROUP BY topic
                ) AS newest USING (topic)
                WHERE partition < partitions
                GROUP BY topic
            )",
        );
        let (watermark_ms, topics, silent) = self
            .within(async { query.fetch_one::<(i64, u64, u64)>().await.context("cannot read the watermark") })
            .await?;
        let complete = topics == wire::topics::INPUTS.len() as u64 && silent == 0;
        Ok(complete.then_some(Timestamp(watermark_ms.saturating_mul(1_000))))
    }

    /// Every team that any event names.
    pub(crate) async fn teams(&self) -> anyhow::Result<Vec<TeamId>> {
        let query = self.client.query(
            "SELECT DISTINCT toString(team) FROM
                (
                    SELECT team FROM teams
                    UNION ALL SELECT DISTINCT team FROM features
                    UNION ALL SELECT DISTINCT team FROM requests
                    UNION ALL SELECT DISTINCT team FROM usage
                    UNION ALL SELECT DISTINCT team FROM needs
                )",
        );
        let teams = self.within(async { query.fetch_all::<String>().await.context("cannot read the teams") }).await?;
        teams.iter().map(|team| TeamId::parse(team).with_context(|| format!("stored team {team:?}"))).collect()
    }

    /// The moment of the newest change, in Unix microseconds; 0 if there is none.
    pub(crate) async fn newest_change(&self) -> anyhow::Result<i64> {
        let query = self.client.query("SELECT toUnixTimestamp64Micro(max(changed_at)) FROM team_changes");
        self.within(async { query.fetch_one::<i64>().await.context("cannot read the newest change") }).await
    }

    /// At most `changes_max` changes after the one at `since`, in Unix microseconds, with the id `after`, in the order of both.
    pub(crate) async fn changes(&self, since: i64, after: &str, changes_max: u32) -> anyhow::Result<Vec<Change>> {
        let query = self.client
            .query(
                "SELECT toString(team_changes.id) AS id, team, toUnixTimestamp64Micro(team_changes.changed_at) AS changed_at,
                    traceparent
                FROM team_changes
                WHERE team_changes.changed_at >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')
                    AND (team_changes.changed_at, team_changes.id)
                        > (fromUnixTimestamp64Micro({since:Int64}, 'UTC'), toUUID({after:String}))
                ORDER BY team_changes.changed_at, team_changes.id
                LIMIT {changes_max:UInt32}",
            )
            .param("since", since)
            .param("after", after)
            .param("changes_max", changes_max);
        self.within(async { query.fetch_all::<Change>().await.context("cannot read the changes") }).await
    }

    /// What the score needs to know of `team` at `as_of`.
    pub(crate) async fn facts(&self, team: &TeamId, as_of: Timestamp) -> anyhow::Result<Facts> {
        let catalog = self.within(self.catalog(team, as_of)).await?;
        let parameters = catalog.parameters();
        let ((measured, known), accounts) = tokio::try_join!(
            self.within(self.known(team, as_of)),
            self.within(self.accounts(team, as_of, &parameters)),
        )?;
        let launches = Launches::of(&catalog, &known);
        let (statements, needs) = tokio::try_join!(
            self.within(self.statements(team, as_of, &launches)),
            self.within(self.needs(team, as_of, &parameters, &launches)),
        )?;
        Ok(Facts { as_of, catalog, accounts, statements, needs, measured, known })
    }

    /// When the first event of the team happens that is dated after `as_of`; none if there is none.
    pub(crate) async fn upcoming(&self, team: &TeamId, as_of: Timestamp) -> anyhow::Result<Option<Timestamp>> {
        let query = self.at(UPCOMING, team, as_of);
        let (upcoming, events) = self
            .within(async { query.fetch_one::<(i64, u64)>().await.context("cannot read what is dated ahead") })
            .await?;
        Ok((events > 0).then_some(Timestamp(upcoming)))
    }

    async fn catalog(&self, team: &TeamId, as_of: Timestamp) -> anyhow::Result<Catalog> {
        let teams = self.at(TEAM_EVENTS, team, as_of).fetch_all::<TeamRow>();
        let features = self.at(FEATURE_EVENTS, team, as_of).fetch_all::<FeatureRow>();
        let (teams, features) = tokio::try_join!(teams, features).context("cannot read the catalog")?;
        let mut events = Vec::with_capacity(teams.len() + features.len());
        for row in teams {
            events.push(row.into_event(team));
        }
        for row in features {
            events.push(row.into_event(team)?);
        }
        Ok(Catalog::from_events(team, as_of, events))
    }

    /// The features with a need signal, and those asked for or needed.
    async fn known(
        &self,
        team: &TeamId,
        as_of: Timestamp,
    ) -> anyhow::Result<(BTreeSet<FeatureId>, BTreeSet<FeatureId>)> {
        let rows =
            self.at(KNOWN, team, as_of).fetch_all::<(String, bool)>().await.context("cannot read the features")?;
        let (mut measured, mut known) = (BTreeSet::new(), BTreeSet::new());
        for (feature, needed) in rows {
            let feature = parse(&feature, FeatureId::parse)?;
            if needed {
                measured.insert(feature.clone());
            }
            known.insert(feature);
        }
        Ok((measured, known))
    }

    async fn accounts(
        &self,
        team: &TeamId,
        as_of: Timestamp,
        parameters: &Parameters,
    ) -> anyhow::Result<BTreeMap<AccountId, AccountFacts>> {
        let rows = self
            .at(ACCOUNTS, team, as_of)
            .param("window_start", as_of.minus_days(parameters.activity_window_days).0)
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
            .at(STATEMENTS, team, as_of)
            .param("launched", &launches.features)
            .param("launched_at", &launches.times)
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
            .at(NEEDS, team, as_of)
            .param("window_start", as_of.minus_days(parameters.need_window_days).0)
            .param("launched", &launches.features)
            .param("launched_at", &launches.times)
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

    /// Gives up on a server that neither answers nor closes the connection: it would be waited for without end.
    async fn within<T>(&self, answer: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let answered = tokio::time::timeout(self.query_max, answer).await;
        answered.unwrap_or_else(|_| bail!("ClickHouse did not answer within {} ms", self.query_max.as_millis()))
    }

    /// A query about one team at one instant.
    fn at(&self, sql: &str, team: &TeamId, as_of: Timestamp) -> clickhouse::query::Query {
        self.client.query(sql).param("team", team.as_str()).param("as_of", as_of.0)
    }
}

/// The features whose events count only after a launch, as two arrays for `transform`, which wants them not empty.
struct Launches {
    features: Vec<String>,
    times: Vec<i64>,
}

impl Launches {
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
