//! K: ClickHouse's own Kafka engine, with materialised views into the production tables.

use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use wire::topics::USAGE;

use super::{pipeline, visible};
use crate::{backlog::Mode, group::Group, meter::Reading, sample::Sample, site::Site};

/// The topic whose records carry the whole CloudEvent in the payload.
pub(crate) const STRUCTURED_TOPIC: &str = "bench.usage.structured";

const READ_MAX: Duration = Duration::from_secs(30);

/// Settings of the engine. The defaults are those that served it best.
#[derive(Clone, Debug, Args)]
pub(crate) struct EngineOptions {
    /// `kafka_num_consumers`, each with a thread of its own.
    #[arg(long = "engine-consumers", default_value_t = 2)]
    pub(crate) consumers: u32,
    /// `kafka_max_block_size`: rows of an insert.
    #[arg(long = "engine-block-rows", default_value_t = 262_144)]
    pub(crate) block_rows: u64,
    /// `kafka_poll_max_batch_size`: messages of a poll.
    #[arg(long = "engine-poll-rows", default_value_t = 65_536)]
    pub(crate) poll_rows: u64,
    /// `kafka_flush_interval_ms`.
    #[arg(long = "engine-flush-ms", default_value_t = 7_500)]
    pub(crate) flush_ms: u64,
}

/// One round.
///
/// # Errors
/// When ClickHouse refuses the tables or takes too long.
pub(crate) async fn measure(
    site: &Site,
    ends: &[i64],
    options: &EngineOptions,
    mode: Mode,
    group: &str,
) -> anyhow::Result<Sample> {
    let rows = ends.iter().sum::<i64>().unsigned_abs();
    let topic = if mode == Mode::Structured { STRUCTURED_TOPIC } else { USAGE };
    let watched = Group::new(site.brokers(), group)?;
    // It has no tokens: without this the server would compare the contents of its inserts, for nothing.
    site.run("ALTER TABLE flywheel.usage MODIFY SETTING non_replicated_deduplication_window = 0").await?;
    site.run(&queue(site, options, mode, topic, group)).await?;
    site.clickhouse.reset_peak()?;
    let views = views(mode, site.has_table("usage_days").await?);
    let before = Reading::take(site, None)?;
    for view in &views {
        site.run(view).await?;
    }
    let begun = first_read(site).await?;
    let all = visible::all(site, rows, None).await?;
    let cost = Reading::take(site, None)?.since(&before);
    let peak = site.clickhouse.peak_mib()?;

    let mut void = visible::differences(site, ends).await?;
    let revoked = site.number("SELECT sum(num_rebalance_revocations) FROM system.kafka_consumers").await?;
    let errors = site.number("SELECT sum(length(exceptions.text)) FROM system.kafka_consumers").await?;
    // Each consumer that joins may take partitions from each of those before it.
    let joining = u64::from(options.consumers * options.consumers.saturating_sub(1) / 2);
    if revoked > joining || errors > 0 {
        void.push(format!("the engine's consumers saw {revoked} revocations and {errors} exceptions"));
    }
    let lag = if mode == Mode::Binary { pipeline::lag(&watched, ends).await? } else { 0 };
    if lag > 0 {
        void.push(format!("{lag} messages were not committed"));
    }
    for table in ["bench_to_usage_days", "bench_to_usage", "bench_queue"] {
        site.run(&format!("DROP TABLE IF EXISTS flywheel.{table} SYNC")).await?;
    }
    let merges_after_s = super::merges_after(site).await?;
    Ok(Sample {
        rows,
        elapsed_s: all.duration_since(begun).as_secs_f64(),
        cost,
        merges_after_s,
        peak_mib: peak,
        clickhouse_peak_mib: peak,
        void,
    })
}

/// Waits until the engine has read its first records; says when.
async fn first_read(site: &Site) -> anyhow::Result<Instant> {
    let began = Instant::now();
    while began.elapsed() < READ_MAX {
        if site.number("SELECT sum(num_messages_read) FROM system.kafka_consumers").await? > 0 {
            return Ok(Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("the Kafka engine read nothing within {} s", READ_MAX.as_secs())
}

fn queue(site: &Site, options: &EngineOptions, mode: Mode, topic: &str, group: &str) -> String {
    let data = "team String, feature String, account String, operation String, count UInt64, \
                duration_us Nullable(UInt64), outcome String";
    let columns = match mode {
        Mode::Binary => data.to_owned(),
        Mode::Structured => {
            let data = "team String, feature String, account String, operation String, `count` UInt64, \
                        duration_us Nullable(UInt64), outcome String";
            format!("id String, source String, type String, time String, data Tuple({data})")
        }
    };
    let EngineOptions { consumers, block_rows, poll_rows, flush_ms } = options;
    let brokers = site.brokers();
    format!(
        "CREATE TABLE flywheel.bench_queue ({columns}) ENGINE = Kafka SETTINGS kafka_broker_list = '{brokers}', \
         kafka_topic_list = '{topic}', kafka_group_name = '{group}', kafka_format = 'JSONEachRow', \
         kafka_num_consumers = {consumers}, kafka_thread_per_consumer = 1, kafka_max_block_size = {block_rows}, \
         kafka_poll_max_batch_size = {poll_rows}, kafka_flush_interval_ms = {flush_ms}, \
         input_format_skip_unknown_fields = 1, date_time_input_format = 'best_effort'"
    )
}

/// The views. That of `usage` comes last, because the engine reads once it has one; that of the days takes what arrives in
/// `usage`, so that JSON and headers are read only once.
fn views(mode: Mode, with_days: bool) -> Vec<String> {
    let header = |name: &str| format!("_headers.value[indexOf(_headers.name, 'ce_{name}')]");
    let (source, id, time, kind, data) = match mode {
        Mode::Binary => (header("source"), header("id"), header("time"), header("type"), ""),
        Mode::Structured => ("source".into(), "id".into(), "time".into(), "type".into(), "data."),
    };
    let time = format!("parseDateTime64BestEffort({time}, 6, 'UTC')");
    let wanted = format!("WHERE {kind} = 'io.flywheel.usage.observed.v1'");
    let [team, feature, account, operation, count, duration_us, outcome] =
        ["team", "feature", "account", "operation", "count", "duration_us", "outcome"]
            .map(|name| format!("{data}{name} AS {name}"));
    let mut views = Vec::new();
    if with_days {
        views.push(
            "CREATE MATERIALIZED VIEW flywheel.bench_to_usage_days TO flywheel.usage_days AS \
             SELECT team, feature, account, toDate32(time) AS day, min(time) AS first, max(time) AS last \
             FROM flywheel.usage GROUP BY team, feature, account, day"
                .to_owned(),
        );
    }
    views.push(format!(
        "CREATE MATERIALIZED VIEW flywheel.bench_to_usage TO flywheel.usage AS \
         SELECT toInt32(_partition) AS partition, toInt64(_offset) AS offset, _timestamp_ms AS received_at, \
         {source} AS source, {id} AS id, {time} AS time, {team}, {feature}, {account}, {operation}, {count}, {duration_us}, \
         {outcome} FROM flywheel.bench_queue {wanted}"
    ));
    views
}
