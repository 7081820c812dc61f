//! Who is turned away, and how.

use api::{ApiConfig, access::AccessConfig};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use super::keys::{TestKey, guarded, sealed};
use crate::support::{Api, ranking};

const STREAM: &str = "/v1/teams/dynamodb/rankings/stream";
const RANKING: &str = "/v1/teams/dynamodb/rankings";

async fn get(api: &Api, path: &str, authorization: &str) -> Response {
    api.send(Method::GET, path, &[("authorization", authorization)]).await
}

/// Status and kind of the problem.
async fn refused(api: &Api, path: &str, authorization: &str) -> (u16, String) {
    kind(get(api, path, authorization).await).await
}

async fn kind(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let problem: Value = response.json().await.unwrap();
    (status, problem["type"].as_str().unwrap().trim_start_matches("urn:flywheel:problem:").to_owned())
}

#[tokio::test]
async fn without_a_key_nothing_is_read_where_one_is_required() {
    let key = TestKey::new(&["rankings:read:*"]);
    let api = guarded(sealed(), &[&key]).await;
    for path in ["/v1/teams", RANKING, "/v1/teams/nobody/rankings", "/v1/portfolio", "/v1/teams/dynamodb/features/f1"] {
        let response = api.get(path).await;
        assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="flywheel""#);
        assert_eq!(kind(response).await, (401, "unauthenticated".to_owned()), "{path}");
    }
    for open in ["/livez", "/readyz", "/version", "/openapi.json"] {
        assert_eq!(api.get(open).await.status(), StatusCode::OK, "{open}");
    }
    let posted = async |headers: &[(&str, &str)]| kind(api.send(Method::POST, RANKING, headers).await).await;
    assert_eq!(posted(&[]).await, (401, "unauthenticated".to_owned()));
    assert_eq!(posted(&[("authorization", &key.bearer())]).await, (405, "method-not-allowed".to_owned()));
    assert_eq!(get(&api, RANKING, &key.bearer()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_key_that_is_sent_is_looked_at_also_where_none_is_required() {
    let known = TestKey::new(&["rankings:read:*"]);
    let (expired, revoked) = (TestKey::new(&["admin"]).expired(), TestKey::new(&["admin"]).revoked());
    let api = Api::start_unloaded(ApiConfig { access: sealed(), ..ApiConfig::default() }).await;
    api.publish(ranking("dynamodb", "s1", "2026-01-01T12:00:00Z", 3, 1));
    api.store.set_loaded();
    api.access.hold([&known, &expired, &revoked].into_iter().flat_map(|key| key.facts.clone()).collect());

    assert_eq!(api.get(RANKING).await.status(), StatusCode::OK);
    for good in [known.bearer(), known.bearer().replace("Bearer", "bearer"), known.bearer().replace(' ', "  ")] {
        assert_eq!(get(&api, RANKING, &good).await.status(), StatusCode::OK, "{good}");
    }
    let unknown = TestKey::new(&[]).bearer();
    let other_secret = TestKey::new(&[]).rotated(0).text.replace("fw_", "Bearer fw_");
    for wrong in [
        &unknown,
        &other_secret,
        &expired.bearer(),
        &revoked.bearer(),
        &known.text,
        "",
        "Bearer",
        "Bearer fw_",
        "Basic YTpi",
    ] {
        let response = get(&api, RANKING, wrong).await;
        assert_eq!(
            response.headers()["www-authenticate"],
            r#"Bearer realm="flywheel", error="invalid_token""#,
            "{wrong}"
        );
        assert_eq!(kind(response).await, (401, "wrong-key".to_owned()), "{wrong}");
    }
    let twice = [("authorization", known.bearer()), ("authorization", known.bearer())];
    let twice: Vec<_> = twice.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(kind(api.send(Method::GET, RANKING, &twice).await).await.0, 401);
}

/// Neither by its status nor by a byte does an answer tell whether a team exists that the key may not read.
#[tokio::test]
async fn of_a_team_that_may_not_be_read_nothing_is_told() {
    let key = TestKey::new(&["rankings:read:dynamodb"]);
    let api = guarded(sealed(), &[&key]).await;
    for rest in [
        "rankings",
        "rankings/s1",
        "rankings/diff",
        "features/f1",
        "features/f1/history",
        "features/f1/outcome",
        "rankings?limit=0",
    ] {
        let answer = async |team: &str| {
            let response = get(&api, &format!("/v1/teams/{team}/{rest}"), &key.bearer()).await;
            let (status, mut headers) = (response.status(), response.headers().clone());
            let body = response.text().await.unwrap();
            let id = headers.remove("x-request-id").unwrap();
            headers.remove("date");
            (status, headers, body.replace(id.to_str().unwrap(), "").replace(team, ""))
        };
        let (exists, not) = (answer("lambda").await, answer("nobody").await);
        assert_eq!(exists.0, StatusCode::NOT_FOUND, "{rest}");
        assert_eq!(exists.1["content-length"].to_str().unwrap(), not.1["content-length"].to_str().unwrap(), "{rest}");
        assert_eq!(exists, not, "{rest}");
    }
    let listed: Value = get(&api, "/v1/teams", &key.bearer()).await.json().await.unwrap();
    let teams: Vec<_> = listed["items"].as_array().unwrap().iter().map(|team| &team["team"]).collect();
    assert_eq!(teams, ["dynamodb"]);
}

#[tokio::test]
async fn after_a_rotation_both_secrets_are_good_until_the_overlap_ends() {
    let old = TestKey::new(&["rankings:read:*"]);
    let overlapping = old.rotated(i64::MAX);
    let api = guarded(sealed(), &[&overlapping]).await;
    assert_eq!(get(&api, RANKING, &old.bearer()).await.status(), StatusCode::OK);
    assert_eq!(get(&api, RANKING, &overlapping.bearer()).await.status(), StatusCode::OK);
    let over = old.rotated(1);
    api.access.hold(over.facts.clone());
    assert_eq!(refused(&api, RANKING, &old.bearer()).await, (401, "wrong-key".to_owned()));
    assert_eq!(get(&api, RANKING, &over.bearer()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_return_and_others_go_on() {
    let (eager, calm) = (TestKey::new(&["rankings:read:*"]), TestKey::new(&["rankings:read:*"]));
    let access = AccessConfig { key_requests_per_s_max: 1, key_requests_burst_max: 3, ..sealed() };
    let api = guarded(access, &[&eager, &calm]).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(get(&api, RANKING, &eager.bearer()).await.status().as_u16());
    }
    assert_eq!(statuses[..3], [200; 3]);
    let limited = get(&api, RANKING, &eager.bearer()).await;
    assert_eq!(
        (&limited.headers()["retry-after"], &limited.headers()["x-ratelimit-limit"]),
        (&"1".parse().unwrap(), &"1".parse().unwrap())
    );
    assert_eq!(kind(limited).await, (429, "too-many-requests".to_owned()));
    assert_eq!(get(&api, RANKING, &calm.bearer()).await.status(), StatusCode::OK);
}

/// The attack: one address tries one key after another.
#[tokio::test]
async fn guessing_keys_is_slow_and_bars_nobody_else() {
    let (honest, target) = (TestKey::new(&["rankings:read:*"]), TestKey::new(&["rankings:read:*"]));
    let access = AccessConfig { wrong_keys_per_min_max: 5, ..sealed() };
    let api = guarded(access, &[&honest, &target]).await;
    // At keys that do not exist, and at the secret of one that does.
    for guess in [&(|| TestKey::new(&[]).bearer()) as &dyn Fn() -> String, &|| target.rotated(0).bearer()] {
        let mut answers = Vec::new();
        for _ in 0..20 {
            answers.push(refused(&api, RANKING, &guess()).await);
        }
        let looked_at = answers.iter().filter(|answer| **answer == (401, "wrong-key".to_owned())).count();
        let barred = answers.iter().filter(|answer| **answer == (429, "too-many-wrong-keys".to_owned())).count();
        assert!((5..=7).contains(&looked_at) && looked_at + barred == 20, "{answers:?}");
    }
    // Even the right one is not found out so soon, and whoever has another key does not notice.
    assert_eq!(refused(&api, RANKING, &target.bearer()).await.0, 429);
    assert_eq!(get(&api, RANKING, &honest.bearer()).await.status(), StatusCode::OK);
    assert_eq!(api.get(RANKING).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn before_the_keys_are_read_nobody_is_told_that_theirs_is_wrong() {
    let access = AccessConfig { keys_required: true, ..sealed() };
    let api = Api::start_unloaded(ApiConfig { access, ..ApiConfig::default() }).await;
    api.store.set_loaded();
    let key = TestKey::new(&["rankings:read:*"]);
    assert_eq!(get(&api, RANKING, &key.bearer()).await.headers()["retry-after"], "1");
    assert_eq!(refused(&api, RANKING, &key.bearer()).await, (503, "keys-away".to_owned()));
    assert_eq!(refused(&api, RANKING, "Bearer nonsense").await, (401, "wrong-key".to_owned()));
}

#[tokio::test]
async fn a_stream_tells_nothing_after_its_key_was_revoked_or_has_got_another_secret() {
    let ends: [fn(TestKey) -> TestKey; 2] = [TestKey::revoked, |key| key.rotated(0)];
    for end in ends {
        let key = TestKey::new(&["rankings:read:dynamodb"]);
        let api = guarded(sealed(), &[&key]).await;
        let mut stream = get(&api, STREAM, &key.bearer()).await;
        let mut told = String::new();
        while !told.contains("id: s1") {
            told.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
        }
        api.access.hold(end(key).facts);
        api.publish(ranking("dynamodb", "s2", "2026-01-01T12:00:01Z", 3, 1));
        let rest = async {
            let mut rest = String::new();
            while let Some(chunk) = stream.chunk().await.unwrap() {
                rest.push_str(std::str::from_utf8(&chunk).unwrap());
            }
            rest
        };
        let rest = tokio::time::timeout(std::time::Duration::from_secs(10), rest).await.expect("the stream ends");
        assert!(!rest.contains("s2"), "{rest}");
    }
}

#[tokio::test]
async fn a_key_has_a_share_of_the_streams_and_leaves_the_others_theirs() {
    let (greedy, other) = (TestKey::new(&["rankings:read:*"]), TestKey::new(&["rankings:read:*"]));
    let api = guarded(AccessConfig { key_streams_max: 2, ..sealed() }, &[&greedy, &other]).await;
    let _open = [get(&api, STREAM, &greedy.bearer()).await, get(&api, STREAM, &greedy.bearer()).await];
    assert_eq!(refused(&api, STREAM, &greedy.bearer()).await, (429, "too-many-streams-of-key".to_owned()));
    assert_eq!(get(&api, STREAM, &greedy.bearer()).await.headers()["retry-after"], "1");
    assert_eq!(get(&api, STREAM, &other.bearer()).await.status(), StatusCode::OK);
}
