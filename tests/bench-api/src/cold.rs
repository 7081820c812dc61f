//! Answers that are computed, beside the same SQL asked of ClickHouse directly.
//!
//! Each question is asked three times: once of another API, whose statements are recorded; of the measured one; and as its
//! statements, which go to ClickHouse to the byte as they were recorded. No two questions are alike, so no cache answers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::{
    Options, made,
    recorder::{self, Recorder, Statement},
    say,
    spread::{Spread, quantile, sorted},
    stand::{Stand, stop},
};

const HOUR_US: i64 = 3_600 * 1_000_000;
const FEATURES: u64 = 25;

/// The path of a team's question of that number.
type Question = fn(&str, u64) -> String;

/// A kind of question.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) questions: usize,
    pub(crate) statements_each: f64,
    pub(crate) api_ms: Spread,
    pub(crate) api_p90_ms: f64,
    /// Its statements, one after the other.
    pub(crate) sql_ms: Spread,
    /// Its statements, those together that the API asks together.
    pub(crate) sql_as_asked_ms: Spread,
    /// Of the medians.
    pub(crate) ratio: f64,
    pub(crate) ratio_as_asked: f64,
}

/// Asks every kind of question.
///
/// # Errors
/// When one is not answered.
pub(crate) async fn measure(options: &Options, stand: &Stand) -> anyhow::Result<BTreeMap<String, Figures>> {
    let recorder = Recorder::start(stand.site.stack.clickhouse_url()).await?;
    let recorded = stand.another_api(&[("FLYWHEEL_CLICKHOUSE_URL", &recorder.url)]).await;
    let http = recorder::client()?;
    let mut figures = BTreeMap::new();
    let kinds: [(&str, Question); 4] = [("as_of", as_of), ("evidence", evidence), ("history", history), ("diff", diff)];
    for (kind, question) in kinds {
        let teams: Vec<String> = stand.size.team_ids().collect();
        // The first one warms, and does not count.
        let paths: Vec<String> =
            (0..=options.questions).map(|number| question(&teams[number as usize % teams.len()], number)).collect();
        let mut asked = Vec::new();
        for (number, path) in paths.iter().enumerate() {
            recorder.take();
            let answer = stand.ask(&stand.asked_of(&recorded, path)).await?;
            ensure!(answer.status == 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
            let statements = recorder.take();
            ensure!(!statements.is_empty(), "{path} asks nothing of ClickHouse");
            let times = times(stand, &http, path, &statements, number).await.with_context(|| path.clone())?;
            asked.push((statements.len(), times));
        }
        let found = Figures::of(&asked[1..]);
        say(&format!(
            "{kind:<9} {:.1} ms, its {:.0} statements {:.1} ms one by one and {:.1} ms as asked",
            found.api_ms.median, found.statements_each, found.sql_ms.median, found.sql_as_asked_ms.median
        ));
        figures.insert(kind.to_owned(), found);
    }
    stop(recorded).await?;
    Ok(figures)
}

/// Of a question, in milliseconds.
struct Times {
    api: f64,
    sql: f64,
    sql_as_asked: f64,
}

/// Asks in an order that differs from question to question.
async fn times(
    stand: &Stand,
    http: &reqwest::Client,
    path: &str,
    statements: &[Statement],
    number: usize,
) -> anyhow::Result<Times> {
    let clickhouse = stand.site.stack.clickhouse_url();
    let mut times = [Duration::ZERO; 3];
    for step in 0..3 {
        let what = (step + number) % 3;
        let began = Instant::now();
        match what {
            0 => {
                let answer = stand.ask(&stand.asked(path)).await?;
                ensure!(answer.status == 200, "{}", String::from_utf8_lossy(&answer.body));
            }
            1 => {
                for statement in statements {
                    statement.ask(http, clickhouse).await?;
                }
            }
            _ => as_asked(http, clickhouse, statements).await?,
        }
        times[what] = began.elapsed();
    }
    let [api, sql, sql_as_asked] = times.map(|time| time.as_secs_f64() * 1e3);
    Ok(Times { api, sql, sql_as_asked })
}

/// Each as soon as those are answered that it waited for.
async fn as_asked(http: &reqwest::Client, clickhouse: &str, statements: &[Statement]) -> anyhow::Result<()> {
    let (mut begun, mut answered) = (vec![false; statements.len()], vec![false; statements.len()]);
    let mut under_way = JoinSet::new();
    loop {
        for (number, statement) in statements.iter().enumerate() {
            let ready =
                statements.iter().zip(&answered).all(|(other, answered)| *answered || !statement.waited_for(other));
            if ready && !begun[number] {
                begun[number] = true;
                let (statement, http, clickhouse) = (statement.clone(), http.clone(), clickhouse.to_owned());
                under_way.spawn(async move { statement.ask(&http, &clickhouse).await.map(|()| number) });
            }
        }
        match under_way.join_next().await {
            Some(number) => answered[number??] = true,
            None => return Ok(()),
        }
    }
}

impl Figures {
    fn of(asked: &[(usize, Times)]) -> Self {
        let spread = |figure: fn(&Times) -> f64| Spread::of(asked.iter().map(|(_, times)| figure(times)));
        let (api_ms, sql_ms, sql_as_asked_ms) =
            (spread(|times| times.api), spread(|times| times.sql), spread(|times| times.sql_as_asked));
        Self {
            questions: asked.len(),
            statements_each: Spread::of(asked.iter().map(|(statements, _)| *statements as f64)).median,
            api_p90_ms: quantile(&sorted(asked.iter().map(|(_, times)| times.api)), 0.9),
            ratio: api_ms.median / sql_ms.median,
            ratio_as_asked: api_ms.median / sql_as_asked_ms.median,
            api_ms,
            sql_ms,
            sql_as_asked_ms,
        }
    }
}

/// An hour ago and so many seconds.
fn ago(number: u64) -> i64 {
    HOUR_US + i64::try_from(number).unwrap_or_default() * 1_000_000
}

fn instant(ago_us: i64) -> String {
    made::now().plus_micros(-ago_us).to_rfc3339()
}

fn as_of(team: &str, number: u64) -> String {
    format!("/v1/teams/{team}/rankings?as_of={}", instant(ago(number)))
}

fn evidence(team: &str, number: u64) -> String {
    format!("/v1/teams/{team}/features/feature-{}", number % FEATURES)
}

fn history(team: &str, number: u64) -> String {
    let to = instant(i64::try_from(number).unwrap_or_default() * 1_000);
    format!("/v1/teams/{team}/features/feature-{}/history?to={to}", number % FEATURES)
}

fn diff(team: &str, number: u64) -> String {
    let (from, to) = (instant(ago(number) + 24 * 7 * HOUR_US), instant(ago(number)));
    format!("/v1/teams/{team}/rankings/diff?from={from}&to={to}")
}
