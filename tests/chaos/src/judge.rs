//! The verdict over a whole run: first that Kafka's log is what Kafka acknowledged, then ClickHouse against that log, one
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

/// Compares everything; returns how many records the log has, and what was found.
///
/// # Errors
/// When a side does not answer, or the log is not what Kafka acknowledged: then nothing can be said about ingest.
pub(crate) async fn judge(client: &Client, log: &Arc<Log>, receipts: Vec<Receipt>) -> anyhow::Result<(u64, Findings)> {
    let mut receipts = by_place(receipts);
    let reader = Arc::clone(log);
    let ends = tokio::task::spawn_blocking(move || reader.ends()).await??;
    let (mut produced, mut findings, mut sums) = (0, Findings::default(), Sums::default());
    for (place, end) in ends {
        let reader = Arc::clone(log);
        let records = tokio::task::spawn_blocking(move || reader.read(place, end)).await??;
        check(place, &records, &receipts.remove(&place).unwrap_or_default())?;
        produced += records.len() as u64;
        let demanded = verdict::of(place, &records)?;
        sums.add(&demanded);
        compare_partition(client, place, &demanded, &mut findings).await?;
    }
    look_for_strays(client, &mut findings).await?;
    sums.compare(client, &mut findings).await?;
    Ok((produced, findings))
}

/// The numbers of a partition's records, with the offset of each. It is unknown where Kafka had a record already when the
/// producer sent it once more.
type Acknowledged = BTreeMap<u64, Option<i64>>;

fn by_place(receipts: Vec<Receipt>) -> BTreeMap<Place, Acknowledged> {
    let mut places: BTreeMap<Place, Acknowledged> = BTreeMap::new();
    for receipt in receipts {
        places.entry((receipt.topic, receipt.partition)).or_default().insert(receipt.number, receipt.offset);
    }
    places
}

/// Every record is where Kafka said it is, and there is no other.
fn check((topic, partition): Place, log: &[Logged], acknowledged: &Acknowledged) -> anyhow::Result<()> {
    let place = |offset: i64| format!("{topic} partition {partition} offset {offset}");
    let mut seen = BTreeSet::new();
    for record in log {
        let number = verdict::number(record).with_context(|| place(record.offset))?;
        let said = acknowledged.get(&number);
        ensure!(
            said.is_some_and(|said| said.is_none_or(|said| said == record.offset)),
            "Kafka's log is not what it acknowledged: {} has record {number}, acknowledged was {said:?}",
            place(record.offset)
        );
        ensure!(seen.insert(number), "the producer doubled record {number}: {}", place(record.offset));
    }
    ensure!(log.len() == acknowledged.len(), "Kafka lost acknowledged records of {topic} partition {partition}");
    Ok(())
}
