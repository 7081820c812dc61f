//! Every operation of the document, asked with every kind of key. A path that is added needs a rule here.

use api::access::AccessConfig;
use reqwest::Method;
use serde_json::Value;

use super::keys::{TestKey, guarded, sealed};
use crate::support::Api;

/// Who is let in to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Anybody, whatever they send.
    Open,
    /// Whoever has a good key; what it may not read is left out.
    AnyKey,
    /// Whoever may read the team.
    ReadersOfTheTeam,
    /// Whoever may read the team, and what few accounts said.
    EvidenceOfTheTeam,
    /// Operators.
    Operators,
}

/// A path, a query that it can answer, and who is let in.
const RULES: &[(&str, &str, Rule)] = &[
    ("/livez", "", Rule::Open),
    ("/readyz", "", Rule::Open),
    ("/version", "", Rule::Open),
    ("/openapi.json", "", Rule::Open),
    ("/docs", "", Rule::Open),
    ("/v1/teams", "", Rule::AnyKey),
    ("/v1/portfolio", "", Rule::AnyKey),
    ("/v1/dead-letters", "", Rule::Operators),
    ("/v1/teams/{team}/rankings", "", Rule::ReadersOfTheTeam),
    ("/v1/teams/{team}/rankings", "?as_of=2026-01-01T00:00:00Z&segment=retail", Rule::ReadersOfTheTeam),
    ("/v1/teams/{team}/rankings/stream", "", Rule::ReadersOfTheTeam),
    ("/v1/teams/{team}/rankings/diff", "?from=2026-01-01T00:00:00Z", Rule::ReadersOfTheTeam),
    ("/v1/teams/{team}/rankings/{snapshot}", "", Rule::ReadersOfTheTeam),
    ("/v1/teams/{team}/features/{feature}", "", Rule::ReadersOfTheTeam),
    ("/v1/teams/{team}/features/{feature}", "?texts=true", Rule::EvidenceOfTheTeam),
    ("/v1/teams/{team}/features/{feature}/history", "", Rule::ReadersOfTheTeam),
    ("/v1/teams/{team}/features/{feature}/outcome", "", Rule::ReadersOfTheTeam),
];

/// Somebody who asks.
struct Asking {
    name: &'static str,
    authorization: Option<String>,
    /// The scopes of a good key.
    scopes: Option<&'static [&'static str]>,
}

/// What they get.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// Whatever is there: a handler has seen the request.
    LetIn,
    Refused(u16, &'static str),
}

const SCOPES: &[(&str, &[&str])] = &[
    ("no scope", &[]),
    ("the team's", &["rankings:read:dynamodb"]),
    ("another team's", &["rankings:read:lambda"]),
    ("two teams'", &["rankings:read:dynamodb", "rankings:read:lambda"]),
    ("every team's", &["rankings:read:*"]),
    ("evidence alone", &["evidence:read"]),
    ("admin alone", &["admin"]),
    ("the team's and evidence", &["rankings:read:dynamodb", "evidence:read"]),
    ("another team's and evidence", &["rankings:read:lambda", "evidence:read"]),
    ("every team's and evidence", &["rankings:read:*", "evidence:read"]),
    ("another team's and admin", &["rankings:read:lambda", "admin"]),
    ("everything", &["rankings:read:*", "evidence:read", "admin"]),
];

#[tokio::test]
async fn every_operation_lets_in_whom_it_should_and_nobody_else() {
    let good: Vec<TestKey> = SCOPES.iter().map(|(_, scopes)| TestKey::new(scopes)).collect();
    let all = &["rankings:read:*", "evidence:read", "admin"];
    let (expired, revoked, unknown) = (TestKey::new(all).expired(), TestKey::new(all).revoked(), TestKey::new(all));
    let access = AccessConfig { wrong_keys_per_min_max: 100_000, key_requests_burst_max: 100_000, ..sealed() };
    let known: Vec<&TestKey> = good.iter().chain([&expired, &revoked]).collect();
    let api = guarded(access, &known).await;

    let wrong = [
        ("no key", None),
        ("an unknown key", Some(unknown.bearer())),
        ("an expired key", Some(expired.bearer())),
        ("a revoked key", Some(revoked.bearer())),
        ("a secret of another key", Some(good[11].rotated(0).bearer())),
        ("nonsense", Some("Bearer nonsense".to_owned())),
    ];
    let wrong = wrong.into_iter().map(|(name, authorization)| Asking { name, authorization, scopes: None });
    let holders = SCOPES.iter().zip(&good).map(|((name, scopes), key)| Asking {
        name,
        authorization: Some(key.bearer()),
        scopes: Some(scopes),
    });
    let asking: Vec<Asking> = wrong.chain(holders).collect();

    let document = api.json("/openapi.json").await;
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let rules: Vec<_> = RULES.iter().filter(|(of, ..)| of == path).collect();
        assert!(!rules.is_empty(), "{path} has no rule: who is let in?");
        for (method, operation) in item.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            for (_, query, rule) in &rules {
                assert_eq!(operation["security"].is_null(), *rule == Rule::Open, "{path} describes its keys");
                for who in &asking {
                    for team in ["dynamodb", "nobody"] {
                        let target =
                            path.replace("{team}", team).replace("{feature}", "f1").replace("{snapshot}", "s1");
                        let answer = ask(&api, &method, &format!("{target}{query}"), who).await;
                        let expected = expected(*rule, who, team);
                        assert_eq!(answer, expected, "{method} {target}{query} with {}", who.name);
                        asked += 1;
                    }
                }
            }
        }
    }
    assert!(asked > 400, "only {asked} were asked");
}

fn expected(rule: Rule, who: &Asking, team: &str) -> Answer {
    let Some(scopes) = who.scopes else {
        return match (rule, &who.authorization) {
            (Rule::Open, _) => Answer::LetIn,
            (_, None) => Answer::Refused(401, "unauthenticated"),
            (_, Some(_)) => Answer::Refused(401, "wrong-key"),
        };
    };
    let has = |scope: &str| scopes.contains(&scope);
    // Only `dynamodb` exists; of what may not be read, existing or not, the same is said.
    let of_team = has("rankings:read:*") || has(&format!("rankings:read:{team}"));
    match rule {
        Rule::Open | Rule::AnyKey => Answer::LetIn,
        Rule::Operators if has("admin") => Answer::LetIn,
        Rule::Operators => Answer::Refused(403, "forbidden"),
        Rule::ReadersOfTheTeam | Rule::EvidenceOfTheTeam if !of_team => Answer::Refused(404, "unknown-team"),
        Rule::EvidenceOfTheTeam if !has("evidence:read") => Answer::Refused(403, "forbidden"),
        Rule::ReadersOfTheTeam | Rule::EvidenceOfTheTeam if team != "dynamodb" => Answer::Refused(404, "unknown-team"),
        Rule::ReadersOfTheTeam | Rule::EvidenceOfTheTeam => Answer::LetIn,
    }
}

async fn ask(api: &Api, method: &Method, target: &str, who: &Asking) -> Answer {
    let headers: Vec<_> = who.authorization.iter().map(|value| ("authorization", value.as_str())).collect();
    let response = api.send(method.clone(), target, &headers).await;
    let status = response.status().as_u16();
    if !matches!(status, 401 | 403 | 404 | 429) {
        return Answer::LetIn;
    }
    let problem: Value = response.json().await.unwrap();
    let known = ["unauthenticated", "wrong-key", "forbidden", "unknown-team", "too-many-requests"];
    let kind = problem["type"].as_str().unwrap().trim_start_matches("urn:flywheel:problem:");
    match known.into_iter().find(|known| *known == kind) {
        Some(kind) => Answer::Refused(status, kind),
        // A handler's own, such as a snapshot that nobody published.
        None => Answer::LetIn,
    }
}
