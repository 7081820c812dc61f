//! What somebody could try at caches: the reader's own, and those between.

use api::ApiConfig;
use reqwest::{Method, Response};

use super::wire::served;
use crate::access::keys::{TestKey, guarded, sealed};

const RANKING: &str = "/v1/teams/dynamodb/rankings";

fn tag(response: &Response) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn only_the_very_tag_saves_an_answer() {
    let api = served(ApiConfig::default()).await;
    let answer = api.get(RANKING).await;
    let tag = tag(&answer);
    let whole = answer.bytes().await.unwrap();
    let opaque = tag.trim_start_matches("W/");
    let asked = async |tags: &[u8]| {
        let request = reqwest::Client::new().get(format!("{}{RANKING}", api.base));
        let sent = request.header("if-none-match", reqwest::header::HeaderValue::from_bytes(tags).unwrap());
        let response = sent.send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap())
    };
    let many = (0..1_000).map(|n| format!("\"{n}\",")).collect::<String>();
    for held in [tag.clone(), opaque.to_owned(), "*".to_owned(), format!("{many} {tag}"), format!(" ,, {tag} ,")] {
        let (status, body) = asked(held.as_bytes()).await;
        assert_eq!((status, body.len()), (304, 0), "{held}");
    }
    for other in [
        opaque.trim_matches('"'),
        &opaque.to_uppercase(),
        &opaque[..opaque.len() - 2],
        &format!("{opaque}x"),
        &tag.replace("json", "csv"),
        &tag.replace("W/", "w/"),
        "\"*\"",
        "W/\"\"",
        "W/",
        "",
        &many,
        &",".repeat(10_000),
        &"W/".repeat(5_000),
    ] {
        let (status, body) = asked(other.as_bytes()).await;
        assert_eq!(status, 200, "{other}");
        assert_eq!(body, whole, "{other}");
    }
    assert_eq!(asked(b"\xff\xfe\"W/").await, (200, whole));
}

/// Who has a tag need not have been let in: it is told to whoever may read, and may be guessed.
#[tokio::test]
async fn a_tag_opens_no_door() {
    let (reader, other) = (TestKey::new(&["rankings:read:dynamodb"]), TestKey::new(&["rankings:read:lambda"]));
    let api = guarded(sealed(), &[&reader, &other]).await;
    let asked = async |key: &str, path: &str, tags: &str| {
        let response = api.send(Method::GET, path, &[("authorization", key), ("if-none-match", tags)]).await;
        assert!(response.headers()["cache-control"].to_str().unwrap().contains(match response.status().as_u16() {
            304 => "private",
            _ => "no-store",
        }));
        response.status().as_u16()
    };
    for path in [RANKING, "/v1/teams/dynamodb/rankings/s1"] {
        let tag = tag(&api.send(Method::GET, path, &[("authorization", &reader.bearer())]).await);
        for tags in [tag.as_str(), "*"] {
            assert_eq!(asked(&reader.bearer(), path, tags).await, 304);
            assert_eq!(asked(&other.bearer(), path, tags).await, 404);
            assert_eq!(asked(&TestKey::new(&[]).bearer(), path, tags).await, 401);
        }
    }
}

/// What a cache between does not look at must not change what it keeps for the next one.
#[tokio::test]
async fn headers_that_no_answer_varies_by_change_none() {
    let api = served(ApiConfig::default()).await;
    let path = format!("{RANKING}?limit=1");
    let told = async |headers: &[(&str, &str)]| {
        let response = api.send(Method::GET, &path, headers).await;
        let (status, mut headers) = (response.status(), response.headers().clone());
        for of_this_one in ["x-request-id", "date"] {
            headers.remove(of_this_one);
        }
        (status, headers, response.bytes().await.unwrap())
    };
    let plain = told(&[]).await;
    assert!(plain.1.contains_key("link"), "it has an address in it");
    for header in [
        ("x-forwarded-host", "evil.example"),
        ("x-host", "evil.example"),
        ("forwarded", "host=evil.example;proto=https"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-original-url", "/v1/teams"),
        ("x-rewrite-url", "/v1/teams"),
        ("x-http-method-override", "DELETE"),
        ("range", "bytes=0-1"),
        ("if-match", "\"other\""),
        ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
        ("cookie", "format=csv; limit=2"),
        ("content-type", "text/csv"),
        ("origin", "https://evil.example"),
        ("accept-language", "de"),
    ] {
        assert_eq!(told(&[header]).await, plain, "{header:?}");
    }
}
