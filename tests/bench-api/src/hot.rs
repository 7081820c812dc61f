//! Answers from memory, and the same bytes from a bare handler.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, ensure};
use rank_bench::process::Process;
use serde::Serialize;

use crate::{
    Options,
    bare::Bare,
    say,
    spread::Spread,
    stand::{LONG, SHORT, Stand},
    wrk::{self, Asked, Seen},
};

/// Before each round, unmeasured.
const WARM: Duration = Duration::from_secs(1);
/// The same answer differs by so many bytes from one server to the other: ids and dates are as long, `keep-alive` may be said or not.
const BYTES_APART_MAX: f64 = 32.0;

/// A question and who was asked, over all rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Arm {
    pub(crate) requests_per_s: Spread,
    pub(crate) p50_ms: Spread,
    pub(crate) p99_ms: Spread,
    pub(crate) p999_ms: Spread,
    pub(crate) max_ms: Spread,
    /// Of an answer, its head included.
    pub(crate) bytes: f64,
    /// What the server's process took of the processors for a request.
    pub(crate) server_us: Spread,
}

/// A round of an arm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) seen: Seen,
    pub(crate) server_us: f64,
}

/// What is asked of a hot API, and the names of the arms.
pub(crate) async fn questions(stand: &Stand) -> anyhow::Result<Vec<(&'static str, Asked)>> {
    let short = stand.asked(&format!("/v1/teams/{SHORT}/rankings?limit=20"));
    let long = stand.asked(&format!("/v1/teams/{LONG}/rankings?limit=200"));
    let etag = stand.ask(&short).await?.header("etag").context("the ranking has no ETag")?.to_owned();
    let mut unchanged = short.clone();
    unchanged.headers.push(("if-none-match".to_owned(), etag));
    Ok(vec![("ranking_20", short), ("not_modified", unchanged), ("ranking_200", long)])
}

/// Asks every question of both servers in turn, round after round.
///
/// # Errors
/// When a server does not answer, or they do not answer the same.
pub(crate) async fn measure(options: &Options, stand: &Stand) -> anyhow::Result<BTreeMap<String, Arm>> {
    let questions = questions(stand).await?;
    let mut answers = Vec::new();
    for (name, asked) in &questions {
        let answer = stand.ask(asked).await?;
        let expected = if *name == "not_modified" { 304 } else { 200 };
        ensure!(answer.status == expected, "{name}: the API answers with {}", answer.status);
        answers.push(answer);
    }
    let bare = Bare::start(&answers).await?;
    let (api_process, bare_process) = (Process::of(stand.api.id()), Process::of(bare.id()?));
    let mut rounds: BTreeMap<String, Vec<Round>> = BTreeMap::new();
    for round in 0..options.rounds {
        for (number, (name, asked)) in questions.iter().enumerate() {
            let mut arms = [
                (format!("api_{name}"), asked.clone(), &api_process),
                (format!("bare_{name}"), bare.asked(number, &asked.headers), &bare_process),
            ];
            // Neither is always the first.
            if round % 2 == 1 {
                arms.reverse();
            }
            for (arm, asked, process) in arms {
                let measured = self::round(&asked, options, process).await?;
                say(&format!(
                    "round {round} {arm:<18} {:>8.0} requests/s, p99 {:.2} ms, {:.1} us of the server's processor time",
                    measured.seen.requests_per_s, measured.seen.p99_ms, measured.server_us
                ));
                rounds.entry(arm).or_default().push(measured);
            }
        }
    }
    let arms: BTreeMap<String, Arm> = rounds.into_iter().map(|(arm, rounds)| (arm, Arm::of(&rounds))).collect();
    for (name, _) in &questions {
        let (api, bare) = (arms[&format!("api_{name}")].bytes, arms[&format!("bare_{name}")].bytes);
        ensure!(
            (api - bare).abs() <= BYTES_APART_MAX,
            "{name}: {api} bytes from the API, {bare} from the bare handler"
        );
    }
    Ok(arms)
}

/// One round of one arm.
///
/// # Errors
/// When an answer is an error or the server has ended.
pub(crate) async fn round(asked: &Asked, options: &Options, server: &Process) -> anyhow::Result<Round> {
    wrk::ask(asked, options.connections, WARM).await?;
    let before = server.cpu()?;
    let seen = wrk::ask(asked, options.connections, options.round()).await?;
    Ok(Round { seen, server_us: (server.cpu()? - before).as_secs_f64() * 1e6 / seen.requests })
}

impl Arm {
    /// Over these rounds.
    pub(crate) fn of(rounds: &[Round]) -> Self {
        let spread = |figure: fn(&Round) -> f64| Spread::of(rounds.iter().map(figure));
        Self {
            requests_per_s: spread(|round| round.seen.requests_per_s),
            p50_ms: spread(|round| round.seen.p50_ms),
            p99_ms: spread(|round| round.seen.p99_ms),
            p999_ms: spread(|round| round.seen.p999_ms),
            max_ms: spread(|round| round.seen.max_ms),
            bytes: spread(|round| round.seen.bytes).median,
            server_us: spread(|round| round.server_us),
        }
    }
}
