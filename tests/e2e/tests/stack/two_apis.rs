//! Two APIs behind a plain TCP balancer, one of which is killed under load: its own connections are lost and nothing else.
//! Every answer is the one that was published or was given before; streams go on at the other one, without a gap or a double.

mod answers;
mod balancer;
mod follower;
mod reader;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use devstack::{Role, Stack};
use domain::time::Timestamp;
use e2e::EVENT_ROWS;
use serde_json::Value;
use testkit::{eventually::eventually, flywheel::Flywheel, record::produce};
use tokio::sync::watch;

use self::{
    answers::Answers,
    balancer::Balancer,
    follower::Follower,
    reader::{Connection, Reader},
};
use crate::{
    ranking::now,
    topic::{Topic, text},
    world::{Size, World, team_id},
};

const SIZE: Size = Size { teams: 2, features: 6, accounts: 80, events: 1_000 };
const SETTLED_MAX: Duration = Duration::from_secs(240);
/// The machine may be busy with other things: that an answer is late is not what this is about.
const REQUEST_MS_MAX: (&str, &str) = ("FLYWHEEL_API_REQUEST_MS_MAX", "60000");
const HOT_READERS: usize = 4;
const HOT_EVERY: Duration = Duration::from_millis(25);
const COLD_READERS: usize = 2;
const COLD_EVERY: Duration = Duration::from_millis(100);
const FOLLOWERS: usize = 12;
/// What each reader and follower gets before one API is killed, and what it gets afterwards.
const ANSWERS: usize = 10;
const EVENTS: usize = 4;
/// An API holds so many rankings of a team: who was away for longer goes on with what ClickHouse has.
const HELD: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_killed_takes_only_its_own_connections_with_it_and_streams_go_on_at_the_other() {
    let stack = testkit::migrated_stack().await;
    let topic = Topic::follow(&stack);
    let began = now();
    let (_ingest, _ranker) = world(&stack, began).await;
    let apis = [(); 2].map(|()| Flywheel::spawn(&stack, "api", &[REQUEST_MS_MAX]));
    for api in &apis {
        api.ready().await;
    }
    published(&topic, 1).await;
    let hot: Vec<String> = (0..SIZE.teams).map(|team| format!("/v1/teams/{}/rankings", team_id(team))).collect();
    known(&apis, &hot).await;

    let balancer = Balancer::start(apis.iter().map(address).collect()).await;
    let answers = Arc::new(Answers::new(fixed(&apis, &topic, began).await));
    let cold: Vec<String> = answers.paths().cloned().collect();
    let mut readers: Vec<Reader> = (0..HOT_READERS)
        .map(|reader| Reader::start(&balancer.url, vec![hot[reader % hot.len()].clone()], HOT_EVERY, &answers))
        .collect();
    readers.extend((0..COLD_READERS).map(|_| Reader::start(&balancer.url, cold.clone(), COLD_EVERY, &answers)));
    let (_at_once, back_at_once) = watch::channel(true);
    let (late, back_late) = watch::channel(false);
    let mut followers: Vec<Follower> = (0..FOLLOWERS)
        .map(|number| {
            Follower::start(&team_id(number % SIZE.teams), &balancer.url, &balancer.url, back_at_once.clone())
        })
        .collect();
    // One that is with the API that is killed, for sure, and stays away for a while.
    followers.push(Follower::start(&team_id(0), &apis[0].api_url(), &balancer.url, back_late));

    progress(&readers, &followers).await;
    let connections = [balancer.connections(0), balancer.connections(1)];
    assert!(connections.iter().all(|connections| *connections >= (HOT_READERS + FOLLOWERS) / 2), "{connections:?}");
    assert_eq!([balancer.ended_by_server(0), balancer.ended_by_server(1)], [0, 0], "nothing is lost before");

    let [first, _second] = apis;
    first.kill().await;
    let (late_one, others) = followers.split_last().expect("followers");
    progress(&readers, others).await;
    published(&topic, HELD + EVENTS).await;
    late.send_replace(true);
    progress(&readers, &followers).await;

    assert_eq!(balancer.ended_by_server(1), 0, "the other one's connections are lost too");
    let lost: usize = readers.iter().map(Reader::lost).chain(others.iter().map(Follower::broken)).sum();
    assert!(lost > 0 && lost <= balancer.ended_by_server(0), "{lost} of {}", balancer.ended_by_server(0));
    assert_eq!(late_one.broken(), 1);
    for reader in &readers {
        assert!(reader.interrupted() <= 1, "a connection to the other one was lost");
    }
    // What was published may reach this test later than those that it asks: they stop, and it goes on for a while.
    readers.iter().for_each(Reader::stop);
    followers.iter().for_each(Follower::stop);
    published(&topic, 2).await;
    let published = documents(&topic);
    for follower in &followers {
        follower.saw(&published[follower.team()]);
    }
    assert!(answers.were_published(&published) >= 2 * EVENTS, "hot answers did not go on");
}

/// Events of the past, all ingested, and a ranker that publishes every team once a second.
async fn world(stack: &Stack, now: Timestamp) -> (Flywheel, Flywheel) {
    let ingest = Flywheel::spawn(stack, "ingest", &[]);
    let world = World::generate(5, &SIZE, now);
    produce(stack, world.records.iter().cloned());
    let client = testkit::clickhouse(stack, Role::Ingest);
    eventually("every event is a row or a repeat", SETTLED_MAX, async || {
        let rows = client.query(EVENT_ROWS).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if rows >= world.records.len() as u64 { Ok(()) } else { Err(format!("{rows} of {}", world.records.len())) }
    })
    .await;
    let ranker = Flywheel::spawn(stack, "rank", &[("FLYWHEEL_RANKER_REFRESH_S", "1")]);
    ranker.ready().await;
    (ingest, ranker)
}

/// Waits until both have read what this test read of the topic: they may do so later.
async fn known(apis: &[Flywheel; 2], hot: &[String]) {
    eventually("both know every team", SETTLED_MAX, async || {
        for (api, path) in apis.iter().flat_map(|api| hot.iter().map(move |path| (api, path))) {
            let (status, answer) =
                Connection::default().ask(&api.api_url(), path).await.map_err(|error| error.to_string())?;
            if status != 200 {
                return Err(format!("{path}: {status} {answer}"));
            }
        }
        Ok(())
    })
    .await;
}

/// Answers that are computed, alike from both.
async fn fixed(apis: &[Flywheel; 2], topic: &Topic, began: Timestamp) -> BTreeMap<String, Value> {
    // Every event is older than this by then, and the watermark has passed it.
    let [to, from] = [began.plus_micros(-60_000_000), began.minus_days(30.0)].map(Timestamp::to_rfc3339);
    let mut paths = Vec::new();
    for team in (0..SIZE.teams).map(team_id) {
        let first = topic.with(|records| {
            let mut of_team = records.iter().filter(|record| text(&record.document, "team") == team);
            text(&of_team.next().expect("a ranking").document, "snapshot").to_owned()
        });
        paths.push(format!("/v1/teams/{team}/rankings?as_of={from}"));
        paths.push(format!("/v1/teams/{team}/rankings/diff?from={from}&to={to}"));
        paths.push(format!("/v1/teams/{team}/features/feature-1?as_of={to}"));
        paths.push(format!("/v1/teams/{team}/rankings/{first}"));
    }
    let mut answers = BTreeMap::new();
    for path in paths {
        let [first, second] = [&apis[0], &apis[1]].map(Flywheel::api_url);
        let (status, answer) = Connection::default().ask(&first, &path).await.expect("an answer");
        assert_eq!(status, 200, "{path}: {answer}");
        let other = Connection::default().ask(&second, &path).await.expect("an answer");
        assert_eq!(other, (200, answer.clone()), "{path}: the two differ");
        answers.insert(path, answer);
    }
    answers
}

/// Waits until everybody got more.
async fn progress(readers: &[Reader], followers: &[Follower]) {
    let wanted: Vec<usize> = readers.iter().map(|reader| reader.answered() + ANSWERS).collect();
    let awaited: Vec<usize> = followers.iter().map(|follower| follower.seen() + EVENTS).collect();
    eventually("everybody gets on", SETTLED_MAX, async || {
        let answered: Vec<usize> = readers.iter().map(Reader::answered).collect();
        let seen: Vec<usize> = followers.iter().map(Follower::seen).collect();
        let on = answered.iter().zip(&wanted).all(|(answered, wanted)| answered >= wanted)
            && seen.iter().zip(&awaited).all(|(seen, awaited)| seen >= awaited);
        if on { Ok(()) } else { Err(format!("answers {answered:?} of {wanted:?}, events {seen:?} of {awaited:?}")) }
    })
    .await;
}

/// Waits until every team has so many more rankings.
async fn published(topic: &Topic, more: usize) {
    let count = |team: usize| documents(topic).get(&team_id(team)).map_or(0, Vec::len);
    let wanted: Vec<usize> = (0..SIZE.teams).map(|team| count(team) + more).collect();
    eventually("every team is published", SETTLED_MAX, async || {
        let published: Vec<usize> = (0..SIZE.teams).map(count).collect();
        let all = published.iter().zip(&wanted).all(|(published, wanted)| published >= wanted);
        if all { Ok(()) } else { Err(format!("{published:?} of {wanted:?}")) }
    })
    .await;
}

/// Every team's rankings, in the order in which they were published.
fn documents(topic: &Topic) -> BTreeMap<String, Vec<Value>> {
    topic.with(|records| {
        let mut documents: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for record in records {
            documents.entry(text(&record.document, "team").to_owned()).or_default().push(record.document.clone());
        }
        documents
    })
}

fn address(api: &Flywheel) -> SocketAddr {
    api.api_url().trim_start_matches("http://").parse().expect("an address")
}
