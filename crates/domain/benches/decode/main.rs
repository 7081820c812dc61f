//! What decoding a record costs, by type of event, beside what `serde_json` takes for an owned struct of the same data.
//!
//! The comparison reads less than we do: no headers, no verdict on ids, times and bounds.

use divan::{Bencher, black_box};
use domain::record::{Record, decode};
use serde::de::DeserializeOwned;

use crate::samples::{Sample, samples};

mod owned;
mod samples;

fn main() {
    divan::main();
}

/// Attributes in the headers, as our emitters write them.
#[divan::bench(args = samples(), sample_size = 1000)]
fn binary(bencher: Bencher<'_, '_>, sample: &Sample) {
    let headers = sample.headers();
    run(bencher, &sample.record(&headers, &sample.data));
}

/// The whole event in the value.
#[divan::bench(args = samples(), sample_size = 1000)]
fn structured(bencher: Bencher<'_, '_>, sample: &Sample) {
    let headers = [("content-type", Some(&b"application/cloudevents+json"[..]))];
    run(bencher, &sample.record(&headers, &sample.whole()));
}

fn run(bencher: Bencher<'_, '_>, record: &Record<'_>) {
    decode(record).expect("a valid event");
    bencher.bench_local(|| decode(black_box(record)).is_ok());
}

/// The data alone, into a struct that owns its strings.
#[divan::bench(args = samples(), sample_size = 1000)]
fn serde_json_data(bencher: Bencher<'_, '_>, sample: &Sample) {
    match sample.name {
        "usage.observed" => parse::<owned::Usage>(bencher, &sample.data),
        "need.signaled" => parse::<owned::Need>(bencher, &sample.data),
        "request.stated" => parse::<owned::Stated>(bencher, &sample.data),
        "request.withdrawn" => parse::<owned::Withdrawn>(bencher, &sample.data),
        "team.defined" => parse::<owned::Team>(bencher, &sample.data),
        "feature.defined" => parse::<owned::Feature>(bencher, &sample.data),
        "account.defined" => parse::<owned::Account>(bencher, &sample.data),
        other => unreachable!("{other} has no struct"),
    }
}

/// The whole event, into a struct that owns its strings.
#[divan::bench(args = samples(), sample_size = 1000)]
fn serde_json_whole(bencher: Bencher<'_, '_>, sample: &Sample) {
    let whole = &sample.whole();
    match sample.name {
        "usage.observed" => parse::<owned::Whole<owned::Usage>>(bencher, whole),
        "need.signaled" => parse::<owned::Whole<owned::Need>>(bencher, whole),
        "request.stated" => parse::<owned::Whole<owned::Stated>>(bencher, whole),
        "request.withdrawn" => parse::<owned::Whole<owned::Withdrawn>>(bencher, whole),
        "team.defined" => parse::<owned::Whole<owned::Team>>(bencher, whole),
        "feature.defined" => parse::<owned::Whole<owned::Feature>>(bencher, whole),
        "account.defined" => parse::<owned::Whole<owned::Account>>(bencher, whole),
        other => unreachable!("{other} has no struct"),
    }
}

fn parse<T: DeserializeOwned>(bencher: Bencher<'_, '_>, json: &str) {
    bencher.bench_local(|| serde_json::from_slice::<T>(black_box(json.as_bytes())).is_ok());
}
