//! Paths that try to be others.

use api::ApiConfig;

use super::wire::{ask, served};

/// Nothing is decoded twice, joined, or looked up in a file system: a trick is an unknown path or a wrong id, never an answer.
#[tokio::test]
async fn tricks_lead_nowhere() {
    let api = served(ApiConfig::default()).await;
    for path in [
        "/../etc/passwd",
        "/v1/teams/../../etc/passwd",
        "/v1/teams/dynamodb/../dynamodb/rankings",
        "/v1/teams/%2e%2e/rankings",
        "/v1/teams/..%2f..%2fetc%2fpasswd/rankings",
        "/v1/teams/dynamodb%2frankings",
        "/v1/teams/%2564ynamodb/rankings",
        "/v1/teams/dynamodb%00/rankings",
        "/v1/teams/dynamodb%0d%0ax-injected:%201/rankings",
        "/v1/teams/%c0%ae%c0%ae/rankings",
        "/v1/teams/%ff%fe/rankings",
        "/v1/teams/dyn%E2%80%8Bamodb/rankings",
        "/v1/teams/DynamoDB/rankings",
        "/v1/teams/dynamodb;x=1/rankings",
        "/v1/teams/dynamodb/rankings;x=1",
        "/v1/teams/dynamodb/rankings/",
        "/v1/teams/dynamodb//rankings",
        "//v1/teams/dynamodb/rankings",
        "/V1/teams/dynamodb/rankings",
        "/v1/teams/dynamodb/rankings%3flimit=1",
        "/v1\\teams\\dynamodb\\rankings",
        "/v1/teams/dynamodb/rankings/s1%00",
        "/v1/teams/dynamodb/rankings/..%5c..%5c",
        "/metrics",
        "/debug/pprof",
        "/.git/config",
    ] {
        let answer = ask(&api, format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await.unwrap();
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.head.contains("\r\nx-injected"), "{path}: {}", answer.head);
        answer.problem();
    }
}

/// What is not HTTP at all, or asks a server of pages to be a proxy.
#[tokio::test]
async fn what_is_no_request_is_refused() {
    let api = served(ApiConfig::default()).await;
    for request in [
        &b"GET /v1/teams/\0 HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
        b"GET  /livez HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /livez HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n",
        b"\r\n\r\n\r\nhello\r\n\r\n",
    ] {
        let answer = ask(&api, request).await;
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 400), "{request:?}: {answer:?}");
    }
    for request in [
        "GET http://169.254.169.254/latest/meta-data HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "TRACE /v1/teams HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ] {
        let answer = ask(&api, request).await.unwrap();
        assert!([404, 405, 421].contains(&answer.status), "{request}: {answer:?}");
        answer.problem();
    }
}
