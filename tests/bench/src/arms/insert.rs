//! W: bodies that were encoded beforehand, inserted alone: what ClickHouse and the way to it cost.

use std::{collections::VecDeque, path::Path, time::Instant};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use clickhouse::{Client, Compression};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};
use tokio::task::JoinSet;

use super::{Compressed, visible};
use crate::{
    bodies::{Format, encode, file, row::Row},
    meter::Reading,
    sample::Sample,
    site::Site,
    worker::{self, Done, Worker},
};

/// So many batches are inserted at once, as ingest does.
pub(crate) const IN_FLIGHT: usize = 2;

/// Options of the worker.
#[derive(Clone, Debug, Args)]
pub(crate) struct InsertOptions {
    /// The file of bodies.
    #[arg(long)]
    file: std::path::PathBuf,
    /// ClickHouse's address.
    #[arg(long)]
    url: String,
    /// Database.
    #[arg(long)]
    database: String,
    /// User.
    #[arg(long)]
    user: String,
    /// Password.
    #[arg(long)]
    password: String,
    /// Compress with LZ4.
    #[arg(long)]
    lz4: bool,
}

/// Encodes the whole backlog in one format.
///
/// # Errors
/// When it cannot be read or written.
pub(crate) fn prepare(
    brokers: &str,
    ends: &[i64],
    file: &Path,
    format: Format,
    batch_rows: usize,
    with_days: bool,
) -> anyhow::Result<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bench-bodies")
        .set("enable.auto.commit", "false")
        .create()?;
    let mut partitions = TopicPartitionList::new();
    for partition in 0..ends.len() {
        let partition = i32::try_from(partition)?;
        partitions.add_partition_offset(wire::topics::USAGE, partition, Offset::Beginning)?;
    }
    consumer.assign(&partitions)?;
    let total: i64 = ends.iter().sum();
    let mut writer = file::Writer::create(file)?;
    let mut rows = Vec::with_capacity(batch_rows);
    for number in 1..=total {
        let message = consumer.poll(std::time::Duration::from_secs(30)).context("the backlog ended early")??;
        rows.push(Row::of(&message)?);
        if rows.len() == batch_rows || number == total {
            writer.push(&encode(&rows, format, with_days))?;
            rows.clear();
        }
    }
    writer.finish()
}

/// One round.
///
/// # Errors
/// When the worker fails.
pub(crate) async fn measure(site: &Site, ends: &[i64], file: &Path, compressed: Compressed) -> anyhow::Result<Sample> {
    let [url, database, user, password] = site.clickhouse_access();
    let file = file.display().to_string();
    let mut arguments: Vec<String> =
        ["insert", "--file", &file, "--url", &url, "--database", &database, "--user", &user, "--password", &password]
            .map(ToOwned::to_owned)
            .into();
    if compressed == Compressed::Lz4 {
        arguments.push("--lz4".to_owned());
    }
    let mut worker = Worker::start(&arguments).await?;
    let process = worker.process()?;
    process.reset_peak()?;
    site.clickhouse.reset_peak()?;
    let before = Reading::take(site, Some(&process))?;
    let done = worker.work().await?;
    let cost = Reading::take(site, Some(&process))?.since(&before);
    let peak_mib = process.peak_mib()?;
    worker.end().await?;
    let merges_after_s = super::merges_after(site).await?;
    let rows: i64 = ends.iter().sum();
    Ok(Sample {
        rows: rows.unsigned_abs(),
        elapsed_s: done.elapsed.as_secs_f64(),
        cost,
        merges_after_s,
        peak_mib,
        clickhouse_peak_mib: site.clickhouse.peak_mib()?,
        void: visible::differences(site, ends).await?,
    })
}

/// The worker.
///
/// # Errors
/// When ClickHouse refuses a body.
pub(crate) async fn work(options: InsertOptions) -> anyhow::Result<()> {
    let client = Client::default()
        .with_url(&options.url)
        .with_database(&options.database)
        .with_user(&options.user)
        .with_password(&options.password)
        .with_compression(if options.lz4 { Compression::Lz4 } else { Compression::None })
        .with_setting("async_insert", "0")
        .with_setting("wait_end_of_query", "1");
    let mut batches: VecDeque<Vec<(String, Bytes)>> = file::read(&options.file)?
        .into_iter()
        .map(|batch| batch.into_iter().map(|body| (body.sql, Bytes::from(body.bytes))).collect())
        .collect();
    let inserted = batches.len() as u64;
    worker::ready()?;
    let began = Instant::now();
    let mut flying = JoinSet::new();
    let mut number = 0;
    loop {
        while flying.len() < IN_FLIGHT
            && let Some(batch) = batches.pop_front()
        {
            number += 1;
            flying.spawn(insert(client.clone(), batch, number));
        }
        match flying.join_next().await {
            Some(landed) => landed??,
            None => break,
        }
    }
    worker::done(Done { rows: inserted, elapsed: began.elapsed() })
}

/// Inserts a batch's bodies one after another, as ingest does: days before the rows they are made of, rows with a token.
async fn insert(client: Client, batch: Vec<(String, Bytes)>, number: u64) -> anyhow::Result<()> {
    for (sql, bytes) in batch {
        let insert = client.insert_formatted_with(&sql);
        let mut insert = if sql.starts_with("INSERT INTO usage_days") {
            insert.with_setting("deduplicate_insert", "disable").with_setting("optimize_on_insert", "0")
        } else {
            insert.with_setting("insert_deduplication_token", format!("bench/{number}"))
        };
        insert.send(bytes).await?;
        insert.end().await?;
    }
    Ok(())
}
