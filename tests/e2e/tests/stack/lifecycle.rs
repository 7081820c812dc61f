//! The process starts without its dependencies, ends in order, and says clearly why it cannot go on.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use devstack::Role;
use e2e::{EVENT_ROWS, examples::examples};
use testkit::{
    eventually::eventually,
    flywheel::{Flywheel, command},
    record::produce,
};

const NOTICED_MAX: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_what_is_not_up_yet_and_stops_in_order() {
    let stack = testkit::migrated_stack().await;
    let (kafka, clickhouse) = (stack.kafka().expect("own"), stack.clickhouse().expect("own"));
    kafka.stop().await.expect("kafka stops");
    clickhouse.stop().await.expect("clickhouse stops");

    let flywheel = Flywheel::spawn(&stack, "run", &[]);
    eventually("readiness names what is away", NOTICED_MAX, async || match flywheel.readyz().await {
        Some((503, body)) if body.contains("kafka") && body.contains("clickhouse") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    kafka.start().await.expect("kafka starts");
    clickhouse.start().await.expect("clickhouse starts");
    flywheel.ready().await;

    let (status, log) = flywheel.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("ingest drained"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_while_clickhouse_is_away_keeps_the_deadline_and_the_events() {
    let stack = testkit::migrated_stack().await;
    let flywheel = Flywheel::spawn(&stack, "run", &[("FLYWHEEL_SHUTDOWN_MS_MAX", "3000")]);
    flywheel.ready().await;
    let valid = examples("valid").expect("the examples are readable");
    let client = testkit::clickhouse(&stack, Role::Ingest);
    produce(&stack, valid.iter().take(1).map(|example| example.record.clone()));
    eventually("ingest holds its partitions", NOTICED_MAX, async || {
        let rows = client.query(EVENT_ROWS).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if rows == 1 { Ok(()) } else { Err(rows.to_string()) }
    })
    .await;
    let clickhouse = stack.clickhouse().expect("own");
    clickhouse.stop().await.expect("clickhouse stops");
    produce(&stack, valid.iter().skip(1).map(|example| example.record.clone()));
    eventually("ingest holds rows that it cannot write", NOTICED_MAX, async || {
        let log = flywheel.log();
        if log.contains("clickhouse did not take the rows") { Ok(()) } else { Err(log) }
    })
    .await;

    let begun = Instant::now();
    let (status, log) = flywheel.terminate().await;
    let took = begun.elapsed();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.lines().last().is_some_and(|line| line.contains("did not stop within 3000 ms")), "{log}");
    assert!(took < Duration::from_secs(8), "it took {took:?} to stop");

    // What was not written was not committed either: the next process writes it.
    clickhouse.start().await.expect("clickhouse starts");
    let flywheel = Flywheel::start(&stack).await;
    let client = testkit::clickhouse(&stack, Role::Ingest);
    eventually("every event is a row or a repeat", NOTICED_MAX, async || {
        let rows = client.query(EVENT_ROWS).fetch_one::<u64>().await.map_err(|error| error.to_string())?;
        if rows == valid.len() as u64 { Ok(()) } else { Err(format!("{rows} of {}", valid.len())) }
    })
    .await;
    let (status, log) = flywheel.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_ends_with_one_clear_line() {
    let stack = testkit::stack().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("its address").to_string();
    for (arguments, expected) in [
        (vec!["run", "--admin-listen", &taken], format!("cannot listen on {taken} for the admin port")),
        (vec!["run", "--admin-listen", "127.0.0.1:0", "--api-listen", &taken], taken.clone()),
        (
            vec!["api", "--api-listen", "0.0.0.0:0"],
            "keys are required of those who reach the API at 0.0.0.0:0".to_owned(),
        ),
    ] {
        let output = command(&stack, &arguments).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("flywheel: ") && last.contains(&expected), "{arguments:?}: {said}");
    }
}
