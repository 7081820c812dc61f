//! What a diff is computed from: one team's facts at two instants, account by account.
//!
//! Of a large team that is much, so it is bounded: beyond [`COMPARISON_ROWS_MAX`] a comparison is refused.

use std::collections::HashMap;

use anyhow::Context as _;
use clickhouse::{Row, RowOwned, RowRead, query::Query};
use domain::{
    assumptions::Assumptions,
    catalog::Importance,
    diff::{AccountAt, Comparison, Ends, FeatureAt, NeedAt, Said, StatementAt, TeamAt},
    ids::{FeatureId, TeamId},
    time::Timestamp,
};
use serde::Deserialize;
use thiserror::Error;

use crate::{
    Store,
    rows::{parse, tier},
    sql::comparison::{FEATURES, NEEDS, STATEMENTS, accounts},
};

/// A comparison is made of at most so many accounts, and of as many statements and need signals.
pub const COMPARISON_ROWS_MAX: u32 = 1_000_000;

/// An answer would be made of more rows than may be held at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("more than {rows_max} {what} are to be held at once")]
pub struct TooLarge {
    /// What there is too much of.
    pub what: &'static str,
    /// How many there may be.
    pub rows_max: u32,
}

#[derive(Row, Deserialize)]
struct AccountRow {
    account: String,
    /// The last event up to the instant, in Unix microseconds; long before every window where there is none.
    event_from: i64,
    event_to: i64,
    tier_from: i8,
    tier_to: i8,
    in_from: bool,
    in_to: bool,
}

#[derive(Row, Deserialize)]
struct StatementRow {
    account: String,
    feature: String,
    said_from: i64,
    said_to: i64,
}

#[derive(Row, Deserialize)]
struct NeedRow {
    account: String,
    feature: String,
    from_from: u64,
    from_to: u64,
    to_from: u64,
    to_to: u64,
}

impl Store {
    /// What a diff of the team's rankings at two instants is computed from, of all its accounts or those of one segment.
    ///
    /// Accounts that are active at neither end are left out, with what they said: they weigh nothing.
    ///
    /// # Errors
    /// [`TooLarge`] where there are more than [`COMPARISON_ROWS_MAX`] accounts, statements or need signals to compare; when
    /// ClickHouse does not answer in time, or answers with something else.
    pub async fn comparison(
        &self,
        team: &TeamId,
        segment: Option<&str>,
        instants: Ends<Timestamp>,
    ) -> anyhow::Result<Comparison> {
        let (from, to) = tokio::try_join!(self.team_at(team, instants.from), self.team_at(team, instants.to))?;
        let teams = Ends { from, to };
        let (features, accounts, statements, needs) = tokio::try_join!(
            self.compared_features(team, instants),
            self.compared_accounts(team, segment, &teams),
            self.compared_statements(team, instants),
            self.compared_needs(team, &teams),
        )?;
        let places = Places::of(&accounts, &features);
        Ok(Comparison {
            accounts: accounts.iter().map(|row| account(row, &teams)).collect::<anyhow::Result<_>>()?,
            statements: statements.iter().filter_map(|row| places.statement(row)).collect(),
            needs: needs.iter().filter_map(|row| places.need(row)).collect(),
            features: features
                .into_iter()
                .map(|(feature, heard_of_at)| {
                    let known = Ends { from: heard_of_at <= instants.from.0, to: heard_of_at <= instants.to.0 };
                    Ok(FeatureAt { feature: parse(&feature, FeatureId::parse)?, known })
                })
                .collect::<anyhow::Result<_>>()?,
            team: teams,
        })
    }

    async fn team_at(&self, team: &TeamId, as_of: Timestamp) -> anyhow::Result<TeamAt> {
        let catalog = self.catalog(team, as_of).await?;
        Ok(TeamAt { as_of, assumptions: Assumptions::of(catalog.parameters()), catalog })
    }

    async fn compared_features(&self, team: &TeamId, instants: Ends<Timestamp>) -> anyhow::Result<Vec<(String, i64)>> {
        self.compared(self.at_both(FEATURES, team, instants), "features").await
    }

    async fn compared_accounts(
        &self,
        team: &TeamId,
        segment: Option<&str>,
        teams: &Ends<TeamAt>,
    ) -> anyhow::Result<Vec<AccountRow>> {
        let instants = Ends { from: teams.from.as_of, to: teams.to.as_of };
        let windows = activity_windows_days(teams);
        let longest = windows.from.max(windows.to);
        let query = self
            .at_both(&accounts(windows.from.min(windows.to)), team, instants)
            .param("of_segment", u8::from(segment.is_some()))
            .param("segment", segment.unwrap_or_default())
            .param("from_after", instants.from.minus_days(longest).0)
            .param("to_after", instants.to.minus_days(longest).0);
        self.compared(query, "accounts").await
    }

    async fn compared_statements(&self, team: &TeamId, instants: Ends<Timestamp>) -> anyhow::Result<Vec<StatementRow>> {
        self.compared(self.at_both(STATEMENTS, team, instants), "statements").await
    }

    async fn compared_needs(&self, team: &TeamId, teams: &Ends<TeamAt>) -> anyhow::Result<Vec<NeedRow>> {
        let instants = Ends { from: teams.from.as_of, to: teams.to.as_of };
        let (from_days, to_days) =
            (teams.from.assumptions.parameters.need_window_days, teams.to.assumptions.parameters.need_window_days);
        let query = self
            .at_both(NEEDS, team, instants)
            .param("from_after_from", instants.from.minus_days(from_days).0)
            .param("from_after_to", instants.from.minus_days(to_days).0)
            .param("to_after_from", instants.to.minus_days(from_days).0)
            .param("to_after_to", instants.to.minus_days(to_days).0);
        self.compared(query, "need signals").await
    }

    fn at_both(&self, sql: &str, team: &TeamId, instants: Ends<Timestamp>) -> Query {
        self.query(sql)
            .param("team", team.as_str())
            .param("from", instants.from.0)
            .param("to", instants.to.0)
            .param("later", instants.from.max(instants.to).0)
            .param("rows_max", COMPARISON_ROWS_MAX + 1)
    }

    async fn compared<R: RowOwned + RowRead>(&self, query: Query, what: &'static str) -> anyhow::Result<Vec<R>> {
        let rows = self
            .within(async {
                query.fetch_all::<R>().await.with_context(|| format!("cannot read the {what} to compare"))
            })
            .await?;
        Ok(at_most(rows, what, COMPARISON_ROWS_MAX)?)
    }
}

/// The rows, unless there are too many.
fn at_most<R>(rows: Vec<R>, what: &'static str, rows_max: u32) -> Result<Vec<R>, TooLarge> {
    if rows.len() > rows_max as usize { Err(TooLarge { what, rows_max }) } else { Ok(rows) }
}

fn activity_windows_days(teams: &Ends<TeamAt>) -> Ends<f64> {
    Ends::of(|end| teams.at(end).assumptions.parameters.activity_window_days)
}

fn account(row: &AccountRow, teams: &Ends<TeamAt>) -> anyhow::Result<AccountAt> {
    let windows = activity_windows_days(teams);
    let seen = Ends { from: (row.event_from, row.in_from), to: (row.event_to, row.in_to) };
    Ok(AccountAt {
        tier: Ends { from: tier(row.tier_from)?, to: tier(row.tier_to)? },
        active: Ends::of(|end| {
            let (event, in_segment) = *seen.at(end);
            Ends::of(|window| in_segment && event > teams.at(end).as_of.minus_days(*windows.at(window)).0)
        }),
    })
}

/// Where accounts and features stand in their lists. Who is in neither does not count, and what was heard of only after the
/// list was read is not compared.
struct Places<'a> {
    accounts: HashMap<&'a str, u32>,
    features: HashMap<&'a str, u32>,
}

impl<'a> Places<'a> {
    fn of(accounts: &'a [AccountRow], features: &'a [(String, i64)]) -> Self {
        Self {
            accounts: accounts.iter().map(|row| row.account.as_str()).zip(0..).collect(),
            features: features.iter().map(|(feature, _)| feature.as_str()).zip(0..).collect(),
        }
    }

    fn statement(&self, row: &StatementRow) -> Option<StatementAt> {
        let said = Ends { from: said(row.said_from), to: said(row.said_to) };
        Some(StatementAt { account: self.account(&row.account)?, feature: self.feature(&row.feature)?, said })
    }

    fn need(&self, row: &NeedRow) -> Option<NeedAt> {
        let count =
            Ends { from: Ends { from: row.from_from, to: row.from_to }, to: Ends { from: row.to_from, to: row.to_to } };
        Some(NeedAt { account: self.account(&row.account)?, feature: self.feature(&row.feature)?, count })
    }

    fn account(&self, account: &str) -> Option<u32> {
        self.accounts.get(account).copied()
    }

    fn feature(&self, feature: &str) -> Option<u32> {
        self.features.get(feature).copied()
    }
}

/// A statement as the question puts it in one number; 0 is none.
fn said(statement: i64) -> Option<Said> {
    let importance = u8::try_from(statement.rem_euclid(4)).ok().and_then(Importance::from_level);
    (statement != 0).then_some(Said { time: Timestamp(statement.div_euclid(4)), importance })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_refused_and_not_cut() {
        assert_eq!(at_most(vec![1, 2], "accounts", 2), Ok(vec![1, 2]));
        let refused = at_most(vec![1, 2, 3], "accounts", 2);
        assert_eq!(refused, Err(TooLarge { what: "accounts", rows_max: 2 }));
    }

    #[test]
    fn a_statement_is_its_time_and_then_its_importance() {
        let at = Timestamp(1_700_000_000_000_001);
        assert_eq!(said(0), None);
        assert_eq!(said(at.0 * 4), Some(Said { time: at, importance: None }));
        assert_eq!(said(at.0 * 4 + 3), Some(Said { time: at, importance: Some(Importance::Critical) }));
    }
}
