//! The short form of the fault runs, the proof that the oracle catches an ingest without its protocol, and instances that
//! come and go. One after the other: each wants the machine for itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use chaos::{
    plan::{Plan, SESSION_MS},
    report::Report,
    run::run,
    world::{World, WorldConfig},
};
use devstack::Progress;
use testkit::{
    eventually::eventually,
    flywheel::{binary, build},
};
use tokio::sync::{Mutex, MutexGuard};

const RECORDS_PER_S: u32 = 600;
/// Kills both servers, every instance at once, pauses each of them, and loses answers.
const SEED: u64 = 12;
const SETTLED_MAX: Duration = Duration::from_secs(60);

/// The machine, while a test has it.
async fn machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::const_new(());
    MACHINE.lock().await
}

async fn report(plan: &Plan, program: PathBuf) -> Report {
    let config = WorldConfig {
        seed: plan.seed,
        instances: 2,
        named: 1,
        program,
        records_per_s: RECORDS_PER_S,
        usage_partitions: 6,
    };
    run(plan, config, &Progress::silent()).await.unwrap_or_else(|error| panic!("{error:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_neither_lose_nor_double_anything() {
    let _machine = machine().await;
    let report = report(&Plan::random(SEED, 6, 2), binary().to_owned()).await;
    let found = &report.findings;
    assert!(found.exact(), "{report}");
    assert_eq!(report.done.unexplained_ends(), [""; 0], "no instance ended by itself");
    // Otherwise nothing was shown.
    assert!(found.rows > 1_000 && found.repeats_found > 100 && found.dead_letters_found > 100, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_protocol_the_oracle_finds_doubles() {
    let _machine = machine().await;
    let program = build("chaos", "flywheel-unprotected", &["unprotected"]);
    let report = report(&Plan::answers_lost(1, 2), program).await;
    assert!(report.findings.duplicated > 0 && !report.findings.exact(), "{report}");
    // At least once it still is, and it says the same of each record.
    assert_eq!((report.findings.lost, report.findings.different), (0, 0), "{report}");
}

/// A topic's partition, as an instance's metrics name it.
type Partition = (String, String);

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_more_or_less_moves_only_what_must_move() {
    let _machine = machine().await;
    let config = WorldConfig {
        seed: 3,
        instances: 4,
        named: 2,
        program: binary().to_owned(),
        records_per_s: RECORDS_PER_S,
        usage_partitions: 12,
    };
    let world = World::start(config).await.unwrap();
    for instance in 0..3 {
        world.fleet.start(&world.stack, instance).await;
    }
    // 12 of usage and 6 of each other topic. The first to join has them all until the others are there.
    let three = shared(&world, &[0, 1, 2], &[8, 8, 8]).await;
    world.caught_up().await.unwrap();
    let taken = [taken_away(&world, 0).await, taken_away(&world, 1).await];

    // One is killed: until its session is over nobody has what it had, and the others go on with what they have.
    let before = world.committed().await.unwrap();
    world.fleet.kill(2).await;
    eventually("the others go on", Duration::from_millis(SESSION_MS), async || {
        let now = world.committed().await.map_err(|error| format!("{error:#}"))?;
        let stands = |(topic, partition): &(&str, i32)| now[&(*topic, *partition)] <= before[&(*topic, *partition)];
        let of_others = |(topic, partition): &&(&str, i32)| {
            let partition = (topic.to_string(), partition.to_string());
            three[&0].contains(&partition) || three[&1].contains(&partition)
        };
        let standing: Vec<_> = now.keys().filter(of_others).filter(|place| stands(place)).collect();
        if standing.is_empty() { Ok(()) } else { Err(format!("{standing:?} stand still")) }
    })
    .await;
    let two = shared(&world, &[0, 1], &[12, 12]).await;
    for instance in [0, 1] {
        assert!(three[&instance].is_subset(&two[&instance]), "{instance} had {three:?} and has {two:?}");
        assert_eq!(taken_away(&world, instance).await, taken[instance], "{instance} was interrupted");
    }

    // Another is added: it gets its share, and what it does not get stays where it is, without a pause.
    world.fleet.start(&world.stack, 3).await;
    let again = shared(&world, &[0, 1, 3], &[8, 8, 8]).await;
    let mut moved = 0;
    for instance in [0, 1] {
        assert!(again[&instance].is_subset(&two[&instance]), "{instance} had {two:?} and has {again:?}");
        moved += taken_away(&world, instance).await - taken[instance];
    }
    assert_eq!(moved, 8, "no partition moved but those that the new instance got");

    let report = world.finish().await.unwrap();
    assert!(report.findings.exact(), "{report}");
    assert_eq!(report.done.ended_alone, [""; 0]);
}

/// The partitions that each of these instances has, once they have so many each and none is had twice.
async fn shared(world: &World, instances: &[usize], shares: &[usize]) -> BTreeMap<usize, BTreeSet<Partition>> {
    eventually("every partition has one owner, and every instance its share", SETTLED_MAX, async || {
        let mut owned = BTreeMap::new();
        for instance in instances {
            let metrics = world.fleet.metrics(*instance).await.map_err(|error| format!("{error:#}"))?;
            owned.insert(*instance, named_in(&metrics));
        }
        let sizes: Vec<_> = owned.values().map(BTreeSet::len).collect();
        let different = owned.values().flatten().collect::<BTreeSet<_>>().len();
        let each_once = different == shares.iter().sum::<usize>();
        if sizes == shares && each_once { Ok(owned) } else { Err(format!("{owned:?}")) }
    })
    .await
}

/// The partitions whose lag the metrics tell: those that are assigned.
fn named_in(metrics: &str) -> BTreeSet<Partition> {
    let label = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let lags = metrics.lines().filter(|line| line.starts_with("kafka_consumer_group_lag{"));
    lags.filter_map(|line| {
        Some((label(line, "messaging_destination_name")?, label(line, "messaging_destination_partition_id")?))
    })
    .collect()
}

/// How many partitions the group has taken from an instance since its start, by its log.
async fn taken_away(world: &World, instance: usize) -> u64 {
    let log = world.fleet.log(instance).await.unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let taken = lines.filter(|line| line["message"] == "partitions revoked" || line["message"] == "partitions lost");
    taken.map(|line| line["kafka.partitions"].as_u64().expect("a count")).sum()
}
