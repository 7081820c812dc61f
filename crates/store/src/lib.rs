//! Reads one team's facts at any instant from ClickHouse, for whoever ranks: the ranker and the query API.
//!
//! # Layout
//! - [`Store`]: the client, and how long it waits.
//! - `watermark`, `changes`, `teams`: how far the facts reach, which are new, whose there are.
//! - `catalogs`: what the catalog says of teams, and which of their features events name.
//! - `tallies`: the sums over accounts that a ranking is computed from; the rankings of several teams at once.
//! - `begun`, `active`, `snapshots`: whether there was anything yet, who is active, and what was published.
//! - `facts`: what the score needs to know of a team at an instant, account by account.
//! - `comparison`: what a diff of two instants is computed from, account by account.
//! - `outcome`, `foresight`, `portfolio`: what became of launches, whether rankings foretold it, and who had wanted them; all teams
//!   side by side.
//! - `evidence`, `segments`, `experience`, `history`: what is behind one feature's place.
//! - `sql`, `rows` and `sums`: the questions; the answers. `arrays`: what a question holds of features.
//!
//! Not here: what the facts mean. `domain` computes from them.

mod active;
mod arrays;
mod begun;
mod catalogs;
mod changes;
mod comparison;
mod evidence;
mod experience;
mod facts;
mod foresight;
mod history;
mod outcome;
mod portfolio;
mod rows;
mod segments;
mod snapshots;
mod sql;
mod sums;
mod tallies;
mod teams;
mod watermark;

use std::time::Duration;

use anyhow::{Context as _, bail};
use clickhouse::{Client, query::Query};
use domain::{ids::TeamId, time::Timestamp};

use crate::arrays::Array;
pub use crate::{
    changes::Change,
    comparison::{COMPARISON_ROWS_MAX, TooLarge},
    evidence::{Evidence, Numbers, SIGNALS_MAX, Said, Signal, Text, Texts},
    experience::{Experience, Judged, OBSERVATIONS_MIN, OPERATIONS_MAX, Operation},
    history::{Place, Point, Shown, Span},
    outcome::OUTCOMES_MAX,
    portfolio::PORTFOLIO_TEAMS_MAX,
    segments::{SEGMENT_ROWS_MAX, SegmentTallies, SideBySide, TierTallies},
    tallies::Standing,
};

/// Reads from ClickHouse. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    client: Client,
    query_max: Duration,
}

impl Store {
    /// Reads with `client`; no question may take longer than `query_max`.
    #[must_use]
    pub fn new(client: Client, query_max: Duration) -> Self {
        // The server stops what nobody waits for any more.
        let client = client.with_setting("max_execution_time", query_max.as_secs().max(1).to_string());
        Self { client, query_max }
    }

    /// Reads on so many threads of the server for each question. Where as many questions are asked at once as there are processors,
    /// to divide each among all threads costs more than it saves: their groups are merged once more.
    #[must_use]
    pub fn on_threads(&self, threads: u64) -> Self {
        Self { client: self.client.clone().with_setting("max_threads", threads.to_string()), query_max: self.query_max }
    }

    /// On how many threads the server answers a question that is asked alone.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn threads(&self) -> anyhow::Result<u64> {
        let query = self.client.query("SELECT toUInt64(getSetting('max_threads'))");
        self.within(async { query.fetch_one::<u64>().await.context("cannot read the number of threads") }).await
    }

    /// Gives up on a server that neither answers nor closes the connection: it would be waited for without end.
    async fn within<T>(&self, answer: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let answered = tokio::time::timeout(self.query_max, answer).await;
        answered.unwrap_or_else(|_| bail!("ClickHouse did not answer within {} ms", self.query_max.as_millis()))
    }

    /// A query about one team at one instant.
    fn at(&self, sql: &str, team: &TeamId, as_of: Timestamp) -> Query {
        self.at_with(sql, team, as_of, &[])
    }

    /// A query about several teams at one instant, few enough that their ids fit into a form's field.
    fn of_teams(&self, sql: &str, teams: &[TeamId], as_of: Timestamp) -> Query {
        let teams: Vec<&str> = teams.iter().map(TeamId::as_str).collect();
        self.client.query(sql).param("teams", teams).param("as_of", as_of.0)
    }

    /// A query about one team at one instant, with arrays.
    fn at_with(&self, sql: &str, team: &TeamId, as_of: Timestamp, arrays: &[(&str, Array<'_>)]) -> Query {
        self.ask(sql, arrays).param("team", team.as_str()).param("as_of", as_of.0)
    }
}
