//! What persons wrote, and what few accounts did: told to those with the right to it and to nobody else, and the former never
//! without a word of who read it.

mod few;

use std::{
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use devstack::{Role, Stack};
use domain::time::Timestamp;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::{
    eventually::eventually,
    flywheel::{Flywheel, command, succeed},
    record::{Described, produce},
};
use wire::topics::{CATALOG, REQUESTS};

const SOON: Duration = Duration::from_secs(60);
const TEAM: &str = "storage";
const WORDS: &str = "=We cannot go live without it";
const PERSON: &str = "A. Person";
/// Accounts in the segment of many, and in that of few.
const MANY: usize = 8;
const FEW: usize = 3;
const EXPORTS: &str = "/v1/teams/storage/features/exports";

/// A process with every role, and what it was told of a team.
struct World {
    stack: Stack,
    flywheel: Flywheel,
    secret_file: String,
    http: reqwest::Client,
    /// Nothing happened later.
    now: Timestamp,
}

/// A key of the query API.
struct Key {
    text: String,
    id: String,
}

/// A line of the audit's file; a row of its table.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Entry {
    at: String,
    key_id: String,
    team: String,
    action: String,
    resource: String,
    outcome: String,
    request_id: String,
}

impl World {
    async fn start() -> Self {
        let stack = testkit::migrated_stack().await;
        std::fs::create_dir_all(stack.logs()).expect("a folder");
        let file = stack.logs().join("key-secret");
        std::fs::write(&file, "of this test, not of anybody else\n").expect("a file");
        let secret_file = file.to_str().expect("a path that is text").to_owned();
        let flywheel = Flywheel::spawn(&stack, "run", &[("FLYWHEEL_API_KEY_SECRET_FILE", &secret_file)]);
        flywheel.ready().await;
        let now = now();
        produce(&stack, events(now));
        let world = Self { stack, flywheel, secret_file, http: reqwest::Client::new(), now };
        eventually("the team is ranked with all its accounts", SOON, async || {
            let (status, ranking) = world.flywheel.get("/v1/teams/storage/rankings").await;
            let accounts = &ranking["population"]["accounts"];
            if status == 200 && *accounts == MANY + FEW { Ok(()) } else { Err(ranking.to_string()) }
        })
        .await;
        world
    }

    /// A new key, as soon as the API knows it.
    async fn key(&self, scopes: &[&str]) -> Key {
        let mut arguments =
            vec!["keys", "create", "--json", "--name", "test", "--api-key-secret-file", &self.secret_file];
        arguments.extend(scopes.iter().flat_map(|scope| ["--scope", scope]));
        let created: Value = serde_json::from_str(&succeed(&self.stack, &arguments).await).expect("it prints JSON");
        let of = |name: &str| created[name].as_str().expect("a text").to_owned();
        let key = Key { text: of("key"), id: of("key_id") };
        eventually("the key is known", SOON, async || match self.ask("/v1/teams", &key).await {
            (200, ..) => Ok(()),
            (status, ..) => Err(status.to_string()),
        })
        .await;
        key
    }

    async fn ask(&self, path: &str, key: &Key) -> (u16, HeaderMap, String) {
        let request = self.http.get(format!("{}{path}", self.flywheel.api_url())).bearer_auth(&key.text);
        let response = request.send().await.expect("the API answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, response.text().await.expect("a body"))
    }

    /// Status and kind of a refusal, which tells nothing of what persons wrote.
    async fn refused(&self, path: &str, key: &Key) -> (u16, String) {
        let (status, headers, body) = self.ask(path, key).await;
        assert!(!body.contains("go live") && !body.contains(PERSON), "{path}: {body}");
        assert_eq!(headers.contains_key("retry-after"), status == 503, "{path}");
        let problem: Value = serde_json::from_str(&body).expect("a problem");
        let kind = problem["type"].as_str().unwrap_or_else(|| panic!("{path} is not refused: {status} {body}"));
        (status, kind.trim_start_matches("urn:flywheel:problem:").to_owned())
    }

    fn audit_file(&self) -> PathBuf {
        self.stack.logs().join("audit.jsonl")
    }

    /// The lines of the audit's file.
    fn lines(&self) -> Vec<Entry> {
        let text = std::fs::read_to_string(self.audit_file()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// The rows of the audit's table.
    async fn rows(&self) -> Vec<Entry> {
        let sql = "SELECT toUnixTimestamp64Micro(at), key_id, toString(team), toString(action), resource, toString(outcome), request_id
            FROM audit_log ORDER BY at";
        let client = testkit::clickhouse(&self.stack, Role::Migrate);
        let rows = client.query(sql).fetch_all::<(i64, String, String, String, String, String, String)>().await;
        let rows = rows.expect("the table can be read").into_iter();
        let entries = rows.map(|(at, key_id, team, action, resource, outcome, request_id)| Entry {
            at: Timestamp(at).to_rfc3339(),
            key_id,
            team,
            action,
            resource,
            outcome,
            request_id,
        });
        entries.collect()
    }

    async fn migrate(&self, sql: &str) {
        testkit::clickhouse(&self.stack, Role::Migrate).query(sql).execute().await.expect("the schema can be changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_what_persons_wrote_without_the_right_to_it_and_without_a_word_of_it() {
    let world = World::start().await;
    let reader = world.key(&["rankings:read:storage"]).await;
    let stranger = world.key(&["rankings:read:lambda", "evidence:read"]).await;
    let analysts = [0, 1];
    let analysts =
        futures::future::join_all(analysts.map(|_| world.key(&["rankings:read:storage", "evidence:read"]))).await;
    let texts = format!("{EXPORTS}?texts=true");
    assert_eq!(world.refused(&texts, &reader).await, (403, "forbidden".to_owned()));
    assert_eq!(world.refused(&texts, &stranger).await, (404, "unknown-team".to_owned()));
    assert_eq!(world.flywheel.get(&texts).await.0, 401, "without a key too");

    // Each asks the same, and each is in the log before the answer is there.
    for (asked, analyst) in (1..).zip([&analysts[0], &analysts[1], &analysts[0]]) {
        let (status, headers, body) = world.ask(&texts, analyst).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!((&headers["cache-control"], headers.contains_key("etag")), (&"no-store".parse().unwrap(), false));
        let evidence: Value = serde_json::from_str(&body).expect("JSON");
        let words = &evidence["latest_requests"][0]["words"];
        assert_eq!((&words["text"], &words["requester"]), (&WORDS.into(), &PERSON.into()), "{evidence}");
        assert_eq!((&words["account"], &words["ref"]), (&"few-0".into(), &"T-1".into()), "{evidence}");
        let lines = world.lines();
        let told = lines.iter().filter(|entry| entry.outcome == "told").count();
        assert_eq!(told, asked, "{lines:?}");
        assert_eq!(lines.last().map(|entry| &entry.key_id), Some(&analyst.id));
        assert_eq!(headers["x-request-id"], lines.last().expect("a line").request_id.as_str());
        assert_eq!(world.rows().await, lines);
    }
    // Without being asked for they are told to nobody, whatever was kept; nor in a form that has no requests.
    for path in [EXPORTS.to_owned(), format!("{texts}&format=csv")] {
        for key in [&analysts[0], &reader] {
            let (_, headers, body) = world.ask(&path, key).await;
            assert!(!body.contains("go live") && !body.contains(PERSON), "{path}: {body}");
            assert!(headers["cache-control"].to_str().unwrap().starts_with(if body.contains("forbidden") {
                "no-store"
            } else {
                "private"
            }));
        }
    }
    let lines = world.lines();
    let of = |outcome: &str| lines.iter().filter(|entry| entry.outcome == outcome).count();
    assert_eq!((of("told"), of("refused")), (3, 2), "{lines:?}");
    for entry in &lines {
        assert_eq!((entry.team.as_str(), entry.action.as_str()), (TEAM, "read_texts"));
        assert!(entry.resource.starts_with(&texts), "{entry:?}");
    }
    let mode = std::fs::metadata(world.audit_file()).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!world.flywheel.log().contains(PERSON), "the log tells it");
    terminal(&world, &analysts[0], &reader).await;
}

/// `flywheel evidence --texts`.
async fn terminal(world: &World, analyst: &Key, reader: &Key) {
    let api = world.flywheel.api_url();
    let evidence = async |key: &Key, more: &[&str]| {
        let arguments = ["evidence", TEAM, "exports", "--api", &api, "--api-key", &key.text];
        command(&world.stack, &[&arguments[..], more].concat()).await
    };
    let told = evidence(analyst, &["--texts"]).await;
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(told.status.success() && text.contains(WORDS) && text.contains(PERSON), "{text}");
    assert!(!String::from_utf8_lossy(&evidence(analyst, &[]).await.stdout).contains(PERSON));
    let refused = evidence(reader, &["--texts"]).await;
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && text.contains("evidence:read"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_down_is_told_to_nobody() {
    let world = World::start().await;
    let analyst = world.key(&["rankings:read:storage", "evidence:read"]).await;
    let operator = world.key(&["admin"]).await;
    let texts = format!("{EXPORTS}?texts=true");
    eventually("the dead letter is there", SOON, async || match world.ask("/v1/dead-letters", &operator).await {
        (200, _, body) if body.contains(PERSON) => Ok(()),
        (status, _, body) => Err(format!("{status} {body}")),
    })
    .await;
    assert_eq!(world.refused("/v1/dead-letters", &analyst).await, (403, "forbidden".to_owned()));
    let written = world.lines();
    assert!(written.iter().all(|entry| entry.action == "read_dead_letters"), "{written:?}");
    assert_eq!((written[0].key_id.as_str(), written[0].outcome.as_str()), (operator.id.as_str(), "told"));
    let refused = written.last().expect("an entry");
    assert_eq!((refused.key_id.as_str(), refused.outcome.as_str()), (analyst.id.as_str(), "refused"));

    // The rights in a file of users cannot be taken away while the server runs; the table can.
    world.migrate("RENAME TABLE audit_log TO audit_log_elsewhere").await;
    let asked = [(texts.as_str(), &analyst), ("/v1/dead-letters", &operator)];
    for (path, key) in asked {
        assert_eq!(world.refused(path, key).await, (503, "audit-away".to_owned()), "{path}");
    }
    assert_eq!(world.flywheel.readyz().await.map(|(status, _)| status), Some(200));
    assert_eq!(world.ask(EXPORTS, &analyst).await.0, 200, "what is not personal goes on");
    world.migrate("RENAME TABLE audit_log_elsewhere TO audit_log").await;
    for (path, key) in asked {
        assert_eq!(world.ask(path, key).await.0, 200, "{path}");
    }

    // As when it is rotated; then nothing can be written where it was.
    let rotated = world.stack.logs().join("audit.jsonl.1");
    std::fs::rename(world.audit_file(), &rotated).expect("it can be moved");
    std::fs::create_dir(world.audit_file()).expect("a folder in its place");
    let rows = world.rows().await.len();
    for (path, key) in asked {
        assert_eq!(world.refused(path, key).await, (503, "audit-away".to_owned()), "{path}");
    }
    assert_eq!(world.rows().await.len(), rows, "the file comes first");
    std::fs::remove_dir(world.audit_file()).expect("the folder can go");
    for (path, key) in asked {
        assert_eq!(world.ask(path, key).await.0, 200, "{path}");
    }
    assert_eq!(world.lines().len(), asked.len());
    assert_eq!(world.rows().await.len(), rows + asked.len());
    let metrics = world.flywheel.metrics().await;
    assert!(metrics.contains(r#"flywheel_api_audit_entries_total{flywheel_outcome="failed""#), "{metrics}");
}

/// What happened: the accounts of the segment of many asked ten days ago, those of the one of few yesterday; and those had asked for
/// what was then launched.
fn events(now: Timestamp) -> Vec<Described> {
    let account = |segment: &str, number: usize| format!("{segment}-{number}");
    let mut events = Vec::new();
    let mut add = |topic: &str, kind: &str, key: &str, days: f64, data: Value| {
        events.push(event(topic, kind, key, now.minus_days(days), &data));
    };
    let feature =
        |feature: &str, status: &str| json!({"team": TEAM, "feature": feature, "title": feature, "status": status});
    add(CATALOG, "team.defined", "team:storage", 60.0, json!({"team": TEAM, "name": "Storage", "segments": ["few"]}));
    add(CATALOG, "feature.defined", "feature:storage/exports", 60.0, feature("exports", "proposed"));
    add(CATALOG, "feature.defined", "feature:storage/search", 60.0, feature("search", "proposed"));
    add(CATALOG, "feature.defined", "feature:storage/search", 30.0, feature("search", "launched"));
    let of = |segment: &'static str, accounts: usize| (0..accounts).map(move |number| (segment, number));
    for (segment, number) in of("many", MANY).chain(of("few", FEW)) {
        let (id, few) = (account(segment, number), segment == "few");
        let tier = if few { "enterprise" } else { "standard" };
        let definition = json!({"account": id, "tier": tier, "segments": [segment]});
        add(CATALOG, "account.defined", &format!("account:{id}"), 60.0, definition);
        let mut said = json!({"team": TEAM, "feature": "exports", "account": id, "importance": "critical"});
        if (segment, number) == ("few", 0) {
            said["text"] = WORDS.into();
            said["requester"] = PERSON.into();
            said["ref"] = "T-1".into();
        }
        let days = if !few {
            10.0
        } else if number == 0 {
            1.0
        } else {
            2.0
        };
        add(REQUESTS, "request.stated", &id, days, said);
        if few {
            let said = json!({"team": TEAM, "feature": "search", "account": id, "importance": "important"});
            add(REQUESTS, "request.stated", &id, 40.0, said);
        }
    }
    // It names no feature, and so becomes a dead letter.
    let broken = json!({"team": TEAM, "account": "few-0", "importance": "critical", "requester": PERSON});
    add(REQUESTS, "request.stated", "few-0", 1.0, broken);
    events
}

fn event(topic: &str, kind: &str, key: &str, time: Timestamp, data: &Value) -> Described {
    let headers = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", format!("{kind} {key} {} {}", time.to_rfc3339(), data["feature"])),
        ("ce_source", "//flywheel/tests/personal".to_owned()),
        ("ce_type", format!("io.flywheel.{kind}.v1")),
        ("ce_time", time.to_rfc3339()),
    ];
    Described {
        topic: topic.to_owned(),
        partition: None,
        key: Some(key.to_owned()),
        headers: headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec(),
        payload: Some(data.to_string().into_bytes()),
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    Timestamp(i64::try_from(since.as_micros()).expect("a clock before the year 294247"))
}
