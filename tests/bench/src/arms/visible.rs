//! When all rows are there, and whether they are the right ones.

use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::time::sleep;

use crate::{process::Process, site::Site};

/// No arm is given longer than this for the whole backlog.
const DRAIN_MAX: Duration = Duration::from_secs(1_800);
/// Asking costs the server a little; near the end it is asked often, to see the last row soon.
const LOOK_SELDOM: Duration = Duration::from_millis(250);
const LOOK_OFTEN: Duration = Duration::from_millis(20);

/// Waits until `usage` has `rows` rows; says when.
///
/// # Errors
/// When the process ends or takes too long.
pub(super) async fn all(site: &Site, rows: u64, process: Option<&Process>) -> anyhow::Result<Instant> {
    let began = Instant::now();
    while began.elapsed() < DRAIN_MAX {
        let visible = site.number("SELECT count() FROM usage").await?;
        if visible >= rows {
            return Ok(Instant::now());
        }
        if let Some(process) = process {
            process.cpu()?;
        }
        sleep(if visible * 20 >= rows * 19 { LOOK_OFTEN } else { LOOK_SELDOM }).await;
    }
    bail!("{rows} rows were not there within {} s", DRAIN_MAX.as_secs())
}

/// Why `usage` does not hold exactly one row for each offset before `ends`; nothing when it does.
///
/// # Errors
/// When ClickHouse does not answer.
pub(super) async fn differences(site: &Site, ends: &[i64]) -> anyhow::Result<Vec<String>> {
    let mut differences = Vec::new();
    for (partition, end) in ends.iter().enumerate() {
        let of = format!("FROM usage WHERE partition = {partition}");
        let count = site.number(&format!("SELECT count() {of}")).await?;
        // Equal counts of other offsets would have another sum.
        let sum = site.number(&format!("SELECT toUInt64(sum(offset)) {of}")).await?;
        let (wanted, wanted_sum) =
            (end.unsigned_abs(), end.unsigned_abs() * (end.unsigned_abs().saturating_sub(1)) / 2);
        if (count, sum) != (wanted, wanted_sum) {
            differences.push(format!(
                "partition {partition} has {count} rows whose offsets add up to {sum}, not {wanted} and {wanted_sum}"
            ));
        }
    }
    Ok(differences)
}
