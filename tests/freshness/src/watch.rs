//! Asks the API for the rankings until they count each probe.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use reqwest::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use tokio::task::JoinSet;

use crate::stream::{PROBED, Probes, team_id};

/// All teams together are asked so often: so much later than it was there, an effect may be seen.
const ASK_EVERY: Duration = Duration::from_millis(4);
/// The last probes' effects are waited for so long.
const LAST_MAX: Duration = Duration::from_secs(30);

/// Asking, until every probe was seen.
pub(crate) struct Watching {
    tasks: JoinSet<anyhow::Result<Vec<Duration>>>,
    ended: Arc<AtomicBool>,
}

/// Begins to ask, a task for each team.
pub(crate) fn start(api: String, teams: usize, probes: &Arc<Probes>) -> anyhow::Result<Watching> {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().context("cannot make a client")?;
    let ended = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for team in 0..teams {
        let url = format!("{api}/v1/teams/{}/rankings", team_id(team));
        let (http, probes, ended) = (http.clone(), Arc::clone(probes), Arc::clone(&ended));
        let every = ASK_EVERY * u32::try_from(teams).unwrap_or(u32::MAX);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            let mut deadline = None;
            let mut answer = Answer::default();
            loop {
                answer.ask(&http, &url).await?;
                let seen = Instant::now();
                let counted = answer.counted;
                while latencies.len() < counted
                    && let Some(produced) = probes.produced(team, latencies.len())
                {
                    latencies.push(seen - produced);
                }
                if ended.load(Ordering::Relaxed) {
                    if latencies.len() >= probes.count(team) {
                        return Ok(latencies);
                    }
                    let deadline = *deadline.get_or_insert(seen + LAST_MAX);
                    ensure!(
                        seen < deadline,
                        "{} probes of team {team} are not seen",
                        probes.count(team) - latencies.len()
                    );
                }
                tokio::time::sleep(every).await;
            }
        });
    }
    Ok(Watching { tasks, ended })
}

impl Watching {
    /// No more probes are produced: how long each took to be seen.
    pub(crate) async fn finish(mut self, probes: &Probes) -> anyhow::Result<Vec<Duration>> {
        ensure!(probes.count(0) > 0, "nothing was probed");
        self.ended.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        while let Some(latencies) = self.tasks.join_next().await {
            all.extend(latencies??);
        }
        all.sort();
        Ok(all)
    }
}

/// The newest answer.
#[derive(Default)]
struct Answer {
    etag: Option<HeaderValue>,
    /// How many probes the API counts; none while it does not know the feature.
    counted: usize,
}

impl Answer {
    /// Asks for another ranking than the one that is known.
    async fn ask(&mut self, http: &reqwest::Client, url: &str) -> anyhow::Result<()> {
        let mut question = http.get(url);
        if let Some(etag) = &self.etag {
            question = question.header(IF_NONE_MATCH, etag);
        }
        let answer = question.send().await.context("the API does not answer")?;
        if !answer.status().is_success() {
            return Ok(());
        }
        self.etag = answer.headers().get(ETAG).cloned();
        let body: serde_json::Value = answer.json().await.context("the API does not answer with JSON")?;
        let items = body["items"].as_array().context("the answer has no items")?;
        if let Some(item) = items.iter().find(|item| item["feature"] == PROBED) {
            let requests = item["demand"]["requests"].as_u64().context("the item has no count of requests")?;
            self.counted = usize::try_from(requests)?;
        }
        Ok(())
    }
}
