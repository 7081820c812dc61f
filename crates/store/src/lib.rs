//! Reads one team's facts at any instant from ClickHouse, for whoever ranks: the ranker and the query API.
//!
//! # Layout
//! - [`Store`]: the client, and how long it waits. `bounds`: what a question may cost.
//! - `watermark`, `changes`, `teams`: how far the facts reach, which are new, whose there are.
//! - `catalogs`: what the catalog says of teams, and which of their features events name.
//! - `tallies`: the sums over accounts that a ranking is computed from; the rankings of several teams at once.
//! - `begun`, `active`, `snapshots`: whether there was anything yet, who is active, and what was published.
//! - `facts`: what the score needs to know of a team at an instant, account by account.
//! - `comparison`: what a diff of two instants is computed from, account by account.
//! - `outcome`, `foresight`, `portfolio`: what became of launches, whether rankings foretold it, and who had wanted them; all teams
//!   side by side.
//! - `evidence`, `segments`, `experience`, `history`: what is behind one feature's place.
//! - `dead_letters`: records that could not be taken.
//! - `sql`, `rows` and `sums`: the questions; the answers. `arrays`: what a question holds of features.
//!
//! Not here: what the facts mean. `domain` computes from them.

mod active;
mod arrays;
mod begun;
mod bounds;
mod catalogs;
mod changes;
mod comparison;
mod dead_letters;
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

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clickhouse::{Client, query::Query};
use domain::{ids::TeamId, time::Timestamp};

use crate::{arrays::Array, bounds::Patience};
pub use crate::{
    bounds::{Bounds, NoAnswer},
    changes::Change,
    comparison::{COMPARISON_ROWS_MAX, TooLarge},
    dead_letters::{DeadLetter, DeadLetterFilter, DeadLetterPlace, PAYLOAD_BYTES_READ_MAX},
    evidence::{Evidence, Numbers, SIGNALS_MAX, Said, Signal, TEXT_CHARS_READ_MAX, Text, Texts},
    experience::{Experience, Judged, OBSERVATIONS_MIN, OPERATIONS_MAX, Operation},
    history::{Place, Point, Shown, Span},
    outcome::OUTCOMES_MAX,
    portfolio::PORTFOLIO_TEAMS_MAX,
    segments::{SEGMENT_ROWS_MAX, SegmentTallies, SideBySide, TierTallies},
    tallies::Standing,
    teams::SIZED_MAX,
};

/// Reads from ClickHouse. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    client: Client,
    patience: Patience,
}

impl Store {
    /// Reads with `client`; no question may take longer than `query_max`.
    #[must_use]
    pub fn new(client: Client, query_max: Duration) -> Self {
        Self { client, patience: Patience::Each(query_max) }
    }

    /// Keeps each question within `bounds`, and gives it up on the server too when its asker leaves.
    #[must_use]
    pub fn bounded(self, bounds: Bounds) -> Self {
        Self { client: bounds.put_on(self.client), ..self }
    }

    /// Asks all that is asked from now on until `end` together.
    #[must_use]
    pub fn until(&self, end: Instant) -> Self {
        Self { client: self.client.clone(), patience: Patience::Until(end) }
    }

    /// Reads on so many threads of the server for each question. Where as many questions are asked at once as there are processors,
    /// to divide each among all threads costs more than it saves: their groups are merged once more.
    #[must_use]
    pub fn on_threads(&self, threads: u64) -> Self {
        Self { client: self.client.clone().with_setting("max_threads", threads.to_string()), patience: self.patience }
    }

    /// On how many threads the server answers a question that is asked alone.
    ///
    /// # Errors
    /// When ClickHouse does not answer in time, or answers with something else.
    pub async fn threads(&self) -> anyhow::Result<u64> {
        let query = self.query("SELECT toUInt64(getSetting('max_threads'))");
        self.within(async { query.fetch_one::<u64>().await.context("cannot read the number of threads") }).await
    }

    /// Gives up on a server that neither answers nor closes the connection: it would be waited for without end.
    async fn within<T>(&self, answer: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let waited = self.patience.left();
        let answered = tokio::time::timeout(waited, answer).await;
        answered.unwrap_or_else(|_| Err(NoAnswer { waited }.into()))
    }

    /// A query that the server stops when nobody waits for it any more.
    fn query(&self, sql: &str) -> Query {
        let seconds = self.patience.left().as_secs_f64();
        self.client.query(sql).with_setting("max_execution_time", format!("{seconds:.3}"))
    }

    /// A query about one team at one instant.
    fn at(&self, sql: &str, team: &TeamId, as_of: Timestamp) -> Query {
        self.at_with(sql, team, as_of, &[])
    }

    /// A query about several teams at one instant, few enough that their ids fit into a form's field.
    fn of_teams(&self, sql: &str, teams: &[TeamId], as_of: Timestamp) -> Query {
        let teams: Vec<&str> = teams.iter().map(TeamId::as_str).collect();
        self.query(sql).param("teams", teams).param("as_of", as_of.0)
    }

    /// A query about one team at one instant, with arrays.
    fn at_with(&self, sql: &str, team: &TeamId, as_of: Timestamp, arrays: &[(&str, Array<'_>)]) -> Query {
        self.ask(sql, arrays).param("team", team.as_str()).param("as_of", as_of.0)
    }
}
