//! R and D: our consumer alone, and with decoding into columns that are thrown away.

use clap::Args;
use ingest::{IngestConfig, alone::Alone};
use kit::config::KafkaConfig;

use crate::{
    meter::Reading,
    sample::Sample,
    site::Site,
    worker::{self, Done, Worker},
};

/// Options of the worker.
#[derive(Clone, Debug, Args)]
pub(crate) struct IntakeOptions {
    #[command(flatten)]
    kafka: KafkaConfig,
    #[command(flatten)]
    ingest: IngestConfig,
    /// Read until each partition's log end, by partition.
    #[arg(long, value_delimiter = ',')]
    ends: Vec<i64>,
    /// Decode into columns too.
    #[arg(long)]
    decode: bool,
}

/// One round.
///
/// # Errors
/// When the worker fails.
pub(crate) async fn measure(site: &Site, ends: &[i64], decode: bool, group: &str) -> anyhow::Result<Sample> {
    let listed: Vec<String> = ends.iter().map(ToString::to_string).collect();
    let listed = listed.join(",");
    let arguments = ["intake", "--kafka-brokers", site.brokers(), "--ingest-group", group, "--ends", &listed];
    let mut arguments: Vec<String> = arguments.map(ToOwned::to_owned).into();
    if decode {
        arguments.push("--decode".to_owned());
    }
    let mut worker = Worker::start(&arguments).await?;
    let process = worker.process()?;
    site.clickhouse.reset_peak()?;
    let before = Reading::take(site, Some(&process))?;
    let done = worker.work().await?;
    let cost = Reading::take(site, Some(&process))?.since(&before);
    let peak_mib = process.peak_mib()?;
    worker.end().await?;
    Ok(Sample {
        rows: done.rows,
        elapsed_s: done.elapsed.as_secs_f64(),
        cost,
        merges_after_s: 0.0,
        peak_mib,
        clickhouse_peak_mib: site.clickhouse.peak_mib()?,
        void: Vec::new(),
    })
}

/// The worker.
///
/// # Errors
/// When the backlog ends early.
pub(crate) fn work(options: &IntakeOptions) -> anyhow::Result<()> {
    let alone = Alone::join(&options.ingest, &options.kafka)?;
    worker::ready()?;
    let (rows, elapsed) = alone.drain(&options.ends, options.decode)?;
    worker::done(Done { rows, elapsed })
}
