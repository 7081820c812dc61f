//! What is measured: one `flywheel api` on a stack of its own, with the rankings and the teams that it is asked about.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rank_bench::{
    site::Site,
    world::{self, Size},
};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use testkit::{eventually::eventually, flywheel::Flywheel, otlp::OtlpReceiver};
use tokio::process::Command;
use wire::topics::INPUTS;

use crate::{Options, Part, made::Publisher, say, wrk::Asked};

/// The team with 20 features.
pub(crate) const SHORT: &str = "hot-short";
/// The team with 200 features.
pub(crate) const LONG: &str = "hot-long";
/// One of a hundred requests is traced.
pub(crate) const SAMPLED: &str = "0.01";

const ASK_MAX: Duration = Duration::from_secs(30);
/// Files besides the streams.
const OTHER_FILES: u64 = 1_000;
/// What keys are hashed with, here.
const KEY_SECRET: &str = "FLYWHEEL_API_KEY_SECRET";
const SECRET: &str = "of a benchmark, and of nobody else";
/// The teams that cold questions are about have so many published rankings each.
const SNAPSHOTS: u64 = 20;
const PREPARED_MAX: Duration = Duration::from_secs(120);

/// The running parts.
pub(crate) struct Stand {
    pub(crate) site: Site,
    pub(crate) api: Flywheel,
    pub(crate) publisher: Publisher,
    /// The teams that cold questions are about.
    pub(crate) size: Size,
    flywheel: PathBuf,
    otlp: (String, OtlpReceiver),
    /// None of a program that knows no keys.
    key: Option<String>,
    http: Client,
}

/// A request and its answer, as it went over the wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Exchange {
    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// Lets this process and those that it starts hold a file for each stream.
///
/// # Errors
/// When the system allows fewer.
pub(crate) fn raise_file_limit(streams: u64) -> anyhow::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let needed = streams + OTHER_FILES;
    ensure!(needed <= most, "{streams} streams need {needed} files, the system allows {most} (ulimit -Hn)");
    setrlimit(Resource::RLIMIT_NOFILE, needed.max(most), most).context("cannot raise the limit of open files")
}

impl Stand {
    /// Starts everything, and makes the teams that the run's parts need.
    ///
    /// # Errors
    /// When a part does not come up.
    pub(crate) async fn start(options: &Options) -> anyhow::Result<Self> {
        let site = Site::start().await?;
        let size = Size { teams: options.teams, accounts: options.accounts };
        if options.has(Part::Cold) {
            make_teams(options, &site, size).await?;
        }
        let publisher = Publisher::to(site.stack.kafka_brokers())?;
        publisher.publish(SHORT, 20).await?;
        publisher.publish(LONG, 200).await?;
        let otlp = OtlpReceiver::start().await?;
        let key = create_key(&options.flywheel, &site).await?;
        let api = start_api(&options.flywheel, &site, &otlp.0, &[]).await;
        let http = Client::builder().timeout(ASK_MAX).build()?;
        let flywheel = options.flywheel.clone();
        Ok(Self { site, api, publisher, size, flywheel, otlp, key, http })
    }

    /// Another API like the measured one, with this environment besides.
    pub(crate) async fn another_api(&self, env: &[(&str, &str)]) -> Flywheel {
        start_api(&self.flywheel, &self.site, &self.otlp.0, env).await
    }

    /// How to ask the measured API for a path.
    pub(crate) fn asked(&self, path: &str) -> Asked {
        self.asked_of(&self.api, path)
    }

    /// How to ask an API for a path, with the key that it checks.
    pub(crate) fn asked_of(&self, api: &Flywheel, path: &str) -> Asked {
        let key = self.key.iter().map(|key| ("authorization".to_owned(), format!("Bearer {key}")));
        Asked { url: format!("{}{path}", api.api_url()), headers: key.collect() }
    }

    /// Whether the API refuses who has no key.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn keys_checked(&self) -> anyhow::Result<bool> {
        let without = Asked { headers: Vec::new(), ..self.asked(&format!("/v1/teams/{SHORT}/rankings")) };
        Ok(self.ask(&without).await?.status == 401)
    }

    /// Asks once.
    ///
    /// # Errors
    /// When nobody answers.
    pub(crate) async fn ask(&self, asked: &Asked) -> anyhow::Result<Exchange> {
        let mut request = self.http.get(&asked.url);
        for (name, value) in &asked.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await?;
        let headers = answer.headers().iter();
        let headers = headers.map(|(name, value)| Ok((name.as_str().to_owned(), value.to_str()?.to_owned())));
        Ok(Exchange {
            status: answer.status().as_u16(),
            headers: headers.collect::<anyhow::Result<_>>()?,
            body: answer.bytes().await?.to_vec(),
        })
    }

    /// Spans that the API has exported so far.
    pub(crate) fn spans_received(&self) -> usize {
        self.otlp.1.spans().len()
    }

    /// Stops everything.
    ///
    /// # Errors
    /// When a part does not stop.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        stop(self.api).await?;
        self.site.stop().await
    }
}

/// A key that may read every team's rankings; none where the program is of a time before there were keys.
async fn create_key(program: &Path, site: &Site) -> anyhow::Result<Option<String>> {
    let known = Command::new(program).args(["keys", "--help"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !known.await.with_context(|| format!("cannot run {}", program.display()))?.success() {
        say("this program knows no keys: they are not checked");
        return Ok(None);
    }
    let mut command = Command::new(program);
    command.args(["keys", "create", "--name", "bench", "--scope", "rankings:read:*", "--json"]);
    let output = command.envs(site.stack.env()).env(KEY_SECRET, SECRET).stdin(Stdio::null()).output().await?;
    ensure!(output.status.success(), "no key is created: {}", String::from_utf8_lossy(&output.stderr));
    let created: Value = serde_json::from_slice(&output.stdout)?;
    let key = created["key"].as_str().context("no key is shown")?;
    Ok(Some(key.to_owned()))
}

async fn start_api(program: &Path, site: &Site, otlp: &str, env: &[(&str, &str)]) -> Flywheel {
    let own = [
        ("FLYWHEEL_API_KEYS_REQUIRED", "true"),
        (KEY_SECRET, SECRET),
        // It is not the limit that is measured; it is kept all the same.
        ("FLYWHEEL_API_KEY_REQUESTS_PER_S_MAX", "1000000"),
        ("FLYWHEEL_API_KEY_REQUESTS_BURST_MAX", "1000000"),
        ("FLYWHEEL_API_KEY_STREAMS_MAX", "1000000"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", otlp),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", SAMPLED),
    ];
    let env: Vec<(&str, &str)> = own.into_iter().chain(env.iter().copied()).collect();
    let api = Flywheel::spawn_program(program, &site.stack, "api", &env);
    api.ready().await;
    api
}

/// Makes the teams in ClickHouse, and has the real ranker publish of them for a while.
async fn make_teams(options: &Options, site: &Site, size: Size) -> anyhow::Result<()> {
    say(&format!("making {} teams of {} accounts and some history of theirs", size.teams, size.accounts));
    // It says how far the input reaches, which nothing is ranked without; it would not begin on rows that it did not write.
    let ingest = Flywheel::spawn_program(&options.flywheel, &site.stack, "ingest", &[]);
    let reached = "SELECT uniqExact(topic) FROM ingest_progress";
    reaches(site, reached, INPUTS.len() as u64, &ingest).await;
    stop(ingest).await?;
    world::make_customers(site, size.accounts).await?;
    world::make_teams(site, size).await?;
    site.merges_settled().await?;
    let often = [("FLYWHEEL_RANKER_REFRESH_S", "1")];
    let ranker = Flywheel::spawn_program(&options.flywheel, &site.stack, "rank", &often);
    let all = format!(
        "SELECT if(count() = {}, min(published), 0) FROM (SELECT count() AS published FROM rankings GROUP BY team)",
        size.teams
    );
    reaches(site, &all, SNAPSHOTS, &ranker).await;
    stop(ranker).await
}

/// Waits until a query's one number is that large.
async fn reaches(site: &Site, sql: &str, number: u64, role: &Flywheel) {
    eventually(sql, PREPARED_MAX, async || match site.client.query(sql).fetch_one::<u64>().await {
        Ok(found) if found >= number => Ok(()),
        other => Err(format!("{other:?}, not {number}; the role says: {}", role.log())),
    })
    .await;
}

/// Ends a process in order.
///
/// # Errors
/// When it does not end so.
pub(crate) async fn stop(role: Flywheel) -> anyhow::Result<()> {
    let (status, said) = role.terminate().await;
    ensure!(status.success(), "a role did not stop in order: {said}");
    Ok(())
}
