//! A ranking that the topic refuses, because it is too large for it, keeps no other team waiting.

use std::time::Duration;

use devstack::Stack;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};
use serde_json::json;
use testkit::{
    eventually::eventually,
    flywheel::Flywheel,
    record::{Described, produce},
};
use wire::topics::{CATALOG, RANKINGS};

use crate::ranking::now;

/// What the topic takes now: a ranking of one feature, and none of thousands.
const RECORD_BYTES_MAX: &str = "16000";
const FEATURES: usize = 3_000;
/// So many that records of others are on their way where the large team's is when it is refused.
const TEAMS: usize = 120;
const PUBLISHED_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_ranking_that_the_topic_refuses_keeps_no_other_team_waiting() {
    let stack = testkit::migrated_stack().await;
    narrow_the_topic(&stack).await;
    let large = (0..FEATURES).map(|number| defined("large", number));
    produce(&stack, large.chain((0..TEAMS).map(|number| defined(&team(number), 0))));
    let flywheel = Flywheel::start(&stack).await;

    eventually("the large team is refused", PUBLISHED_MAX, async || {
        if flywheel.log().contains("the topic refuses it") { Ok(()) } else { Err(flywheel.log()) }
    })
    .await;
    for team in (0..TEAMS).map(team) {
        eventually("a small team is published", PUBLISHED_MAX, async || {
            let (status, _) = flywheel.get(&format!("/v1/teams/{team}/rankings")).await;
            if status == 200 { Ok(()) } else { Err(format!("{team}: {status}")) }
        })
        .await;
    }
    let (status, _) = flywheel.get("/v1/teams/large/rankings").await;
    assert_eq!(status, 404, "the topic took it after all");
    let log = flywheel.log();
    assert!(!log.contains("Purged in queue"), "a refusal took another transaction with it: {log}");
    let waited = log.lines().filter(|line| line.contains("did not come about"));
    let small: Vec<&str> = waited.filter(|line| !line.contains("large")).collect();
    assert!(small.is_empty(), "small teams waited with the large one: {small:?}");
}

async fn narrow_the_topic(stack: &Stack) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", stack.kafka_brokers()).create().expect("a client");
    let narrow = AlterConfig::new(ResourceSpecifier::Topic(RANKINGS)).set("max.message.bytes", RECORD_BYTES_MAX);
    let altered = admin.alter_configs([&narrow], &AdminOptions::new()).await.expect("Kafka answers");
    assert!(altered.iter().all(Result::is_ok), "{altered:?}");
}

fn defined(team: &str, number: usize) -> Described {
    let feature = format!("feature-{number}-{:x}", number.wrapping_mul(2_654_435_761));
    let data = json!({"team": team, "feature": feature, "title": feature, "status": "proposed"});
    let headers = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", format!("{team}-{number}")),
        ("ce_source", "//refused".to_owned()),
        ("ce_type", "io.flywheel.feature.defined.v1".to_owned()),
        ("ce_time", now().minus_days(1.0).to_rfc3339()),
        ("content-type", "application/json".to_owned()),
    ];
    Described {
        topic: CATALOG.to_owned(),
        partition: Some(0),
        key: Some(format!("feature:{team}/{feature}")),
        headers: headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec(),
        payload: Some(data.to_string().into_bytes()),
    }
}

fn team(number: usize) -> String {
    format!("small-{number}")
}
