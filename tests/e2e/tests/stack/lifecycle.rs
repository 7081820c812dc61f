//! The process starts without its dependencies, ends in order, and says clearly why it cannot go on.

use std::{net::TcpListener, time::Duration};

use testkit::{
    eventually::eventually,
    flywheel::{Flywheel, command},
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
async fn what_cannot_work_ends_with_one_clear_line() {
    let stack = testkit::stack().await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("its address").to_string();
    for (arguments, expected) in [
        (vec!["run", "--admin-listen", &taken], format!("cannot listen on {taken} for the admin port")),
        (vec!["run", "--admin-listen", "127.0.0.1:0", "--api-listen", &taken], taken.clone()),
        (
            vec!["api", "--api-listen", "0.0.0.0:0"],
            "the API has no keys yet, so it does not listen on 0.0.0.0:0".to_owned(),
        ),
    ] {
        let output = command(&stack, &arguments).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("flywheel: ") && last.contains(&expected), "{arguments:?}: {said}");
    }
}
