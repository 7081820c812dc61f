//! Dead letters can be listed, shown and replayed, each once and no more, whoever replays.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use clickhouse::Row;
use devstack::{Role, Stack};
use domain::time::Timestamp;
use e2e::examples::{Example, examples};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
};
use serde::Deserialize;
use serde_json::Value;
use testkit::{
    eventually::eventually,
    flywheel::{Flywheel, command, succeed},
    record::{Described, produce},
};
use wire::topics::{INPUTS, REQUESTS, USAGE};

const WRITTEN_MAX: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 6;
const REPLAY_OF: &str = "flywheel_replay_of";

/// A dead letter whole; it has no bytes that are not text where a test reads it.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
struct Letter {
    place: String,
    topic: String,
    partition: i32,
    reason: String,
    key: Option<String>,
    headers: Vec<(String, Option<String>)>,
    payload_hash: Option<u64>,
}

impl Letter {
    fn replay_of(&self) -> Option<&str> {
        let mut values =
            self.headers.iter().filter(|(name, _)| name == REPLAY_OF).filter_map(|(_, value)| value.as_deref());
        let first = values.next();
        assert_eq!(values.next(), None, "{} names two dead letters", self.place);
        first
    }

    /// Everything that a replay keeps: all but the place and the header that names it.
    fn kept(&self) -> Self {
        let headers = self.headers.iter().filter(|(name, _)| name != REPLAY_OF).cloned().collect();
        Self { place: String::new(), headers, ..self.clone() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_dead_letter_comes_again_as_it_was_and_only_once() {
    let stack = testkit::migrated_stack().await;
    let _ingest = Flywheel::spawn(&stack, "ingest", &[]);
    let examples = examples("invalid").expect("the examples are readable");
    produce(&stack, examples.iter().map(in_partition_3));
    let first = dead_letters(&stack, examples.len()).await;
    let until = after_the_newest(&stack).await;

    let summary = json(&stack, &["list", "--summary", "--json"]).await;
    let counted: u64 = items(&summary).map(|row| row["not_replayed"].as_u64().unwrap()).sum();
    assert_eq!(counted, examples.len() as u64, "every dead letter is counted");

    let before = ["--reason", "invalid_id", "--until", &until];
    let listed = places(&json(&stack, &[&["list", "--json"], &before[..]].concat()).await);
    let expected: BTreeSet<_> = first.iter().filter(|letter| letter.reason == "invalid_id").map(place).collect();
    assert!(listed.len() > 1, "several examples have that reason");
    assert_eq!(listed, expected);

    let replay = [&["replay", "--json"], &before[..]].concat();
    let planned = json(&stack, &[&replay[..], &["--dry-run"]].concat()).await;
    assert_eq!((&planned["found"], &planned["replayed"]), (&listed.len().into(), &listed.len().into()));
    let replayed = json(&stack, &replay).await;
    assert_eq!((&replayed["found"], &replayed["replayed"]), (&listed.len().into(), &listed.len().into()));
    let again = json(&stack, &replay).await;
    assert_eq!((&again["already_replayed"], &again["replayed"]), (&listed.len().into(), &0.into()));

    let second = dead_letters(&stack, examples.len() + listed.len()).await;
    let originals: BTreeMap<&str, &Letter> = first.iter().map(|letter| (letter.place.as_str(), letter)).collect();
    let replays: Vec<_> = second.iter().filter(|letter| letter.replay_of().is_some()).collect();
    let of: BTreeSet<_> = replays.iter().filter_map(|letter| letter.replay_of()).map(str::to_owned).collect();
    assert_eq!((replays.len(), &of), (listed.len(), &listed), "each comes once");
    for replay in &replays {
        assert_eq!(replay.kept(), originals[replay.replay_of().unwrap()].kept());
    }
    let shown = json(&stack, &[&["list", "--json"], &before[..]].concat()).await;
    let at: BTreeSet<_> = items(&shown).map(|row| row["replay"]["offset"].as_i64().unwrap()).collect();
    let stand: BTreeSet<_> = replays.iter().map(|letter| offset(&letter.place)).collect();
    assert_eq!(at, stand, "where each replay stands is remembered");

    // A replay that failed again is a dead letter like any other.
    let newest = replays[0].place.as_str();
    let named = json(&stack, &["replay", "--json", newest]).await;
    assert_eq!(named["replayed"], 1);
    let third = dead_letters(&stack, second.len() + 1).await;
    assert_eq!(third.iter().filter(|letter| letter.replay_of() == Some(newest)).count(), 1);
    assert_eq!(produced(&stack), third.len() as u64, "nothing else was produced");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_found_by_team_and_type_and_shown_whole() {
    let stack = testkit::migrated_stack().await;
    let _ingest = Flywheel::spawn(&stack, "ingest", &[]);
    let examples = examples("invalid").expect("the examples are readable");
    produce(&stack, examples.iter().map(in_partition_3));
    dead_letters(&stack, examples.len()).await;

    let of_team = |payload: &[u8]| {
        let value: Value = serde_json::from_slice(payload).unwrap_or_default();
        value["team"] == "dynamodb" || value["data"]["team"] == "dynamodb"
    };
    let payloads = || examples.iter().filter_map(|example| example.record.payload.as_deref());
    // ClickHouse reads no JSON with an integer beyond 64 bits, and so finds no team in it.
    let beyond_clickhouse = examples.iter().filter(|example| example.name.ends_with(" count-beyond-64-bits")).count();
    let expected = payloads().filter(|payload| of_team(payload)).count() - beyond_clickhouse;
    let structured = payloads().filter(|payload| String::from_utf8_lossy(payload).contains("specversion")).count();
    assert!(expected > 10 && structured > 0, "the examples have a team, some under data: {expected}, {structured}");
    let listed = json(&stack, &["list", "--json", "--limit", "1000", "--team", "dynamodb"]).await;
    assert_eq!(items(&listed).count(), expected);

    let kind = "io.flywheel.usage.observed.v1";
    let listed = json(&stack, &["list", "--json", "--limit", "1000", "--type", kind]).await;
    assert!(items(&listed).count() > 5);
    assert!(items(&listed).all(|row| row["type"] == kind), "{listed}");

    // Bytes that are no text come out as they went in.
    let odd = examples.iter().find(|example| example.name.ends_with(" invalid-utf8")).expect("there is one");
    let listed = json(&stack, &["list", "--json", "--limit", "1000", "--reason", "invalid_utf8"]).await;
    let bytes = odd.record.payload.as_ref().expect("a payload");
    let row = items(&listed).find(|row| row["bytes"] == bytes.len()).expect("it is listed");
    let place = row["place"].as_str().unwrap();
    let payload = command(&stack, &["dead-letters", "show", "--payload", place]).await;
    assert_eq!((payload.status.code(), &payload.stdout), (Some(0), bytes));
    let shown = succeed(&stack, &["dead-letters", "show", place]).await;
    for part in [place, "invalid_utf8", "ce_source: ", "replayed  no"] {
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }

    let missing = command(&stack, &["dead-letters", "replay", place, "flywheel.usage.v1/0/999999"]).await;
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert_eq!(missing.status.code(), Some(1));
    assert!(said.contains("nothing was replayed: there is no dead letter at flywheel.usage.v1/0/999999"), "{said}");

    // With Kafka away nothing is recorded that would keep a later replay from it.
    let away = command(&stack, &["dead-letters", "replay", place, "--kafka-brokers", "127.0.0.1:1"]).await;
    let said = String::from_utf8_lossy(&away.stderr).into_owned();
    assert_eq!(away.status.code(), Some(1));
    assert!(said.contains("Kafka at 127.0.0.1:1 does not answer"), "{said}");
    assert!(String::from_utf8_lossy(&away.stdout).contains("0 replayed"), "the report is printed all the same");
    let planned = json(&stack, &["replay", "--json", "--dry-run", place]).await;
    assert_eq!(planned["replayed"], 1, "it may still be replayed");
    assert_eq!(produced(&stack), examples.len() as u64, "nothing was replayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_at_once_produce_each_dead_letter_once_and_none_that_a_killed_replay_had_claimed() {
    const LETTERS: usize = 1_500;
    let stack = testkit::migrated_stack().await;
    let _ingest = Flywheel::spawn(&stack, "ingest", &[]);
    produce(&stack, (0..LETTERS).map(malformed));
    let first = dead_letters(&stack, LETTERS).await;
    let until = after_the_newest(&stack).await;

    // As a replay leaves it that is killed before, or while, it produces.
    let killed = &first[LETTERS / 2];
    testkit::clickhouse(&stack, Role::Ingest)
        .query("INSERT INTO dead_letter_replays (topic, partition, offset, claim, state) SELECT ?, ?, ?, 'killed', 'claimed'")
        .bind(&killed.topic)
        .bind(killed.partition)
        .bind(offset(&killed.place))
        .execute()
        .await
        .expect("a claim can be recorded");

    let replay = ["replay", "--json", "--all", "--until", &until];
    let (a, b, c) = tokio::join!(json(&stack, &replay), json(&stack, &replay), json(&stack, &replay));
    let replayed: u64 = [&a, &b, &c].iter().map(|report| report["replayed"].as_u64().unwrap()).sum();
    assert_eq!(replayed, LETTERS as u64 - 1, "{a}\n{b}\n{c}");
    for report in [&a, &b, &c] {
        let parts = ["already_replayed", "unconfirmed", "replayed", "left"].map(|part| report[part].as_u64().unwrap());
        assert_eq!(parts.iter().sum::<u64>(), LETTERS as u64, "every dead letter is accounted for: {report}");
    }

    assert_eq!(produced(&stack), 2 * LETTERS as u64 - 1, "Kafka has each replay once");
    let second = dead_letters(&stack, 2 * LETTERS - 1).await;
    let of: BTreeSet<_> = second.iter().filter_map(Letter::replay_of).collect();
    let expected: BTreeSet<_> =
        first.iter().map(|letter| letter.place.as_str()).filter(|place| *place != killed.place).collect();
    assert_eq!(of, expected);

    let unconfirmed = json(&stack, &["list", "--json", "--unconfirmed"]).await;
    assert_eq!(places(&unconfirmed), [killed.place.clone()].into());
    let named = json(&stack, &["replay", "--json", &killed.place]).await;
    assert_eq!((&named["unconfirmed"], &named["replayed"]), (&1.into(), &0.into()));
}

/// All dead letters, once there are exactly so many.
async fn dead_letters(stack: &Stack, letters: usize) -> Vec<Letter> {
    let client = testkit::clickhouse(stack, Role::Ingest);
    eventually("every dead letter is there", WRITTEN_MAX, async || {
        let found = client
            .query(
                "SELECT concat(topic, '/', toString(partition), '/', toString(offset)) AS place, topic, partition,
                    reason, key, headers, cityHash64(payload) AS payload_hash
                FROM dead_letters
                ORDER BY topic, partition, offset",
            )
            .fetch_all::<Letter>()
            .await
            .map_err(|error| error.to_string())?;
        if found.len() == letters { Ok(found) } else { Err(format!("{} of {letters}", found.len())) }
    })
    .await
}

/// A time after all dead letters so far and before all to come.
async fn after_the_newest(stack: &Stack) -> String {
    let newest = json(stack, &["list", "--json", "--limit", "1"]).await;
    let newest = Timestamp::parse_rfc3339(newest[0]["received_at"].as_str().unwrap()).expect("a time");
    newest.plus_micros(1_000).to_rfc3339()
}

/// How many records the input topics hold.
fn produced(stack: &Stack) -> u64 {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", stack.kafka_brokers()).create().expect("a consumer");
    let ends = INPUTS.iter().flat_map(|topic| (0..PARTITIONS).map(move |partition| (topic, partition)));
    ends.map(|(topic, partition)| {
        let (low, high) = consumer.fetch_watermarks(topic, partition, WRITTEN_MAX).expect("Kafka answers");
        assert_eq!(low, 0);
        u64::try_from(high).expect("an offset")
    })
    .sum()
}

/// What a subcommand of `dead-letters` prints, which must be JSON.
async fn json(stack: &Stack, arguments: &[&str]) -> Value {
    let printed = succeed(stack, &[&["dead-letters"], arguments].concat()).await;
    serde_json::from_str(&printed).expect("its output is JSON")
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().expect("a list").iter()
}

fn places(list: &Value) -> BTreeSet<String> {
    items(list).map(|row| row["place"].as_str().expect("a place").to_owned()).collect()
}

fn place(letter: &Letter) -> String {
    letter.place.clone()
}

fn offset(place: &str) -> i64 {
    place.rsplit('/').next().and_then(|offset| offset.parse().ok()).expect("a place")
}

fn in_partition_3(example: &Example) -> Described {
    Described { partition: Some(3), ..example.record.clone() }
}

/// No JSON, over two topics and all partitions.
fn malformed(number: usize) -> Described {
    Described {
        topic: [REQUESTS, USAGE][number % 2].to_owned(),
        partition: Some(i32::try_from(number).expect("a small number") % PARTITIONS),
        key: Some(format!("account-{number}")),
        headers: vec![("ce_id".to_owned(), number.to_string().into_bytes())],
        payload: Some(format!("no json {number}").into_bytes()),
    }
}
