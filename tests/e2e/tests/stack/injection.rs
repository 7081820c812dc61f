//! What somebody could try who knows SQL: every parameter that the API's document names, and what else gets as far as a question
//! to ClickHouse, with what databases trip over.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use devstack::{Role, Stack};
use e2e::examples::examples;
use futures::{StreamExt, stream};
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::DeadLetterFilter;
use testkit::{
    eventually::eventually,
    flywheel::{Flywheel, succeed},
    record::produce,
};

use crate::{
    ranking::now,
    world::{Size, World, team_id},
};

const SIZE: Size = Size { teams: 1, features: 4, accounts: 100, events: 2_000 };
const WRITTEN_MAX: Duration = Duration::from_secs(60);
/// So many questions at once.
const AT_ONCE: usize = 8;
const EVENT_MAX: Duration = Duration::from_secs(20);
const TABLES: &str = "SELECT count() FROM system.tables WHERE database = currentDatabase()";
const ROWS: &str =
    "SELECT sum(rows) FROM (SELECT count() AS rows FROM usage UNION ALL SELECT count() AS rows FROM requests
    UNION ALL SELECT count() AS rows FROM features UNION ALL SELECT count() AS rows FROM dead_letters)";

const TRICKS: [&str; 18] = [
    "' OR '1'='1",
    "'/**/OR/**/1=1/**/--",
    "') OR 1=1 OR ('",
    "\\' OR 1=1 -- ",
    "'; DROP TABLE usage; -- ",
    "' UNION ALL SELECT name FROM system.users -- ",
    "'||sleep(3)||'",
    "{team:String}",
    "{p0:Identifier}",
    "?",
    "\\",
    "\\N",
    "\t\\t\n",
    "\0'\u{1}",
    "1e+999",
    "-9223372036854775808",
    "NULL",
    "${jndi:ldap://127.0.0.1:1/a}'\";--%27%00<script>",
];

/// An API with a team's ranking and some dead letters, asked by somebody who may read both.
struct Attacked {
    flywheel: Flywheel,
    key: String,
    http: reqwest::Client,
    ranking: Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_parameter_is_ever_read_as_sql() {
    let stack = testkit::migrated_stack().await;
    let attacked = Attacked::new(&stack).await;
    let client = testkit::clickhouse(&stack, Role::Ingest);
    let count = async |sql: &str| client.query(sql).fetch_one::<u64>().await.unwrap();
    let (tables, rows) = (count(TABLES).await, count(ROWS).await);

    let (_, document) = attacked.get("/openapi.json").await;
    let parameters = parameters(&document);
    assert!(parameters.len() > 50, "{} are too few for all that the document names", parameters.len());
    let tried = parameters.iter().flat_map(|parameter| TRICKS.map(|trick| (parameter, trick)));
    stream::iter(tried)
        .for_each_concurrent(AT_ONCE, |(parameter, trick)| attacked.is_not_fooled(parameter, trick))
        .await;

    // What looks like a snapshot's id at its beginning gets further, and so does a cursor whose checksum is right: it is no secret.
    let snapshot = attacked.ranking["snapshot"].as_str().unwrap();
    let (instant, _) = snapshot.split_once('-').unwrap();
    let further = async |trick: &str| {
        attacked.is_refused(&format!("/v1/teams/{{team}}/rankings/{instant}-{}", percent_encoded(trick))).await;
        attacked
            .stream_starts_anew("/v1/teams/{team}/rankings/stream", "Last-Event-ID", &format!("{instant}-{trick}"))
            .await;
        // After the oldest letter that there can be: there is nothing there.
        attacked.is_refused(&format!("/v1/dead-letters?cursor={}", forged(&format!("d2 0 {trick} 0 0")))).await;
    };
    stream::iter(TRICKS).for_each_concurrent(AT_ONCE, further).await;
    // Which shows that a forged one is read at all.
    let all = attacked.get(&format!("/v1/dead-letters?cursor={}", forged(&format!("d2 {} t 0 0", i64::MAX)))).await;
    assert!(all.0 == 200 && !is_empty(&all.1), "{all:?}");

    assert!(tables > 10 && count(TABLES).await == tables && count(ROWS).await >= rows, "something is gone");
    assert_eq!(attacked.get("/v1/teams/{team}/rankings").await.1["population"], attacked.ranking["population"]);
    attacked.flywheel.terminate().await;
}

impl Attacked {
    async fn new(stack: &Stack) -> Self {
        std::fs::create_dir_all(stack.logs()).expect("a folder");
        let secret = stack.logs().join("key-secret");
        std::fs::write(&secret, "of this test, not of anybody else\n").expect("a file");
        let secret = secret.to_str().expect("a path that is text");
        let env = [("FLYWHEEL_API_KEY_SECRET_FILE", secret), ("FLYWHEEL_API_KEY_REQUESTS_BURST_MAX", "100000")];
        let flywheel = Flywheel::spawn(stack, "run", &env);
        flywheel.ready().await;
        let scopes = ["--scope", "rankings:read:*", "--scope", "admin", "--api-key-secret-file", secret];
        let create = [&["keys", "create", "--name", "curious", "--json"], &scopes[..]].concat();
        let created: Value = serde_json::from_str(&succeed(stack, &create).await).expect("it prints JSON");
        let key = created["key"].as_str().expect("a key").to_owned();
        produce(stack, World::generate(5, &SIZE, now()).records);
        let malformed = examples("invalid").expect("the examples are readable");
        produce(stack, malformed.into_iter().map(|example| example.record));
        let mut attacked = Self { flywheel, key, http: reqwest::Client::new(), ranking: Value::Null };
        eventually("there are a ranking of all and dead letters", WRITTEN_MAX, async || {
            let (status, ranking) = attacked.get("/v1/teams/{team}/rankings").await;
            let (_, letters) = attacked.get("/v1/dead-letters").await;
            let accounts = ranking["population"]["accounts"].as_u64();
            if accounts > Some(50) && !is_empty(&letters) { Ok(()) } else { Err(format!("{status}: {accounts:?}")) }
        })
        .await;
        attacked.ranking = attacked.get("/v1/teams/{team}/rankings").await.1;
        attacked
    }

    fn request(&self, path: &str) -> reqwest::RequestBuilder {
        let snapshot = self.ranking["snapshot"].as_str().unwrap_or_default();
        let feature = self.ranking["items"][0]["feature"].as_str().unwrap_or_default();
        let path = path.replace("{team}", &team_id(0)).replace("{feature}", feature).replace("{snapshot}", snapshot);
        self.http.get(format!("{}{path}", self.flywheel.api_url())).bearer_auth(&self.key)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.request(path).send().await.expect("the API answers");
        (response.status().as_u16(), response.json().await.expect("the API answers with JSON"))
    }

    /// With `trick` for its value the parameter is a wrong or unknown name.
    async fn is_not_fooled(&self, Parameter { path, name, is_in, needed }: &Parameter, trick: &str) {
        let value = percent_encoded(trick);
        match is_in.as_str() {
            "path" => self.is_refused(&format!("{}?{needed}", path.replace(&format!("{{{name}}}"), &value))).await,
            "query" => self.is_refused(&format!("{path}?{needed}{name}={value}")).await,
            _ => self.stream_starts_anew(path, name, trick).await,
        }
    }

    /// The answer is that of a wrong or unknown name, and tells nothing of the database.
    async fn is_refused(&self, path: &str) {
        let (status, answer) = self.get(path).await;
        // What may be any text, such as an event's type, is one that nothing has.
        let refused = [400, 403, 404].contains(&status) || status == 200 && is_empty(&answer);
        assert!(refused, "{path}: {status}: {answer}");
        let told = answer.to_string();
        assert!(!told.contains("DB::") && !told.contains("Code: "), "{path} tells of the database: {told}");
    }

    /// A snapshot that nobody knows: the reader starts with the current ranking.
    async fn stream_starts_anew(&self, path: &str, header: &str, trick: &str) {
        // Control characters never come so far.
        let Ok(value) = HeaderValue::from_str(trick) else { return };
        let request = self.request(path).header(HeaderName::from_bytes(header.as_bytes()).unwrap(), value);
        let mut stream = request.send().await.expect("the API answers");
        assert_eq!(stream.status(), 200, "{trick}");
        let first_event = async {
            let mut told = String::new();
            while !told.contains("event: ") {
                told += &String::from_utf8_lossy(&stream.chunk().await.unwrap().expect("the stream goes on"));
            }
            told
        };
        let told = tokio::time::timeout(EVENT_MAX, first_event).await.expect("an event");
        assert!(told.contains("event: reset"), "{trick}: {told}");
    }
}

/// A parameter of the document.
struct Parameter {
    path: String,
    name: String,
    is_in: String,
    /// The query's other parameters that have to be there.
    needed: String,
}

fn parameters(document: &Value) -> Vec<Parameter> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let described = operations["get"]["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        for parameter in described {
            let others = described.iter().filter(|other| other["in"] == "query" && other["required"] == true);
            let needed = others.filter(|other| other["name"] != parameter["name"]);
            all.push(Parameter {
                path: path.clone(),
                name: text(&parameter["name"]),
                is_in: text(&parameter["in"]),
                needed: needed.map(|other| format!("{}={}&", text(&other["name"]), text(&other["example"]))).collect(),
            });
        }
    }
    all
}

fn is_empty(answer: &Value) -> bool {
    answer["items"].as_array().is_some_and(Vec::is_empty)
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A cursor as the API makes them, of the dead letters without filters.
fn forged(place: &str) -> String {
    let list = format!("dead letters {:?}", DeadLetterFilter::default());
    let checksum = Sha256::digest(format!("flywheel cursor 2\n{place}\n{list}"));
    URL_SAFE_NO_PAD.encode([&checksum[..12], place.as_bytes()].concat())
}
