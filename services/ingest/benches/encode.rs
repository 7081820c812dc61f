//! What it costs to make columns of events and blocks in Native format of the columns, by type of event, beside what
//! `serde_json` takes to write each event from a struct that owns its strings. Both begin with events in memory.

use divan::{Bencher, black_box, counter::ItemsCount};
use domain::{
    record::{Decoded, decode},
    time::Timestamp,
};
use ingest::columns::Columns;
use serde::{Serialize, de::DeserializeOwned};

use crate::samples::{Sample, samples};

#[path = "../../../crates/domain/benches/decode/owned.rs"]
mod owned;
#[path = "../../../crates/domain/benches/decode/samples.rs"]
#[expect(dead_code, reason = "shared with another benchmark")]
mod samples;

const EVENTS: usize = 8_192;
const ACCOUNTS: usize = 2_000;
const HEADERS: [(&str, Option<&[u8]>); 1] = [("content-type", Some(b"application/cloudevents+json"))];
const RECEIVED_AT: Timestamp = Timestamp(1_773_500_966_535_897);

fn main() {
    divan::main();
}

/// Columns, then one block for each table.
#[divan::bench(args = samples())]
fn columns_and_blocks(bencher: Bencher<'_, '_>, sample: &Sample) {
    let texts = texts(sample);
    let events: Vec<Decoded<'_>> =
        texts.iter().map(|text| decode(&sample.record(&HEADERS, text)).expect("a valid event")).collect();
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        let mut columns = Columns::default();
        black_box(&events).iter().for_each(|event| columns.push(event, RECEIVED_AT));
        columns.blocks()
    });
}

/// Each event as JSON.
#[divan::bench(args = samples())]
fn serde_json_to_vec(bencher: Bencher<'_, '_>, sample: &Sample) {
    match sample.name {
        "usage.observed" => write::<owned::Usage>(bencher, sample),
        "need.signaled" => write::<owned::Need>(bencher, sample),
        "request.stated" => write::<owned::Stated>(bencher, sample),
        "request.withdrawn" => write::<owned::Withdrawn>(bencher, sample),
        "team.defined" => write::<owned::Team>(bencher, sample),
        "feature.defined" => write::<owned::Feature>(bencher, sample),
        "account.defined" => write::<owned::Account>(bencher, sample),
        other => unreachable!("{other} has no struct"),
    }
}

fn write<Data: DeserializeOwned + Serialize>(bencher: Bencher<'_, '_>, sample: &Sample) {
    let events: Vec<owned::Whole<Data>> =
        texts(sample).iter().map(|text| serde_json::from_str(text).expect("a valid event")).collect();
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for event in black_box(&events) {
            black_box(serde_json::to_vec(event).is_ok());
        }
    });
}

/// Events like the sample: with ids of their own, of several accounts.
fn texts(sample: &Sample) -> Vec<String> {
    let whole = sample.whole();
    (0..EVENTS)
        .map(|at| whole.replace("2c3d4e5f", &format!("{at:08x}")).replace("01234", &format!("{:05}", at % ACCOUNTS)))
        .collect()
}
