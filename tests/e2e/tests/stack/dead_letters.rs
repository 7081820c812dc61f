//! Whatever breaks its schema or the rules becomes a dead letter, whole and with its reason, and blocks nothing.

use std::{collections::BTreeMap, time::Duration};

use clickhouse::Row;
use devstack::{Role, Stack};
use domain::record::Reason;
use e2e::{
    EVENT_ROWS,
    examples::{Example, examples},
};
use serde::Deserialize;
use store::{DeadLetterFilter, Store};
use testkit::{
    eventually::eventually,
    flywheel::Flywheel,
    record::{Described, produce},
};

const WRITTEN_MAX: Duration = Duration::from_secs(60);

#[derive(Row, Deserialize)]
struct DeadLetter {
    reason: String,
    pointer: String,
    payload_bytes: u64,
    headers: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_malformed_example_becomes_a_dead_letter_and_every_valid_one_a_row() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::start(&stack).await;
    let invalid = examples("invalid").expect("the examples are readable");
    let valid = examples("valid").expect("the examples are readable");
    // All in one partition, the malformed first: were one to block it, no valid event would arrive.
    produce(&stack, invalid.iter().chain(&valid).map(in_partition_0));

    let client = testkit::clickhouse(&stack, Role::Ingest);
    eventually("every valid example is a row or a repeat", WRITTEN_MAX, async || {
        let rows = client.query(EVENT_ROWS).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if rows == valid.len() as u64 { Ok(()) } else { Err(format!("{rows} of {}", valid.len())) }
    })
    .await;

    eventually("every malformed example is a dead letter", WRITTEN_MAX, async || {
        let sql = "SELECT count() FROM dead_letters";
        let letters = client.query(sql).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if letters == invalid.len() as u64 { Ok(()) } else { Err(format!("{letters} of {}", invalid.len())) }
    })
    .await;

    let mut wrong = Vec::new();
    let mut offsets: BTreeMap<&str, i64> = BTreeMap::new();
    for example in &invalid {
        let offset = offsets.entry(&example.record.topic).or_default();
        let found = client
            .query(
                "SELECT reason, pointer, length(ifNull(payload, '')) AS payload_bytes, length(headers) AS headers FROM dead_letters
                WHERE topic = {topic:String} AND partition = 0 AND offset = {offset:Int64}",
            )
            .param("topic", &example.record.topic)
            .param("offset", *offset)
            .fetch_all::<DeadLetter>()
            .await
            .expect("dead letters can be read");
        *offset += 1;
        let bytes = example.record.payload.as_ref().map_or(0, Vec::len) as u64;
        let headers = example.record.headers.len() as u64;
        let expect = example.expect.clone().expect("an invalid example says what to expect");
        let found: Vec<_> =
            found.into_iter().map(|row| ((row.reason, row.pointer), row.payload_bytes, row.headers)).collect();
        if found != [(expect.clone(), bytes, headers)] {
            wrong.push(format!("{}: expected {expect:?} with {bytes} bytes, found {found:?}", example.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let metrics = flywheel.metrics().await;
    let counted: f64 = metrics
        .lines()
        .filter(|line| line.starts_with("flywheel_ingest_dead_letters_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert_eq!(counted, invalid.len() as f64, "the metric counts every dead letter");
    assert_listed(&stack, invalid.len()).await;
    let (status, problem) = flywheel.get("/v1/dead-letters").await;
    assert_eq!((status, problem["type"].as_str()), (401, Some("urn:flywheel:problem:unauthenticated")), "{problem}");
}

/// With the API's rights all are read, page by page and each once, also where one reason is asked for.
async fn assert_listed(stack: &Stack, letters: usize) {
    let store = Store::new(testkit::clickhouse(stack, Role::Api), WRITTEN_MAX);
    let everything = DeadLetterFilter::default();
    let all = store.dead_letters(&everything, None, 1_000).await.expect("dead letters");
    assert_eq!(all.len(), letters);
    let reason = Reason::ALL.into_iter().find(|reason| reason.code() == all[0].reason);
    let of_reason = DeadLetterFilter { reason, ..everything.clone() };
    for filter in [everything, of_reason] {
        let mut walked: Vec<store::DeadLetter> = Vec::new();
        loop {
            let after = walked.last().map(store::DeadLetter::place);
            let page = store.dead_letters(&filter, after.as_ref(), 7).await.expect("a page");
            if page.is_empty() {
                break;
            }
            walked.extend(page);
        }
        let meant = |letter: &&store::DeadLetter| filter.reason.is_none_or(|reason| reason.code() == letter.reason);
        assert_eq!(walked, all.iter().filter(meant).cloned().collect::<Vec<_>>());
    }
}

fn in_partition_0(example: &Example) -> Described {
    Described { partition: Some(0), ..example.record.clone() }
}
