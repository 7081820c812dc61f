//! The verdict over a whole run: first that Kafka's log has what Kafka acknowledged, then ClickHouse against that log, one
//! partition after the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::{Context as _, ensure};
use clickhouse::Client;

use crate::{
    aggregates::Sums,
    load::Receipt,
    log::{Log, Logged, Place},
    oracle::{Findings, compare_partition, look_for_strays},
    verdict,
};

/// What was found.
pub(crate) struct Judged {
    /// Records in the log.
    pub(crate) produced: u64,
    /// Records that are in the log once more than they were sent.
    pub(crate) doubled: u64,
    pub(crate) findings: Findings,
}

/// Compares everything.
///
/// # Errors
/// When a side does not answer, or Kafka lost a record that it acknowledged: then nothing can be said about ingest.
pub(crate) async fn judge(client: &Client, log: &Arc<Log>, receipts: Vec<Receipt>) -> anyhow::Result<Judged> {
    let mut receipts = by_place(receipts);
    let reader = Arc::clone(log);
    let ends = tokio::task::spawn_blocking(move || reader.ends()).await??;
    let (mut produced, mut doubled) = (0, 0);
    let (mut findings, mut sums) = (Findings::default(), Sums::default());
    for (place, end) in ends {
        let reader = Arc::clone(log);
        let records = tokio::task::spawn_blocking(move || reader.read(place, end)).await??;
        doubled += check(place, &records, &receipts.remove(&place).unwrap_or_default())?;
        produced += records.len() as u64;
        let demanded = verdict::of(place, &records)?;
        sums.add(&demanded);
        compare_partition(client, place, &demanded, &mut findings).await?;
    }
    look_for_strays(client, &mut findings).await?;
    sums.compare(client, &mut findings).await?;
    Ok(Judged { produced, doubled, findings })
}

/// The numbers of the records that Kafka acknowledged, by partition.
fn by_place(receipts: Vec<Receipt>) -> BTreeMap<Place, BTreeSet<u64>> {
    let mut places: BTreeMap<Place, BTreeSet<u64>> = BTreeMap::new();
    for receipt in receipts {
        places.entry((receipt.topic, receipt.partition)).or_default().insert(receipt.number);
    }
    places
}

/// Every acknowledged record is in the log, and every record there is one of ours. Returns how many are there once more than
/// they were sent: for ingest those are records like any other, and repeats by the rule.
///
/// The offsets that Kafka acknowledged are not compared. Where a record was sent again after a crash they are unknown, or
/// those of the other try.
fn check((topic, partition): Place, log: &[Logged], acknowledged: &BTreeSet<u64>) -> anyhow::Result<u64> {
    let mut logged = BTreeSet::new();
    for record in log {
        let number = verdict::number(record);
        logged.insert(number.with_context(|| format!("{topic} partition {partition} offset {}", record.offset))?);
    }
    let lost: Vec<_> = acknowledged.difference(&logged).take(10).collect();
    ensure!(lost.is_empty(), "Kafka lost acknowledged records of {topic} partition {partition}: {lost:?}");
    let strange: Vec<_> = logged.difference(acknowledged).take(10).collect();
    ensure!(strange.is_empty(), "{topic} partition {partition} has records that nobody sent: {strange:?}");
    Ok((log.len() - logged.len()) as u64)
}
