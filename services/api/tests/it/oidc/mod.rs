//! Tokens of a real issuer on this machine stand in for keys.

mod issuer;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api::{
    ApiConfig,
    access::{AccessConfig, OidcConfig},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use issuer::{Issuer, Key};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, ranking};

const AUDIENCE: &str = "flywheel";

/// An API that takes the issuer's tokens, with two teams.
async fn api(issuer: &str) -> Api {
    let patient = AccessConfig {
        wrong_keys_per_min_max: 100_000,
        key_requests_per_s_max: 100_000,
        key_requests_burst_max: 100_000,
        ..AccessConfig::default()
    };
    api_with(issuer, patient).await
}

async fn api_with(issuer: &str, access: AccessConfig) -> Api {
    let oidc = OidcConfig {
        issuer: Some(issuer.to_owned()),
        audience: Some(AUDIENCE.to_owned()),
        admin_claim: Some("groups=operators".parse().unwrap()),
        keys_asked_ms_min: 200,
        ..OidcConfig::default()
    };
    let api = Api::start_with(ApiConfig { oidc, access, ..ApiConfig::default() }).await;
    for team in ["dynamodb", "lambda"] {
        api.publish(ranking(team, "s1", "2026-01-01T12:00:00Z", 3, 0));
    }
    api
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Claims that are good, with `changes` made to them; one that is null is left out.
fn claims(issuer: &str, changes: Value) -> Value {
    let mut claims = json!({
        "iss": issuer, "aud": [AUDIENCE, "other"], "sub": "somebody", "exp": now_s() + 300, "teams": ["dynamodb"],
    });
    let held = claims.as_object_mut().unwrap();
    held.extend(changes.as_object().unwrap().clone());
    held.retain(|_, value| !value.is_null());
    claims
}

async fn status(api: &Api, team: &str, token: &str) -> u16 {
    let path = format!("/v1/teams/{team}/rankings");
    api.send(Method::GET, &path, &[("authorization", &format!("Bearer {token}"))]).await.status().as_u16()
}

/// The status once the API has an opinion: it reads the keys of an issuer that has just come up when it is asked.
async fn settled(api: &Api, token: &str) -> u16 {
    let settle = async {
        loop {
            match status(api, "dynamodb", token).await {
                503 => tokio::time::sleep(Duration::from_millis(20)).await,
                status => break status,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), settle).await.expect("the issuer's keys are not read")
}

#[tokio::test]
async fn a_token_reads_the_teams_that_it_names_and_no_others() {
    let keys = [Key::rs256("a"), Key::es256("b"), Key::eddsa("c")];
    let issuer = Issuer::start(&keys.each_ref()).await;
    let api = api(&issuer.url).await;
    for key in &keys {
        let token = key.token(&claims(&issuer.url, json!({})));
        assert_eq!(settled(&api, &token).await, 200, "{}", key.algorithm());
        assert_eq!(status(&api, "lambda", &token).await, 404, "{}", key.algorithm());
    }
    let of_all = keys[0].token(&claims(&issuer.url, json!({"teams": "*"})));
    assert_eq!(status(&api, "lambda", &of_all).await, 200);
    let of_none = keys[0].token(&claims(&issuer.url, json!({"teams": null})));
    assert_eq!(status(&api, "dynamodb", &of_none).await, 404);
}

#[tokio::test]
async fn a_token_that_is_wrong_in_anything_lets_nobody_in() {
    let (rsa, ec, other) = (Key::rs256("a"), Key::es256("b"), Key::es256("b"));
    let issuer = Issuer::start(&[&rsa, &ec]).await;
    let api = api(&issuer.url).await;
    let good = claims(&issuer.url, json!({}));
    assert_eq!(settled(&api, &ec.token(&good)).await, 200, "else this test shows nothing");

    let now = now_s();
    for wrong in [
        json!({"exp": now - 70}),
        json!({"exp": null}),
        json!({"exp": "soon"}),
        json!({"nbf": now + 70}),
        json!({"iss": "https://evil.example"}),
        json!({"iss": format!("{}/", issuer.url)}),
        json!({"iss": null}),
        json!({"aud": "other"}),
        json!({"aud": []}),
        json!({"aud": null}),
        json!({"sub": null}),
    ] {
        assert_eq!(status(&api, "dynamodb", &ec.token(&claims(&issuer.url, wrong.clone()))).await, 401, "{wrong}");
    }
    // Clocks differ a little.
    for right in [json!({"exp": now - 20}), json!({"nbf": now + 20}), json!({"aud": AUDIENCE})] {
        assert_eq!(status(&api, "dynamodb", &ec.token(&claims(&issuer.url, right.clone()))).await, 200, "{right}");
    }

    for header in [
        json!({"alg": "ES256"}),
        json!({"alg": "ES256", "kid": "nobody's"}),
        json!({"alg": "ES256", "kid": "a"}),
        json!({"alg": "RS256", "kid": "b"}),
        json!({"alg": "none", "kid": "b"}),
        json!({"alg": "HS256", "kid": "b"}),
        json!({"alg": "HS256", "kid": "secret"}),
        json!({"alg": "ES256", "kid": "encrypts"}),
        json!({"alg": "ES256", "kid": "b", "crit": ["b64"], "b64": false}),
        json!({"kid": "b"}),
    ] {
        assert_eq!(status(&api, "dynamodb", &ec.token_under(&header, &good)).await, 401, "{header}");
    }
    // The key that a token brings along is none of the issuer's.
    let own = json!({"alg": "ES256", "kid": "mine", "jwk": other.jwk(), "jku": "http://127.0.0.1:1/keys"});
    assert_eq!(status(&api, "dynamodb", &other.token_under(&own, &good)).await, 401);
    assert_eq!(status(&api, "dynamodb", &other.token(&good)).await, 401, "signed by another key of the same id");

    let token = ec.token(&good);
    let [header, _, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let all_teams = BASE64.encode(claims(&issuer.url, json!({"teams": "*"})).to_string());
    let unsigned = BASE64.encode(json!({"alg": "none"}).to_string());
    for forged in [
        format!("{header}.{all_teams}.{signature}"),
        format!("{header}.{all_teams}."),
        format!("{unsigned}.{all_teams}."),
        token[..token.len() - 4].to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
    ] {
        assert_eq!(status(&api, "dynamodb", &forged).await, 401, "{forged}");
    }
    assert_eq!(status(&api, "dynamodb", &token).await, 200);
}

#[tokio::test]
async fn a_new_key_is_asked_for_and_the_issuer_is_not_flooded() {
    let (old, new) = (Key::es256("old"), Key::eddsa("new"));
    let issuer = Issuer::start(&[&old]).await;
    let api = api(&issuer.url).await;
    let token = |key: &Key| key.token(&claims(&issuer.url, json!({})));
    assert_eq!(settled(&api, &token(&old)).await, 200);

    issuer.publish(&[&new]);
    let taken = async {
        while status(&api, "dynamodb", &token(&new)).await != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), taken).await.expect("the new key is not asked for");
    assert_eq!(status(&api, "dynamodb", &token(&old)).await, 401, "a key that was withdrawn is still good");

    let (before, began) = (issuer.asked(), std::time::Instant::now());
    let stranger = token(&Key::es256("stranger"));
    for _ in 0..300 {
        assert_eq!(status(&api, "dynamodb", &stranger).await, 401);
    }
    let allowed = began.elapsed().as_millis() as usize / 200 + 1;
    assert!(issuer.asked() - before <= allowed, "asked {} times, and {allowed} are allowed", issuer.asked() - before);
}

#[tokio::test]
async fn while_the_issuer_is_away_its_keys_stay_good() {
    let key = Key::es256("a");
    let issuer = Issuer::start(&[&key]).await;
    let api = api(&issuer.url).await;
    let token = key.token(&claims(&issuer.url, json!({})));
    assert_eq!(settled(&api, &token).await, 200);
    let url = issuer.url.clone();
    drop(issuer);
    let stranger = Key::es256("stranger").token(&claims(&url, json!({})));
    for _ in 0..5 {
        assert_eq!(status(&api, "dynamodb", &stranger).await, 401);
        assert_eq!(status(&api, "dynamodb", &token).await, 200);
    }
}

#[tokio::test]
async fn nobody_is_believed_before_the_issuer_was_heard_or_who_is_another() {
    let key = Key::es256("a");
    let nobody = api("http://127.0.0.1:1").await;
    let token = key.token(&claims("http://127.0.0.1:1", json!({})));
    let response = nobody.send(Method::GET, "/v1/teams", &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"1".parse().unwrap()));

    let issuer = Issuer::start_named(&[&key], Some("https://other.example".to_owned())).await;
    let api = api(&issuer.url).await;
    let token = key.token(&claims(&issuer.url, json!({})));
    assert_eq!(status(&api, "dynamodb", &token).await, 503);
}

/// Status, kind of problem and `Retry-After`.
async fn refused(api: &Api, token: &str) -> (u16, String, Option<u64>) {
    let path = "/v1/teams/dynamodb/rankings";
    let response = api.send(Method::GET, path, &[("authorization", &format!("Bearer {token}"))]).await;
    let status = response.status().as_u16();
    let wait = response.headers().get("retry-after").map(|wait| wait.to_str().unwrap().parse().unwrap());
    let problem: Value = response.json().await.unwrap();
    (status, problem["type"].as_str().unwrap_or_default().trim_start_matches("urn:flywheel:problem:").to_owned(), wait)
}

#[tokio::test]
async fn a_bearer_who_asks_too_often_is_told_when_to_return_and_others_go_on() {
    let key = Key::eddsa("a");
    let issuer = Issuer::start(&[&key]).await;
    let access = AccessConfig { key_requests_per_s_max: 1, key_requests_burst_max: 3, ..AccessConfig::default() };
    let api = api_with(&issuer.url, access).await;
    let of = |subject: &str| key.token(&claims(&issuer.url, json!({"sub": subject})));
    assert_eq!(settled(&api, &of("first")).await, 200);
    let eager = of("eager");
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(status(&api, "dynamodb", &eager).await);
    }
    assert_eq!(statuses, [200; 3]);
    // Whoever gets another token is still the same.
    let other = key.token(&claims(&issuer.url, json!({"sub": "eager", "exp": now_s() + 900})));
    let (status_code, kind, wait) = refused(&api, &other).await;
    assert_eq!((status_code, kind.as_str(), wait), (429, "too-many-requests", Some(1)));
    assert_eq!(status(&api, "dynamodb", &of("calm")).await, 200);
}

/// The attack: one address tries one token after another.
#[tokio::test]
async fn making_up_tokens_is_slow_and_bars_nobody_who_has_one() {
    let (key, other) = (Key::es256("a"), Key::es256("a"));
    let issuer = Issuer::start(&[&key]).await;
    let access = AccessConfig { wrong_keys_per_min_max: 5, ..AccessConfig::default() };
    let api = api_with(&issuer.url, access).await;
    let good = key.token(&claims(&issuer.url, json!({})));
    assert_eq!(settled(&api, &good).await, 200);
    let over = key.token(&claims(&issuer.url, json!({"exp": now_s() - 100})));
    for _ in 0..20 {
        // It was good once: whoever forgot to get another is told so, however often.
        assert_eq!(refused(&api, &over).await.1, "wrong-token");
    }
    let mut answers = Vec::new();
    for n in 0..20 {
        answers.push(refused(&api, &other.token(&claims(&issuer.url, json!({"sub": n.to_string()})))).await.1);
    }
    let looked_at = answers.iter().filter(|kind| *kind == "wrong-token").count();
    let barred = answers.iter().filter(|kind| *kind == "too-many-wrong-keys").count();
    assert!((5..=7).contains(&looked_at) && looked_at + barred == 20, "{answers:?}");
    // The same address has one count for what it makes up, whether keys or tokens.
    assert_eq!(refused(&api, "fw_nonsense").await.1, "too-many-wrong-keys");
    assert_eq!(status(&api, "dynamodb", &good).await, 200);
    assert_eq!(refused(&api, &over).await.1, "wrong-token");
}

/// Texts that would have a reader call itself until its stack ends, in what is read before and after the signature.
#[tokio::test]
async fn deep_json_in_a_token_is_a_wrong_token() {
    let key = Key::es256("a");
    let issuer = Issuer::start(&[&key]).await;
    let api = api(&issuer.url).await;
    let good = key.token(&claims(&issuer.url, json!({})));
    assert_eq!(settled(&api, &good).await, 200);
    let header = json!({"alg": "ES256", "kid": "a"}).to_string();
    let claims = claims(&issuer.url, json!({})).to_string();
    // More than any reader follows, and as many as fit into a header.
    for (open, close, all) in [("[", "]", 2_500), (r#"{"a":"#, "}", 500)] {
        for levels in [200, all] {
            let deep = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            let with = |text: &str| text.replacen('{', &format!(r#"{{"deep":{deep},"#), 1);
            for token in [
                key.signed(&header, &with(&claims)),
                key.signed(&with(&header), &claims),
                key.signed(&deep, &claims),
                key.signed(&header, &deep),
                key.signed(&header, &claims.replace(r#"["dynamodb"]"#, &deep)),
                format!("{}.{}.", BASE64.encode(with(&header)), BASE64.encode(with(&claims))),
            ] {
                assert_eq!(status(&api, "dynamodb", &token).await, 401, "{levels} levels of {open}");
            }
        }
    }
    assert_eq!(status(&api, "dynamodb", &good).await, 200);
}
