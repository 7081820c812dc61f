//! Cursors: bound to their list, and of no use to whoever alters one.

use serde_json::Value;

use crate::support::{Api, features, ranking};

const NOON: &str = "2026-01-01T12:00:00Z";

async fn api() -> Api {
    let api = Api::start().await;
    api.publish(ranking("t", "s1", NOON, 5, 0));
    api.publish(ranking("u", "s1", NOON, 5, 0));
    api
}

async fn cursor(api: &Api, path: &str) -> String {
    api.json(path).await["next_cursor"].as_str().unwrap().to_owned()
}

fn refused(problem: &Value) -> bool {
    problem["status"] == 400 && problem["errors"][0]["parameter"] == "cursor"
}

#[tokio::test]
async fn an_altered_or_shortened_cursor_is_refused() {
    let api = api().await;
    for path in ["/v1/teams?limit=1", "/v1/teams/t/rankings?limit=2"] {
        let cursor = cursor(&api, path).await;
        for at in 0..cursor.len() {
            let mut altered = cursor.clone().into_bytes();
            altered[at] = if altered[at] == b'x' { b'y' } else { b'x' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(refused(&api.problem(&format!("{path}&cursor={altered}")).await), "{altered}");
            assert!(refused(&api.problem(&format!("{path}&cursor={}", &cursor[..at])).await), "{at} characters");
        }
        assert!(refused(&api.problem(&format!("{path}&cursor={cursor}x")).await));
    }
}

/// The two teams have snapshots of one name, and the list would begin at the same place.
#[tokio::test]
async fn a_cursor_of_another_team_is_refused() {
    let api = api().await;
    let cursor = cursor(&api, "/v1/teams/t/rankings?limit=2").await;
    assert!(refused(&api.problem(&format!("/v1/teams/u/rankings?limit=2&cursor={cursor}")).await));
    assert!(refused(&api.problem(&format!("/v1/teams/u/rankings/s1?limit=2&cursor={cursor}")).await));
}

#[tokio::test]
async fn a_cursor_works_on_every_copy_and_in_every_form_and_size_of_page() {
    let (one, other) = (api().await, api().await);
    let cursor = cursor(&one, "/v1/teams/t/rankings?limit=2").await;
    let page = other.json(&format!("/v1/teams/t/rankings?limit=3&cursor={cursor}")).await;
    assert_eq!(features(&page, "items"), ["f3", "f4", "f5"]);
    let page = other.json(&format!("/v1/teams/t/rankings/s1?limit=1&cursor={cursor}")).await;
    assert_eq!(features(&page, "items"), ["f3"]);
    let csv =
        other.get(&format!("/v1/teams/t/rankings?limit=1&format=csv&cursor={cursor}")).await.text().await.unwrap();
    assert_eq!(csv.split_terminator("\r\n").count(), 2);
}
