//! Keys from the command line to two apis, over a real ClickHouse.

use std::time::{Duration, Instant};

use devstack::Stack;
use serde_json::Value;
use testkit::{
    eventually::eventually,
    flywheel::{Flywheel, command, succeed},
};

/// What is promised of whatever becomes of a key.
const SEEN_MAX: Duration = Duration::from_secs(5);
/// Set, it is asked for to the letter, on a machine that does nothing else. Otherwise others may slow us down.
const TO_THE_LETTER: &str = "FLYWHEEL_TEST_KEYS_TO_THE_LETTER";
const SHARED_MACHINE: u32 = 3;
const NOTICED_MAX: Duration = Duration::from_secs(30);
const RECOVERED_MAX: Duration = Duration::from_secs(60);

struct World {
    stack: Stack,
    secret_file: String,
    apis: Vec<Flywheel>,
    http: reqwest::Client,
}

impl World {
    async fn start() -> Self {
        let stack = testkit::migrated_stack().await;
        std::fs::create_dir_all(stack.logs()).expect("a folder");
        let file = stack.logs().join("key-secret");
        std::fs::write(&file, "of this test, not of anybody else\n").expect("a file");
        let secret_file = file.to_str().expect("a path that is text").to_owned();
        let mut world = Self { stack, secret_file, apis: Vec::new(), http: reqwest::Client::new() };
        for _ in 0..2 {
            world.apis.push(world.api());
        }
        for api in &world.apis {
            api.ready().await;
        }
        world
    }

    fn api(&self) -> Flywheel {
        let env = [("FLYWHEEL_API_KEYS_REQUIRED", "true"), ("FLYWHEEL_API_KEY_SECRET_FILE", self.secret_file.as_str())];
        Flywheel::spawn(&self.stack, "api", &env)
    }

    /// `flywheel keys` with these arguments, and the JSON that it prints.
    async fn keys(&self, arguments: &[&str]) -> Value {
        let arguments = [&["keys"], arguments, &["--json"]].concat();
        serde_json::from_str(&succeed(&self.stack, &arguments).await).expect("it prints JSON")
    }

    /// The same of a command that hashes a key.
    async fn sealed(&self, arguments: &[&str]) -> Value {
        self.keys(&[arguments, &["--api-key-secret-file", &self.secret_file]].concat()).await
    }

    async fn status(&self, api: &Flywheel, key: &str) -> u16 {
        let request = self.http.get(format!("{}/v1/teams", api.api_url())).bearer_auth(key);
        request.send().await.expect("the API answers").status().as_u16()
    }

    /// Both apis answer so, and soon.
    async fn soon(&self, key: &str, status: u16) {
        let since = Instant::now();
        for api in &self.apis {
            eventually(&format!("a key is a {status}"), NOTICED_MAX, async || match self.status(api, key).await {
                found if found == status => Ok(()),
                found => Err(found.to_string()),
            })
            .await;
        }
        let granted = if std::env::var_os(TO_THE_LETTER).is_some() { 1 } else { SHARED_MACHINE };
        assert!(since.elapsed() <= SEEN_MAX * granted, "it took {:?}", since.elapsed());
    }
}

fn text(document: &Value, field: &str) -> String {
    document[field].as_str().unwrap_or_else(|| panic!("no {field} in {document}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_key_every_api_knows_within_five_seconds() {
    let world = World::start().await;
    let refused = world.http.get(format!("{}/v1/teams", world.apis[0].api_url())).send().await.expect("an answer");
    assert_eq!(refused.status().as_u16(), 401);

    let created = world.sealed(&["create", "--name", "dashboard", "--scope", "rankings:read:*"]).await;
    let (key, id) = (text(&created, "key"), text(&created, "key_id"));
    world.soon(&key, 200).await;
    let listed = world.keys(&["list"]).await;
    assert_eq!((&listed[0]["key_id"], &listed[0]["name"]), (&created["key_id"], &"dashboard".into()));
    assert_eq!(listed[0]["scopes"], created["scopes"]);

    let overlapping = world.sealed(&["rotate", &id, "--overlap-s", "3600"]).await;
    let second = text(&overlapping, "key");
    world.soon(&second, 200).await;
    world.soon(&key, 200).await;
    let third = text(&world.sealed(&["rotate", &id, "--overlap-s", "0"]).await, "key");
    world.soon(&third, 200).await;
    world.soon(&second, 401).await;
    world.soon(&key, 401).await;

    world.keys(&["revoke", &id]).await;
    world.soon(&third, 401).await;
    assert_eq!(world.keys(&["list"]).await.as_array().map(Vec::len), Some(0));
    assert_eq!(world.keys(&["list", "--all"]).await[0]["good"], false);
    let again = command(&world.stack, &["keys", "rotate", &id, "--api-key-secret-file", &world.secret_file]).await;
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("revoked"));

    // The secret part of each is nowhere but in what was printed once.
    let said = format!("{listed}{}", world.apis.iter().map(Flywheel::log).collect::<String>());
    for key in [&key, &second, &third] {
        let secret = key.rsplit('_').next().expect("a secret");
        assert!(secret.len() == 64 && !said.contains(secret), "a secret was told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_clickhouse_the_keys_held_stay_good_and_an_api_that_starts_says_that_it_has_none() {
    let world = World::start().await;
    let created = world.sealed(&["create", "--name", "reader", "--scope", "rankings:read:*"]).await;
    let key = text(&created, "key");
    world.soon(&key, 200).await;

    let clickhouse = world.stack.clickhouse().expect("the test's own");
    clickhouse.stop().await.expect("the server stops");
    eventually("readiness says how old the keys are", NOTICED_MAX, async || match world.apis[0].readyz().await {
        Some((503, body)) if body.contains("the API keys were last read") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(world.status(&world.apis[0], &key).await, 200);
    let metrics = world.apis[0].metrics().await;
    assert!(metrics.contains("flywheel_api_keys_age_seconds"), "{metrics}");

    let late = world.api();
    eventually("an api without keys says so", NOTICED_MAX, async || {
        let request = world.http.get(format!("{}/v1/teams", late.api_url())).bearer_auth(&key);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let (status, body) = (answer.status().as_u16(), answer.text().await.map_err(|error| error.to_string())?);
        if status == 503 && body.contains("keys-away") { Ok(()) } else { Err(format!("{status} {body}")) }
    })
    .await;

    clickhouse.start().await.expect("the server starts");
    eventually("all is well again", RECOVERED_MAX, async || {
        for api in world.apis.iter().chain([&late]) {
            let (ready, status) = (api.readyz().await, world.status(api, &key).await);
            if status != 200 || ready.as_ref().is_none_or(|(status, _)| *status != 200) {
                return Err(format!("{status} {ready:?}"));
            }
        }
        Ok(())
    })
    .await;
}
