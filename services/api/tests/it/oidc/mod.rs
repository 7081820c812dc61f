//! Tokens of a real issuer on this machine stand in for keys.

mod issuer;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api::{ApiConfig, access::OidcConfig};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use issuer::{Issuer, Key};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Api, ranking};

const AUDIENCE: &str = "flywheel";

/// An API that takes the issuer's tokens, with two teams.
async fn api(issuer: &str) -> Api {
    let oidc = OidcConfig {
        issuer: Some(issuer.to_owned()),
        audience: Some(AUDIENCE.to_owned()),
        admin_claim: Some("groups=operators".parse().unwrap()),
        keys_asked_ms_min: 200,
        ..OidcConfig::default()
    };
    let api = Api::start_with(ApiConfig { oidc, ..ApiConfig::default() }).await;
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
