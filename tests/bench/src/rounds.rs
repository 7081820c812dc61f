//! The arms in turn, round after round.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::{Args, value_parser};
use devstack::{Folders, Progress};
use wire::topics::USAGE;

use crate::{
    arms::{
        Arm,
        engine::{self, EngineOptions, STRUCTURED_TOPIC},
        insert, intake, pipeline,
    },
    backlog::{self, Mode},
    bodies::Format,
    freshness,
    report::Report,
    sample::Sample,
    site::Site,
};

/// Options of a run.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunOptions {
    /// Events in the backlog.
    #[arg(long, default_value_t = 20_000_000, value_parser = value_parser!(u64).range(1_000..))]
    events: u64,
    /// How often each arm is measured.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u64).range(1..))]
    rounds: u64,
    /// The arms, by name; all of them if none is named.
    #[arg(long, value_delimiter = ',')]
    arms: Vec<Arm>,
    /// The `flywheel` to measure.
    #[arg(long, default_value = "target/release/flywheel")]
    flywheel: PathBuf,
    /// The same without the exactly-once protocol.
    #[arg(long, default_value = "target/unprotected/release/flywheel")]
    unprotected: PathBuf,
    /// Rows of an insert of arm W: as many as ingest sends.
    #[arg(long, default_value_t = 393_216)]
    batch_rows: usize,
    /// Seconds of the freshness arm; 0 leaves it out.
    #[arg(long, default_value_t = 60)]
    freshness_s: u64,
    /// Let the engine read a backlog whose records carry the whole CloudEvent in the payload.
    #[arg(long)]
    engine_structured: bool,
    #[command(flatten)]
    engine: EngineOptions,
    /// Where the figures are written.
    #[arg(long, default_value = "target/bench/ingest.json")]
    output: PathBuf,
}

/// A run under way.
struct Run {
    options: RunOptions,
    arms: Vec<Arm>,
    site: Site,
    ends: Vec<i64>,
    structured_ends: Vec<i64>,
    bodies: BTreeMap<&'static str, PathBuf>,
    progress: Progress,
    /// The group of the last round of A1.
    drained_by: Option<String>,
}

/// Everything, from the start of the stack to the file.
///
/// # Errors
/// When an arm cannot be measured.
pub(crate) async fn run(options: RunOptions) -> anyhow::Result<()> {
    let progress = Progress::printing();
    let mut run = Run::prepare(options, progress).await?;
    let mut report = Report {
        events: run.options.events,
        rounds: run.options.rounds,
        batch_rows: run.options.batch_rows,
        engine: format!("{:?}, structured: {}", run.options.engine, run.options.engine_structured),
        samples: Vec::new(),
        freshness: None,
    };
    for round in 1..=run.options.rounds {
        // Every other round the other way round, so that no arm always follows the same one.
        let mut arms = run.arms.clone();
        if round % 2 == 0 {
            arms.reverse();
        }
        for arm in arms {
            // What the arm before left to be written to disk is not this one's cost.
            let written = tokio::process::Command::new("sync").status().await.context("cannot run sync")?;
            ensure!(written.success(), "sync failed");
            let sample = run.measure(arm, round).await.with_context(|| format!("round {round} of {arm}"))?;
            run.progress.step(format_args!(
                "round {round}, {arm}: {:.0} rows/s; s per million: process {:.2}, clickhouse {:.2}, broker {:.2}; others {:.0} %{}",
                sample.rows_per_s(),
                sample.per_million(sample.cost.process_s),
                sample.per_million(sample.cost.clickhouse_s),
                sample.per_million(sample.cost.broker_s),
                sample.others_share() * 100.0,
                if sample.void.is_empty() { "" } else { "; VOID" }
            ));
            report.samples.push((arm, sample));
        }
    }
    // What was measured so far is kept, whatever comes.
    write(&run.options.output, &report)?;
    run.freshness(&mut report).await?;
    write(&run.options.output, &report)?;
    #[expect(clippy::print_stdout, reason = "what the user asked for")]
    {
        println!("{}", report.text());
    }
    ensure!(report.void().is_empty(), "a round does not count: see above");
    Ok(())
}

impl Run {
    /// Starts the stack and makes the backlog, and what else must not be timed.
    async fn prepare(options: RunOptions, progress: Progress) -> anyhow::Result<Self> {
        let arms = if options.arms.is_empty() { Arm::ALL.to_vec() } else { options.arms.clone() };
        for (arm, binary) in [(Arm::Protected, &options.flywheel), (Arm::Unprotected, &options.unprotected)] {
            ensure!(!arms.contains(&arm) || binary.exists(), "arm {arm} needs {}", binary.display());
        }
        let site = Site::start(Folders::from_env()?, &options.flywheel).await?;
        progress.step(format_args!("producing {} events", options.events));
        let ends = produce(&site, USAGE, Mode::Binary, options.events, &progress).await?;
        let structured_ends = if options.engine_structured {
            site.make_topic(STRUCTURED_TOPIC, ends.len()).await?;
            produce(&site, STRUCTURED_TOPIC, Mode::Structured, options.events, &progress).await?
        } else {
            Vec::new()
        };
        let mut run =
            Self { options, arms, site, ends, structured_ends, bodies: BTreeMap::new(), progress, drained_by: None };
        run.encode_bodies().await?;
        Ok(run)
    }

    async fn encode_bodies(&mut self) -> anyhow::Result<()> {
        let with_days = self.site.has_table("usage_days").await?;
        for (format, name) in [(Format::Native, "native"), (Format::RowBinary, "rowbinary")] {
            if !self.arms.iter().any(|arm| matches!(arm, Arm::Insert(of, _) if *of == format)) {
                continue;
            }
            self.progress.step(format_args!("encoding the backlog as {name}"));
            let file = self.site.logs().with_file_name(format!("bodies-{name}"));
            let (brokers, ends, rows) = (self.site.brokers().to_owned(), self.ends.clone(), self.options.batch_rows);
            let to = file.clone();
            tokio::task::spawn_blocking(move || insert::prepare(&brokers, &ends, &to, format, rows, with_days))
                .await??;
            self.bodies.insert(name, file);
        }
        Ok(())
    }

    async fn measure(&mut self, arm: Arm, round: u64) -> anyhow::Result<Sample> {
        self.site.empty_tables().await?;
        // Names of their own, so that each reads everything.
        let group = format!("bench-{}-{round}", arm.name().to_lowercase());
        let (site, ends) = (&self.site, &self.ends[..]);
        match arm {
            Arm::Consume => intake::measure(site, ends, false, &group).await,
            Arm::Decode => intake::measure(site, ends, true, &group).await,
            Arm::Insert(format, compressed) => {
                let name = if format == Format::Native { "native" } else { "rowbinary" };
                let file = self.bodies.get(name).context("its bodies were not encoded")?;
                insert::measure(site, ends, file, compressed).await
            }
            Arm::Unprotected => pipeline::measure(site, ends, &self.options.unprotected, &group).await,
            Arm::Protected => {
                let sample = pipeline::measure(site, ends, &self.options.flywheel, &group).await;
                self.drained_by = Some(group);
                sample
            }
            Arm::Engine if self.options.engine_structured => {
                engine::measure(site, &self.structured_ends, &self.options.engine, Mode::Structured, &group).await
            }
            Arm::Engine => engine::measure(site, ends, &self.options.engine, Mode::Binary, &group).await,
        }
    }

    /// At half of A1's rate; after the rounds, because it adds to the backlog.
    async fn freshness(&self, report: &mut Report) -> anyhow::Result<()> {
        let (Some(group), Some(rate_per_s)) = (&self.drained_by, report.rows_per_s(Arm::Protected)) else {
            return Ok(());
        };
        if self.options.freshness_s == 0 {
            return Ok(());
        }
        let length = Duration::from_secs(self.options.freshness_s);
        let flywheel = &self.options.flywheel;
        let measured =
            freshness::measure(&self.site, flywheel, rate_per_s / 2.0, length, group, &self.progress).await?;
        report.freshness = Some(measured);
        Ok(())
    }
}

/// Sends the backlog; returns the log ends.
async fn produce(site: &Site, topic: &str, mode: Mode, count: u64, progress: &Progress) -> anyhow::Result<Vec<i64>> {
    let (brokers, name, said) = (site.brokers().to_owned(), topic.to_owned(), progress.clone());
    tokio::task::spawn_blocking(move || backlog::produce(&brokers, &name, mode, count, &said)).await??;
    let ends = tokio::task::block_in_place(|| backlog::ends(site.brokers(), topic))?;
    let total = ends.iter().sum::<i64>().unsigned_abs();
    ensure!(total == count, "{count} events were sent, {topic} has {total}");
    Ok(ends)
}

fn write(file: &Path, report: &Report) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let text = serde_json::to_string_pretty(&report.json())? + "\n";
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
