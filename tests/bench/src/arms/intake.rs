//! R and D: our consumer alone, and with decoding into columns that are thrown away.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};
use wire::topics::USAGE;

use crate::{
    meter::Reading,
    sample::Sample,
    site::Site,
    worker::{self, Done, Worker},
};

/// Options of the worker.
#[derive(Clone, Debug, Args)]
pub(crate) struct IntakeOptions {
    /// Kafka's brokers.
    #[arg(long)]
    brokers: String,
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
pub(crate) async fn measure(site: &Site, ends: &[i64], decode: bool) -> anyhow::Result<Sample> {
    let listed: Vec<String> = ends.iter().map(ToString::to_string).collect();
    let mut arguments = vec![
        "intake".to_owned(),
        "--brokers".to_owned(),
        site.brokers().to_owned(),
        "--ends".to_owned(),
        listed.join(","),
    ];
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
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &options.brokers)
        .set("group.id", "bench-intake")
        .set("enable.auto.commit", "false")
        .set("fetch.queue.backoff.ms", "10")
        .create()?;
    let mut partitions = TopicPartitionList::new();
    for partition in 0..options.ends.len() {
        partitions.add_partition_offset(USAGE, i32::try_from(partition)?, Offset::Beginning)?;
    }
    worker::ready()?;
    consumer.assign(&partitions)?;
    let total = options.ends.iter().sum::<i64>().unsigned_abs();
    let mut began = None;
    for _ in 0..total {
        consumer.poll(Duration::from_secs(30)).context("the backlog ended early")??;
        began.get_or_insert_with(Instant::now);
    }
    worker::done(Done { rows: total, elapsed: began.map_or(Duration::ZERO, |began| began.elapsed()) })
}
